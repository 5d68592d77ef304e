"""The ladder of language models, and its picture."""

import os
import signal
import sys

import numpy as np
import pytest
from assertions import refuses
from small_language import SMALL, sided_text, small_text

from minitransformer.data.corpus import Document, with_elsewhere
from minitransformer.tasks.language_modelling import ladder
from minitransformer.tasks.language_modelling.evaluation import score
from minitransformer.tasks.language_modelling.ladder import best_ngram, climb, rungs
from minitransformer.tasks.language_modelling.plot import plot_ladder
from minitransformer.tasks.language_modelling.run import costs, new_run
from minitransformer.tasks.language_modelling.text import prepare
from minitransformer.tasks.picture import INSTALL_HINT, check_library

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture(scope="module")
def text():
    return small_text()


@pytest.fixture
def small(monkeypatch):
    """The same rungs with small models."""
    kinds = {name: kind._replace(settings=SMALL[name]) for name, kind in ladder.KINDS.items()}
    monkeypatch.setattr(ladder, "KINDS", kinds)


def test_the_rungs_share_the_time():
    """In the order of the text, with something left for counting and evaluation."""
    found = rungs(10)
    assert [rung.kind.name for rung in found] == ["ngram", "ngram", "fnn", "rnn", "gpt"]
    assert 0.8 * 600 < sum(rung.seconds for rung in found) < 600


def test_each_rung_is_trained_and_measured(text, small, clock):
    """And reported while it is, for its share of the time; what learned the language is far below the bigram."""
    seen = set()
    results = list(climb(text, 0.05, 0, lambda rung, report: seen.add(rung.kind.name)))
    assert [result.rung.kind.name for result in results] == ["ngram", "ngram", "fnn", "rnn", "gpt"]
    assert seen == {"fnn", "rnn", "gpt"}
    assert all(result.score.per_character < 0.5 * results[0].score.per_character for result in results[1:2])
    assert [result.seconds for result in results] == pytest.approx([0, 0, 0.24, 0.6, 1.92], abs=clock.TICK)


def test_the_best_order_is_chosen_on_the_validation_side(text, small):
    """Five words tell all, and no longer history can tell more of "ababcb"."""
    found = best_ngram(rungs(1)[1], text)
    assert found.settings.n >= 4
    assert found.name == f"{found.settings.n}-gram, Kneser-Ney"


def test_the_best_order_is_that_of_the_validation_side(small):
    """Here another one than that of the training side, for which no order is high enough, and of the test, which is
    so unlike both that no history helps."""
    rng = np.random.default_rng(0)
    noisy = "".join(rng.choice([*"ababcb", "ababcb"]) for _ in range(400))
    sides = {"training": noisy, "validation": "ababcb" * 20, "test": "".join(rng.choice([*"abc"], 300))}
    text = prepare(with_elsewhere("", (), lambda: [Document(*side) for side in sides.items()]))
    rung = rungs(1)[1]
    of_orders = {n: new_run(rung.kind, rung.kind.settings._replace(n=n), text) for n in ladder.ORDERS}
    best = {side: min(of_orders, key=lambda n: costs(of_orders[n], getattr(text, side)).mean()) for side in sides}
    assert best["training"] != best["validation"] != best["test"]
    assert best_ngram(rung, text).settings == rung.kind.settings._replace(n=best["validation"])


def test_the_last_column_is_of_the_validation_side_and_the_others_of_the_test(small):
    """Of the model that was trained."""
    text = sided_text()
    for result in climb(text, 0.001, 0):
        assert result.score == score(result.run, text, "test")
        assert result.validation == score(result.run, text, "validation").per_character != result.score.per_character


def test_a_climb_begins_where_its_seed_says(text, small):
    """The first loss of each rung: the same with the same seed, another one with another."""

    def first_losses(seed):
        losses = {}
        for _ in climb(text, 0.0005, seed, lambda rung, r: losses.setdefault(rung.name, r.step.loss)):
            pass
        return losses

    ours, again, other = first_losses(1), first_losses(1), first_losses(2)
    assert ours == again and len(ours) == 3
    assert all(ours[name] != other[name] for name in ours)


def test_each_rung_is_trained_for_its_share_of_the_time():
    assert [rung.seconds for rung in rungs(5)] == [0, 0, *(300 * share for share in ladder.SHARES.values())]


def test_ctrl_c_ends_the_climb(text, small):
    """With what was measured until then."""

    def press(rung, report):
        if rung.kind.name == "fnn":
            os.kill(os.getpid(), signal.SIGINT)

    results = list(climb(text, 0.05, 0, press))
    assert [result.rung.kind.name for result in results] == ["ngram", "ngram", "fnn"]


def test_the_picture_is_a_png_file(text, small, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    plot_ladder(tmp_path / "x.png", list(climb(text, 0.02, 0)), {"xz": 2.5})
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with refuses(ValueError, INSTALL_HINT):
        check_library()
