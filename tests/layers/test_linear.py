"""The linear map (4.1, 3.1.3)."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.linear import Linear, init_linear, linear, linear_backward
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = Linear(rng.standard_normal((s.d_k, s.d_v)), rng.standard_normal(s.d_v))
    return rng.standard_normal((s.B, s.L_q, s.d_k)), weights, rng


@given(sizes, seeds)
def test_linear_is_the_equation(s, seed):
    """y_j = sum_i x_i W_ij + b_j at every position of every sequence."""
    x, weights, _ = draw(s, seed)
    y, _ = linear(x, weights)
    assert_allclose(y, [book.linear(x_b, *weights) for x_b in x], rtol=1e-11, atol=1e-13, strict=True)


@given(sizes, seeds)
def test_any_axes_before_the_last(s, seed):
    """One vector, a matrix of rows, or a batch of them."""
    x, weights, _ = draw(s, seed)
    y, _ = linear(x, weights)
    assert_allclose(linear(x[0, 0], weights)[0], y[0, 0], rtol=1e-12, atol=1e-13, strict=True)
    assert_allclose(linear(x[0], weights)[0], y[0], rtol=1e-12, atol=1e-13, strict=True)
    assert_allclose(linear(x[None], weights)[0], y[None], rtol=1e-12, atol=1e-13, strict=True)


def test_W_stands_in_out_not_out_in():
    """Rows times W of (d_in, d_out): the text's column form q = W_q x is q^T = x^T W_q^T."""
    W_q, x = np.arange(6.0).reshape(2, 3), np.array([1.0, 2.0, 3.0])
    assert_array_equal(linear(x, Linear(W_q.T, np.zeros(2)))[0], W_q @ x)


@given(sizes, seeds)
def test_linear_gradients(s, seed):
    """dx = dy W^T, dW and db summed over batch and positions."""
    x, weights, rng = draw(s, seed)
    assert_gradients(linear, linear_backward, (x, weights), rng)
    assert_gradients(linear, linear_backward, (x[0, 0], weights), rng)


@given(sizes, seeds)
def test_strided_input(s, seed):
    """A view with its axes swapped, such as merged heads before they are copied, gives the same."""
    x, weights, _ = draw(s, seed)
    view = np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    (y, cache), (y_view, cache_view) = linear(x, weights), linear(view, weights)
    assert_allclose(y_view, y, rtol=1e-12, atol=1e-13)
    assert_allclose(linear_backward(y, cache_view)[1].W, linear_backward(y, cache)[1].W, rtol=1e-11, atol=1e-12)


def test_initial_weights_keep_the_variance():
    """Uniform within +-sqrt(6/(d_in + d_out)), hence of variance 2/(d_in + d_out); b = 0; float32 unless asked."""
    W, b = init_linear(300, 500, np.random.default_rng(0))
    limit = math.sqrt(6 / 800)
    assert W.shape == (300, 500)
    assert b.shape == (500,)
    assert 0.99 * limit < W.max() <= limit
    assert -limit <= W.min() < -0.99 * limit
    assert W.var() == pytest.approx(2 / 800, rel=0.02)
    assert not b.any()
    assert_float32(W, b)
    assert {w.dtype for w in init_linear(2, 3, np.random.default_rng(0), np.float64)} == {np.dtype("float64")}


def test_float32_stays_float32():
    x = np.ones((2, 3, 4), np.float32)
    y, cache = linear(x, init_linear(4, 5, np.random.default_rng(0)))
    assert_float32(y, cache, linear_backward(y, cache))


def test_bad_input_is_refused():
    weights = init_linear(4, 5, np.random.default_rng(0))
    with refuses(ValueError, "x: got shape (2, 5), expected (..., d_in) with d_in = 4"):
        linear(np.ones((2, 5)), weights)
    with refuses(ValueError, "x: got shape (), expected (..., d_in) with d_in = 4"):
        linear(np.array(1.0), weights)
    with refuses(TypeError, "x: got list, expected a NumPy array of floating-point numbers"):
        linear([1.0, 2.0, 3.0, 4.0], weights)
