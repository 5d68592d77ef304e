"""The Elman network (2.1.3)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.elman import ELMAN, Elman, elman, elman_backward, elman_start, init_elman
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_elman(s.d_k, s.d_v, rng), rng)
    return rng.standard_normal((s.B, s.L_q, s.d_k)), rng.standard_normal((s.B, s.d_v)), weights, rng


@given(sizes, seeds)
def test_elman_is_the_equation(s, seed):
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b), token by token."""
    x, h_0, weights, _ = draw(s, seed)
    h, cache = elman(x, h_0, weights)
    assert_allclose(h, [book.elman(x[b], h_0[b], *weights) for b in range(s.B)], rtol=1e-9, atol=1e-12, strict=True)
    assert_array_equal(cache.last, h[:, -1])


@given(sizes, seeds)
def test_elman_gradients(s, seed):
    """Backpropagation through time: dx, dh_0 and the weights, which every step shares; with batch axes and without."""
    x, h_0, weights, rng = draw(s, seed)
    assert_gradients(elman, elman_backward, (x, h_0, weights), rng)
    assert_gradients(elman, elman_backward, (x[0], h_0[0], weights), rng)


@given(sizes, seeds)
def test_a_text_in_two_windows_is_the_text_in_one(s, seed):
    """The state carries over: forward nothing is lost at the border."""
    x, h_0, weights, rng = draw(s, seed)
    h, _ = elman(x, h_0, weights)
    n = int(rng.integers(1, s.L_q))
    first, cache = elman(x[:, :n], h_0, weights)
    second, _ = elman(x[:, n:], cache.last, weights)
    assert_allclose(np.concatenate([first, second], axis=1), h, rtol=1e-11, atol=1e-13)


@given(sizes, seeds)
def test_truncation_at_the_border_loses_what_came_before_it(s, seed):
    """Full backpropagation is that of both windows with dh_0 of the second handed to the first; truncated drops it."""
    x, h_0, weights, rng = draw(s, seed)
    dh = rng.standard_normal((s.B, s.L_q, s.d_v))
    _, cache = elman(x, h_0, weights)
    dx, dh_0, dweights = elman_backward(dh, cache)
    n = int(rng.integers(1, s.L_q))
    _, cache_1 = elman(x[:, :n], h_0, weights)
    _, cache_2 = elman(x[:, n:], cache_1.last, weights)
    dx_2, dlast, dweights_2 = elman_backward(dh[:, n:], cache_2)
    dh_1 = dh[:, :n].copy()
    truncated = elman_backward(dh_1, cache_1)[0]
    dh_1[:, -1] += dlast
    dx_1, dh_0_again, dweights_1 = elman_backward(dh_1, cache_1)
    assert_allclose(np.concatenate([dx_1, dx_2], axis=1), dx, rtol=1e-9, atol=1e-11)
    assert_allclose(dh_0_again, dh_0, rtol=1e-9, atol=1e-11)
    for whole, a, b in zip(dweights, dweights_1, dweights_2, strict=True):
        assert_allclose(a + b, whole, rtol=1e-9, atol=1e-11)
    assert not np.allclose(truncated, dx[:, :n])


@given(sizes, seeds)
def test_nothing_comes_from_the_future(s, seed):
    """h_t depends on x_1, ..., x_t alone: a recurrent network is causal by its shape."""
    x, h_0, weights, rng = draw(s, seed)
    h, _ = elman(x, h_0, weights)
    t = int(rng.integers(1, s.L_q))
    changed = x.copy()
    changed[:, t:] += 1
    assert_array_equal(elman(changed, h_0, weights)[0][:, :t], h[:, :t])


def test_gradients_vanish_with_the_distance():
    """Weights below 1 and tanh's slope: what came 40 tokens ago hardly counts. That is what attention is for."""
    weights = Elman(np.eye(3), 0.5 * np.eye(3), np.zeros(3))
    _, cache = elman(np.ones((50, 3)), np.zeros(3), weights)
    dh = np.zeros((50, 3))
    dh[-1] = 1
    dx, _, _ = elman_backward(dh, cache)
    assert 0 < np.abs(dx[9]).max() < 1e-12 * np.abs(dx[-1]).max()


def test_start_values_and_float32():
    rng = np.random.default_rng(0)
    weights = init_elman(300, 100, rng)
    assert weights.W_x.shape == (300, 100)
    assert weights.W_h.shape == (100, 100)
    assert 0.099 < np.abs(weights.W_x).max() <= 0.1
    assert 0.099 < np.abs(weights.W_h).max() <= 0.1
    assert not weights.b.any()
    assert {w.dtype for w in init_elman(2, 3, rng, np.float64)} == {np.dtype("float64")}
    h, cache = elman(np.ones((2, 4, 300), np.float32), elman_start((2,), weights), weights)
    assert not cache.h_0.any()
    assert_float32(h, cache, elman_backward(h, cache))
    assert (elman, elman_backward) == ELMAN


def test_bad_input_is_refused():
    weights = init_elman(4, 3, np.random.default_rng(0))
    with refuses(ValueError, "x: got shape (2, 5), expected (..., L, d_in) with d_in = 4"):
        elman(np.ones((2, 5)), np.ones(3), weights)
    with refuses(ValueError, "x: got shape (4,), expected (..., L, d_in) with d_in = 4"):
        elman(np.ones(4), np.ones(3), weights)
    with refuses(ValueError, "h_0: got shape (3,), expected the batch axes (2,) before (d_h,)"):
        elman(np.ones((2, 5, 4)), np.ones(3), weights)
    with pytest.raises(TypeError, match="h_0: got int, expected a NumPy array"):
        elman(np.ones((5, 4)), 0, weights)


def test_both_matrices_are_drawn_from_both_sides_of_zero():
    weights = init_elman(300, 100, np.random.default_rng(0))
    for W in (weights.W_x, weights.W_h):
        assert abs(W.mean()) < 0.002
        assert abs(W.std() * np.sqrt(3) - 0.1) < 0.002
