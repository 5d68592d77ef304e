"""What every rung of the ladder must hold: probabilities, and the same whether a text is read at once or bit by bit."""

import itertools

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_allclose
from small_language import SMALL, small_text

from minitransformer.equations.softmax import log_softmax
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.kinds import KINDS, kind_named
from minitransformer.tasks.language_modelling.run import costs, new_run
from minitransformer.training.settings import with_changes

every_kind = pytest.mark.parametrize("name", KINDS)


@pytest.fixture(scope="module")
def text():
    return small_text()


@every_kind
def test_probabilities_sum_to_1_after_every_history(name, text):
    """Whatever was read, and however short it is: the logits are those of a distribution over all V words."""
    run = new_run(KINDS[name], SMALL[name], text)
    rng = np.random.default_rng(0)
    state = None
    for length in (1, 3, 1, 1, 5, 12, 1):
        ids = rng.integers(0, text.vocabulary.size, length)
        logits, state = run.kind.read(ids, state, run.weights, run.settings)
        assert logits.shape == (text.vocabulary.size,)
        assert np.exp(log_softmax(logits.astype(np.float64))[0]).sum() == pytest.approx(1, rel=1e-12)


@every_kind
def test_the_costs_of_a_text_are_by_the_chain_rule(name, text):
    """-log P of each word given all before it, as reading word by word gives it, as far as the model can see."""
    ids = text.test[: FIRST + 10].astype(np.int64)
    settings = SMALL[name]._replace(context=len(ids)) if name == "gpt" else SMALL[name]  # one window sees it all
    run = new_run(KINDS[name], settings, text)
    expected, state = [], None
    for before, word in itertools.pairwise(ids):
        logits, state = run.kind.read(np.array([before]), state, run.weights, run.settings)
        expected.append(-log_softmax(logits.astype(np.float64))[0][word])
    assert_allclose(costs(run, ids), expected[FIRST - 1 :], rtol=1e-4, atol=1e-5)


@every_kind
def test_each_word_but_the_first_is_judged_once(name, text):
    """At any length of text."""
    run = new_run(KINDS[name], SMALL[name], text)
    for n in (FIRST + 1, FIRST + 2, FIRST + 17, 100, 299, 300):
        found = costs(run, text.validation[:n])
        assert found.shape == (n - FIRST,)
        assert np.isfinite(found).all() and (found > 0).all()


@every_kind
def test_costs_do_not_depend_on_how_much_is_read_at_once(name, text, monkeypatch):
    """Texts are read in pieces to save memory."""
    run = new_run(KINDS[name], SMALL[name], text)
    whole = costs(run, text.validation)
    module = __import__(f"minitransformer.tasks.language_modelling.{name}", fromlist=["AT_ONCE"])
    monkeypatch.setattr(module, "AT_ONCE", 3, raising=False)
    assert_allclose(costs(run, text.validation), whole, rtol=1e-4, atol=1e-5)


def test_a_gpt_that_writes_past_its_window_forgets_the_older_half(text):
    """And goes on as one that has read the rest alone, at the first positions."""
    run = new_run(KINDS["gpt"], SMALL["gpt"], text)
    context = run.settings.context
    ids = text.training[: context + 1].astype(np.int64)
    logits, state = run.kind.read(ids[:context], None, run.weights, run.settings)
    assert len(state.ids) == context
    logits, state = run.kind.read(ids[context:], state, run.weights, run.settings)
    assert state.ids.tolist() == ids[-(context // 2) :].tolist()
    fresh, _ = run.kind.read(ids[-(context // 2) :], None, run.weights, run.settings)
    assert_allclose(logits, fresh, rtol=1e-6)


def test_windows_of_an_rnn_follow_one_another(text):
    """Each begins where the one before it ended; so the state may be carried over."""
    settings = SMALL["rnn"]._replace(B=4, context=5)
    ids = np.arange(4 * 23 + 1)
    batch = KINDS["rnn"].training.next_batch(ids, settings)
    windows = [batch(i, None) for i in range(5)]
    for number, (inputs, targets) in enumerate(windows[:4]):
        assert (targets == inputs + 1).all()
        assert (inputs[:, 0] == np.arange(4) * 23 + 5 * number).all()
    assert (windows[4][0] == windows[0][0]).all()


def test_settings_are_changed_by_name():
    """Each keeps its kind: numbers, names, truth."""
    settings = with_changes(
        KINDS["gpt"].settings, {"d_model": "64", "rate": "0.5", "tied": "False", "activation": "relu"}
    )
    assert (settings.d_model, settings.rate, settings.tied, settings.activation) == (64, 0.5, False, "relu")
    with refuses(ValueError, "set: got 'depth', expected one of n, smoothing, k"):
        with_changes(KINDS["ngram"].settings, {"depth": "3"})
    with refuses(ValueError, "set: got n=three, expected a value like 8"):
        with_changes(KINDS["ngram"].settings, {"n": "three"})
    with refuses(ValueError, "set: got tied=maybe, expected a value like True"):
        with_changes(KINDS["gpt"].settings, {"tied": "maybe"})


def test_an_unknown_kind_is_refused():
    with refuses(ValueError, "kind: got 'bert', expected one of ngram, fnn, rnn, gpt"):
        kind_named("bert")


def test_bad_settings_are_refused(text):
    """Where the model is made, by the name of the argument."""
    for name, changes, message in (
        ("gpt", {"h_kv": 3}, "h_kv: got 3, expected a number that divides h = 2"),
        (
            "gpt",
            {"positions": "sine"},
            "positions: got 'sine', expected one of 'learned', 'sinusoidal', 'rotary', 'alibi'",
        ),
        (
            "gpt",
            {"positions": "rotary", "d_model": 6},
            "positions: got 'rotary' with heads of 3 features, expected an even number, since pairs are turned",
        ),
        ("gpt", {"activation": "sine"}, "activation: got 'sine', expected one of relu, gelu, gelu_tanh"),
        ("gpt", {"h": 3}, "h: got 3 heads, expected a number that divides the 16 features of d_model"),
        ("rnn", {"cell": "gru"}, "cell: got 'gru', expected 'elman' or 'lstm'"),
        ("fnn", {"n": 1}, "n: got 1, expected 2 or more"),
        ("ngram", {"n": 40}, f"n: got 40, expected at most {FIRST}, so that all words have a history"),
    ):
        with refuses(ValueError, message):
            new_run(KINDS[name], SMALL[name]._replace(**changes), text)


def test_the_log_likelihood_is_the_sum_of_the_conditionals(text):
    """Chain rule: the costs of a text sum to -log P of the whole of it, given its first words."""
    run = new_run(KINDS["ngram"], SMALL["ngram"], text)
    ids = text.validation.astype(np.int64)
    total, (logits, state) = 0.0, run.kind.read(ids[:FIRST], None, run.weights, run.settings)
    for word in ids[FIRST:]:
        total -= logits[word]
        logits, state = run.kind.read(np.array([word]), state, run.weights, run.settings)
    assert costs(run, text.validation).sum() == pytest.approx(total, rel=1e-9)
