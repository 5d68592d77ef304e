"""The feed-forward neural language model (2.1.3)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.models.fnn_lm import fnn_lm, fnn_lm_backward, init_fnn_lm
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """V = d_v tokens, histories of L_k - 1 tokens, vectors of width d_k."""
    rng = np.random.default_rng(seed)
    weights = loud(init_fnn_lm(s.d_v, s.L_k, s.d_k, s.d_ff, rng), rng)
    return rng.integers(0, s.d_v, (s.B, s.L_q, s.L_k - 1)), weights, rng


@given(sizes, seeds)
def test_the_fnn_lm_is_the_equation(s, seed):
    """Vectors side by side in the order of the tokens, tanh, and one score for each token."""
    histories, weights, _ = draw(s, seed)
    joined = np.array([[number for w in history for number in weights.embedding.E[w]] for history in histories[0]])
    hidden = np.tanh(book.linear(joined, *weights.hidden))
    expected = book.linear(hidden, *weights.output)
    assert_allclose(fnn_lm(histories, weights)[0][0], expected, rtol=1e-9, atol=1e-11, strict=True)


@given(sizes, seeds)
def test_fnn_lm_gradients(s, seed):
    """The table of tokens, the hidden layer and the output; a token may stand in a history twice."""
    histories, weights, rng = draw(s, seed)
    assert_gradients(lambda weights: fnn_lm(histories, weights), fnn_lm_backward, (weights,), rng)


@given(sizes, seeds)
def test_tokens_with_the_same_vector_are_the_same_to_it(s, seed):
    """A distributed representation: what is learned of one token holds for any that is near it."""
    histories, weights, _ = draw(s, seed)
    weights.embedding.E[1] = weights.embedding.E[0]
    assert_allclose(
        fnn_lm(np.where(histories == 1, 0, histories), weights)[0], fnn_lm(histories, weights)[0], rtol=1e-12
    )


def test_shapes_and_float32():
    rng = np.random.default_rng(0)
    weights = init_fnn_lm(7, 4, 5, 6, rng)
    assert weights.hidden.W.shape == (15, 6)
    assert weights.output.W.shape == (6, 7)
    logits, cache = fnn_lm(np.array([[1, 2, 3], [4, 4, 4]]), weights)
    assert logits.shape == (2, 7)
    assert_float32(weights, logits, fnn_lm_backward(logits, cache))
    assert fnn_lm(np.array([1, 2, 3]), init_fnn_lm(7, 4, 5, 6, rng, np.float64))[0].dtype == np.float64


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    weights = init_fnn_lm(7, 4, 5, 6, rng)
    with refuses(ValueError, "histories: got shape (2,), expected 3 tokens on the last axis"):
        fnn_lm(np.array([1, 2]), weights)
    with refuses(ValueError, "histories: got values from 1 to 7, expected 0 to 6"):
        fnn_lm(np.array([1, 2, 7]), weights)
    with refuses(ValueError, "histories: got shape (), expected at least 1 axes"):
        fnn_lm(np.array(1), weights)
    with refuses(ValueError, "n: got 1, expected 2 or more"):
        init_fnn_lm(7, 1, 5, 6, rng)
