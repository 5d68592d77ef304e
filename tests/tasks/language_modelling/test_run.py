"""Runs: every kind of model learns a small language, comes back from its file, and goes on as if nothing had been."""

import itertools
import math

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal
from small_language import SMALL, small_text

from minitransformer.data.corpus import Document, with_elsewhere
from minitransformer.models.ngram import count_ngrams, ngram_loss
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import costs, load_run, new_run, save_run, steps
from minitransformer.tasks.language_modelling.text import prepare
from minitransformer.training.checkpoint import load_checkpoint, save_checkpoint
from minitransformer.training.session import Goal
from minitransformer.tree import leaves

pytestmark = pytest.mark.usefixtures("clock")

every_kind = pytest.mark.parametrize("name", KINDS)
trained_kinds = pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.training])


@pytest.fixture(scope="module")
def text():
    return small_text()


def run_for(name, text, n_steps, **changes):
    """A new run that is to take so many steps."""
    settings = SMALL[name]._replace(**changes)
    return new_run(KINDS[name], settings, text)._replace(goal=Goal(n_steps))


def trained(name, text, n_steps, **changes):
    run = run_for(name, text, n_steps, **changes)
    for step in steps(run, text):
        run = run._replace(state=step.state)
    return run


@every_kind
def test_it_learns_what_no_bigram_can(name, text):
    """On text that it has not seen, far below the bigram model, which is below ln V."""
    run = trained(name, text, 150) if KINDS[name].training else new_run(KINDS[name], SMALL[name], text)
    bigram = ngram_loss(text.test, count_ngrams(text.training, text.vocabulary.size, 2, "maximum likelihood"))
    after_b = 2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(3)
    assert bigram == pytest.approx(after_b / 2, abs=0.02)  # the blank line at the end costs something too
    assert costs(run, text.test).mean() < 0.5 * bigram < bigram < math.log(text.vocabulary.size)


@trained_kinds
@pytest.mark.parametrize("stop", [1, 4])
def test_resuming_from_the_file_gives_the_same_steps_bit_for_bit(name, text, tmp_path, stop):
    """As if the training had never been interrupted: losses, norms, rates, weights."""
    changes = {"rate": 0.3} if name == "gpt" else {}
    whole = run_for(name, text, 8, **changes)
    expected = [step[:5] for step in steps(whole, text)]
    run = run_for(name, text, 8, **changes)
    first = list(itertools.islice(steps(run, text), stop))
    save_run(tmp_path / "x.run", run._replace(state=first[-1].state))
    again = load_run(tmp_path / "x.run")
    rest = list(steps(again, text))
    assert [step[:5] for step in first + rest] == expected
    assert_array_equal(again.state.weights, whole.state.weights)


def test_resuming_an_lstm(text, tmp_path):
    """Its carry has two parts."""
    whole = [step[:5] for step in steps(run_for("rnn", text, 6, cell="lstm"), text)]
    run = run_for("rnn", text, 6, cell="lstm")
    first = list(itertools.islice(steps(run, text), 3))
    save_run(tmp_path / "x.run", run._replace(state=first[-1].state))
    assert [step[:5] for step in first + list(steps(load_run(tmp_path / "x.run"), text))] == whole


@every_kind
def test_a_run_comes_back_from_its_file(name, text, tmp_path):
    """Settings, vocabulary, goal, text; and it predicts the same to the last bit."""
    run = trained(name, text, 3) if KINDS[name].training else new_run(KINDS[name], SMALL[name], text)
    save_run(tmp_path / "x.run", run)
    again = load_run(tmp_path / "x.run")
    assert again.kind is run.kind
    for field in ("settings", "vocabulary", "paths", "checksum", "goal", "looks", "n_weights"):
        assert getattr(again, field) == getattr(run, field)
    assert_array_equal(costs(again, text.test), costs(run, text.test))


@trained_kinds
def test_weights_are_views_of_one_array(name, text, tmp_path):
    """Of a new run, and of one that was loaded: the optimizer changes them all at once."""
    run = run_for(name, text, 1)
    save_run(tmp_path / "x.run", run)
    for one in (run, load_run(tmp_path / "x.run")):
        assert all(np.shares_memory(leaf, one.state.weights) for leaf in leaves(one.weights))
        assert one.n_weights == len(one.state.weights) == sum(leaf.size for leaf in leaves(one.weights))


@trained_kinds
def test_the_seed_decides(name, text):
    """The same seed trains the same weights, to the last bit."""

    def losses(seed):
        run = new_run(KINDS[name], SMALL[name], text, seed)._replace(goal=Goal(5))
        return [step.loss for step in steps(run, text)]

    assert losses(1) == losses(1) != losses(2)


def test_the_goal_may_be_seconds_and_accumulated_batches(text, clock):
    """And what it says reaches the training."""
    run = run_for("fnn", text, None)._replace(goal=Goal(seconds=7 * clock.TICK))
    assert len(list(steps(run, text))) == 7
    run = run_for("rnn", text, None)._replace(goal=Goal(steps=2, accumulate=3))
    assert len(list(steps(run, text))) == 2


def test_a_file_that_holds_no_language_model_is_refused(text, tmp_path):
    """A checkpoint of something else, or with a part missing."""
    path = tmp_path / "x.run"
    save_checkpoint(path, {"kind": "poem"}, {})
    with refuses(
        ValueError,
        f"checkpoint: {str(path)!r} does not hold a language model "
        "(kind: got 'poem', expected one of ngram, fnn, rnn, gpt)",
    ):
        load_run(path)
    save_run(path, run_for("fnn", text, 1))
    description, arrays = load_checkpoint(path)
    for part in description.keys() - {"checksums"}:
        save_checkpoint(path, {k: v for k, v in description.items() if k != part}, arrays)
        with pytest.raises(ValueError, match=r"does not hold a language model"):
            load_run(path)
    for name in arrays:
        save_checkpoint(path, description, {k: v for k, v in arrays.items() if k != name})
        with pytest.raises(ValueError, match=r"got nothing for "):
            load_run(path)


def test_a_text_that_is_too_short_is_refused():
    """Too short for one window; or nothing but what occurs in training."""

    def corpus(*lengths):
        sides = zip(("training", "validation", "test"), lengths, strict=True)
        documents = [Document(side, letter * n) for (side, n), letter in zip(sides, "abc", strict=True)]
        return with_elsewhere("", (), lambda: documents)

    with refuses(ValueError, "text: got 32 words for validation, expected more than 32: a longer text"):
        new_run(KINDS["fnn"], SMALL["fnn"], prepare(corpus(90, 30, 90)))
    with refuses(ValueError, "text: got nothing for test that does not also occur before, expected a longer text"):
        prepare(corpus(90, 90, 0))
