"""Reading word by word, and costing a text, is the model run whole over all that it may see (2.1, 3.4.1)."""

import numpy as np
import pytest
from every_task import gpt_config, loud_run, task_named
from numpy.testing import assert_allclose

from minitransformer.models.gpt import gpt
from minitransformer.models.ngram import ngram_probability
from minitransformer.models.rnn_lm import rnn_lm, rnn_lm_start
from minitransformer.tasks.language_modelling import gpt as gpt_module
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import costs, new_run

TRAINED = ("fnn", "rnn, elman", "rnn, lstm", "gpt", "gpt, post-norm", "gpt, rotary", "gpt, alibi")
GPTS = TRAINED[-4:]
NAMES = ("ngram", *TRAINED)


def run_of(name, **changes):
    if name == "ngram":
        text = task_named("gpt").data
        return new_run(KINDS["ngram"], KINDS["ngram"].settings._replace(n=3, **changes), text)
    return loud_run(task_named(name), **changes)


def last_of(run, seen):
    """The scores after the words that a model sees, by one pass over them."""
    s, weights = run.settings, run.weights
    if run.kind.name == "ngram":
        return np.log(ngram_probability(weights, seen[None, -(s.n - 1) :], np.arange(weights.V)))
    if run.kind.name == "fnn":
        E = weights.embedding.E
        vectors = [*[E.mean(axis=0)] * (s.n - 1), *E[seen]][-(s.n - 1) :]  # nothing is known of what is missing
        hidden = np.tanh(np.concatenate(vectors) @ weights.hidden.W + weights.hidden.b)
        return hidden @ weights.output.W + weights.output.b
    if run.kind.name == "rnn":
        return rnn_lm(seen[None], rnn_lm_start((1,), weights), weights)[0][0, -1]
    return gpt(seen, weights, gpt_config(s))[0][-1]


def minus_log_p(run, seen, word):
    logits = last_of(run, seen)
    return np.log(np.exp(logits).sum()) - logits[word]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "lengths", [[1] * 20, [3, 1, 2, 1, 5, 1], [6, 1], [5, 1, 1, 1], [9, 1, 3], [2, 4, 1], [1, 7, 2]]
)
def test_reading_on_is_the_model_run_whole(name, lengths):
    """Over all that was read; of a GPT, whose window is 6 words, over what it still has when the window was full."""
    run = run_of(name)
    ids = np.random.default_rng(len(lengths)).integers(0, run.vocabulary.size, sum(lengths))
    state, seen = None, ids[:0]
    for start, n in zip(np.cumsum([0, *lengths]), lengths, strict=False):
        new = ids[start : start + n]
        logits, state = run.kind.read(new, state, run.weights, run.settings)
        seen = np.append(seen, new)
        if run.kind.name == "gpt" and len(seen) > 6:
            seen = seen[-3:]
        assert_allclose(logits, last_of(run, seen), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", GPTS)
def test_a_gpt_reads_each_word_once_until_its_window_is_full(name):
    """Its keys and values stay where they are up to the last word that the window has room for."""
    run = run_of(name)
    _, state = run.kind.read(np.array([1, 2]), None, run.weights, run.settings)
    first = state.past[0]
    for word in (3, 1, 2, 3):
        _, state = run.kind.read(np.array([word]), state, run.weights, run.settings)
        assert state.past[0].K is first.K
    assert state.past[0].n == run.settings.context == 6
    _, state = run.kind.read(np.array([1]), state, run.weights, run.settings)
    assert state.past[0].K is not first.K and state.past[0].n == 3


@pytest.mark.parametrize("name", ["ngram", "fnn", "rnn, elman", "rnn, lstm"])
def test_a_text_costs_what_its_words_do(name):
    """-log P of each word after all that the model may see of those before it, from word number FIRST on."""
    run = run_of(name)
    ids = task_named("gpt").data.validation[: FIRST + 20].astype(np.int64)
    expected = [minus_log_p(run, ids[:i], ids[i]) for i in range(FIRST, len(ids))]
    assert_allclose(costs(run, ids), expected, rtol=1e-10)


@pytest.mark.parametrize("name", GPTS)
@pytest.mark.parametrize(("context", "at_once"), [(6, 16), (7, 2), (40, 16), (90, 16)])
def test_a_gpt_sees_half_a_window_before_each_word_at_least(name, context, at_once, monkeypatch):
    """And a whole one at most; the first half of a window of a text from all before them."""
    monkeypatch.setattr(gpt_module, "AT_ONCE", at_once)
    run = run_of(name, context=context)
    ids = task_named("gpt").data.validation[: FIRST + 21].astype(np.int64)
    found = costs(run, ids)
    for i, cost in zip(range(FIRST, len(ids)), found, strict=True):
        seen = range(min(i, context // 2), min(i, context) + 1)
        possible = [minus_log_p(run, ids[i - n : i], ids[i]) for n in seen]
        assert np.isclose(cost, possible, rtol=1e-10).any()
