"""An output tied to the embedding (3.3, 3.4)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.layers.embedding import Embedding
from minitransformer.layers.tied_output import tied_output, tied_output_backward
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((s.B, s.L_q, s.d_k)), Embedding(rng.standard_normal((s.d_v, s.d_k))), rng


@given(sizes, seeds)
def test_tied_output_is_the_equation(s, seed):
    """Each score is the inner product with the token's own vector: a linear map with W = E^T and b = 0."""
    y, weights, _ = draw(s, seed)
    logits, _ = tied_output(y, weights)
    expected = [book.linear(rows, weights.E.T, np.zeros(s.d_v)) for rows in y]
    assert_allclose(logits, expected, rtol=1e-10, atol=1e-12, strict=True)


@given(sizes, seeds)
def test_tied_output_gradients(s, seed):
    y, weights, rng = draw(s, seed)
    assert_gradients(tied_output, tied_output_backward, (y, weights), rng)
    assert_gradients(tied_output, tied_output_backward, (y[0, 0], weights), rng)


def test_float32_stays_float32():
    weights = Embedding(np.ones((7, 4), np.float32))
    logits, cache = tied_output(np.ones((2, 4), np.float32), weights)
    assert_float32(logits, cache, tied_output_backward(logits, cache))


def test_a_wrong_width_is_refused():
    with refuses(ValueError, "y: got shape (2, 5), expected (..., d) with d = 4"):
        tied_output(np.zeros((2, 5)), Embedding(np.zeros((7, 4))))
