"""The pooler (3.3.2), which makes one vector of a sequence."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.linear import Linear, init_linear
from minitransformer.layers.pooler import pooler, pooler_backward
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    """From d_model numbers to d_v, so that the two cannot be taken for each other."""
    rng = np.random.default_rng(seed)
    weights = Linear(0.5 * rng.standard_normal((s.d_model, s.d_v)), rng.standard_normal(s.d_v))
    return rng.standard_normal((s.B, s.L_q, s.d_model)), weights, rng


@given(sizes, seeds)
def test_pooler_is_the_equation(s, seed):
    """tanh(y_1 W + b), for each sequence of the batch, and for one alone."""
    y, weights, _ = draw(s, seed)
    p, _ = pooler(y, weights)
    assert_allclose(p, [book.pooler(rows, *weights) for rows in y], rtol=1e-9, atol=1e-12, strict=True)
    assert_allclose(pooler(y[0], weights)[0], p[0], rtol=1e-12, strict=True)


@given(sizes, seeds)
def test_pooler_gradients(s, seed):
    """With one batch axis, with none and with two."""
    y, weights, rng = draw(s, seed)
    for batch in (y, y[0], rng.standard_normal((s.h, *y.shape))):
        assert_gradients(pooler, pooler_backward, (batch, weights), rng)


@given(sizes, seeds)
def test_only_the_first_token_counts(s, seed):
    """What stands at the others changes nothing, and they get no gradient; the first one gets all of it."""
    y, weights, rng = draw(s, seed)
    p, cache = pooler(y, weights)
    changed = y.copy()
    changed[:, 1:] = rng.standard_normal(changed[:, 1:].shape)
    assert_array_equal(pooler(changed, weights)[0], p)
    dy, _ = pooler_backward(rng.standard_normal(p.shape), cache)
    assert dy[:, 0].all() and not dy[:, 1:].any()


def test_float32_stays_float32():
    p, cache = pooler(np.ones((2, 3, 4), np.float32), init_linear(4, 4, np.random.default_rng(0)))
    assert_float32(p, cache, pooler_backward(p, cache))


def test_bad_input_is_refused():
    weights = Linear(np.zeros((4, 4)), np.zeros(4))
    with refuses(ValueError, "y: got shape (3, 5), expected (..., L, d_model) with d_model = 4"):
        pooler(np.zeros((3, 5)), weights)
    with refuses(ValueError, "y: got shape (4,), expected (..., L, d_model) with d_model = 4"):
        pooler(np.zeros(4), weights)
