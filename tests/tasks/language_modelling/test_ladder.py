"""The ladder of language models, and its picture."""

import os
import signal
import sys

import pytest
from assertions import refuses
from small_language import SMALL, small_text

from minitransformer.tasks.language_modelling import ladder
from minitransformer.tasks.language_modelling.ladder import best_ngram, climb, rungs
from minitransformer.tasks.language_modelling.plot import plot_ladder
from minitransformer.tasks.picture import INSTALL_HINT, check_library


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


def test_each_rung_is_trained_and_measured(text, small):
    """And reported while it is; what learned the language is far below the bigram."""
    seen = set()
    results = list(climb(text, 0.05, 0, lambda rung, report: seen.add(rung.kind.name)))
    assert [result.rung.kind.name for result in results] == ["ngram", "ngram", "fnn", "rnn", "gpt"]
    assert seen == {"fnn", "rnn", "gpt"}
    assert all(result.score.per_character < 0.5 * results[0].score.per_character for result in results[1:2])
    assert all(result.seconds > 0 for result in results[2:])


def test_the_best_order_is_chosen_on_the_validation_side(text, small):
    """Five words tell all, and no longer history can tell more of "ababcb"."""
    found = best_ngram(rungs(1)[1], text)
    assert found.settings.n >= 4
    assert found.name == f"{found.settings.n}-gram, Kneser-Ney"


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
