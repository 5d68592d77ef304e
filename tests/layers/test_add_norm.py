"""Residual connection and add & norm (3.1.4), with section 5's dropout on the sublayer's output."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.dropout import Dropout, dropout
from minitransformer.layers.add_norm import add_norm, add_norm_backward, residual, residual_backward
from minitransformer.layers.layer_norm import LayerNorm, init_layer_norm, layer_norm
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    rng = np.random.default_rng(seed)
    x, f = rng.standard_normal((2, s.B, s.L_q, s.d_ff))
    return x, f, LayerNorm(rng.standard_normal(s.d_ff), rng.standard_normal(s.d_ff)), rng


@given(sizes, seeds)
def test_add_norm_is_the_equation(s, seed):
    """LayerNorm(x + f)."""
    x, f, norm, _ = draw(s, seed)
    y, _ = add_norm(x, f, norm)
    assert_allclose(y, [book.layer_norm(row, *norm) for row in x + f], rtol=1e-9, atol=1e-11, strict=True)
    assert_array_equal(residual(x, f)[0], x + f)


@given(sizes, seeds)
def test_post_norm_not_pre_norm(s, seed):
    """The normalization comes after the sum: not x + LayerNorm(f)."""
    x, f, norm, _ = draw(s, seed)
    assert not np.allclose(add_norm(x, f, norm)[0], x + layer_norm(f, norm)[0])


@given(sizes, seeds)
def test_eps_reaches_the_norm(s, seed):
    """1e-5 unless asked otherwise."""
    x, f, norm, _ = draw(s, seed)
    assert_array_equal(add_norm(x, f, norm, eps=0.5)[0], layer_norm(x + f, norm, 0.5)[0])
    assert_array_equal(add_norm(x, f, norm)[0], layer_norm(x + f, norm, 1e-5)[0])


@given(sizes, seeds, rates)
def test_dropout_acts_on_the_sublayer_not_on_the_sum(s, seed, rate):
    """x + dropout(f): the path around the sublayer is never dropped. Without a generator nothing is."""
    x, f, norm, _ = draw(s, seed)
    dropped, _ = dropout(f, Dropout(rate, np.random.default_rng(seed)))
    assert_array_equal(residual(x, f, Dropout(rate, np.random.default_rng(seed)))[0], x + dropped)
    assert_array_equal(
        add_norm(x, f, norm, 1e-5, Dropout(rate, np.random.default_rng(seed)))[0], layer_norm(x + dropped, norm)[0]
    )
    for rng in (None, np.random.default_rng(seed)):
        assert_array_equal(residual(x, f, Dropout(0.0 if rng else rate, rng))[0], x + f)
    assert_array_equal(residual(x, f, Dropout(0.0, np.random.default_rng(0)))[0], x + f)
    assert_array_equal(add_norm(x, f, norm, 1e-5, Dropout(0.0, np.random.default_rng(0)))[0], add_norm(x, f, norm)[0])


@given(sizes, seeds, rates)
def test_add_norm_gradients(s, seed, rate):
    """dx, df and dnorm, with dropout and without."""
    x, f, norm, rng = draw(s, seed)
    assert_gradients(add_norm, add_norm_backward, (x, f, norm), rng)
    assert_gradients(
        lambda x, f, norm: add_norm(x, f, norm, 0.1, Dropout(rate, np.random.default_rng(seed))),
        add_norm_backward,
        (x, f, norm),
        rng,
    )


@given(sizes, seeds, rates)
def test_residual_gradients(s, seed, rate):
    """The path around the sublayer hands the gradient on unchanged."""
    x, f, _, rng = draw(s, seed)
    assert_gradients(
        lambda x, f: residual(x, f, Dropout(rate, np.random.default_rng(seed))), residual_backward, (x, f), rng
    )
    assert residual_backward(x, residual(x, f, Dropout(rate, rng))[1])[0] is x


def test_float32_stays_float32():
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    y, cache = add_norm(x, x, init_layer_norm(4), 1e-5, Dropout(0.3, np.random.default_rng(0)))
    assert_float32(y, cache, add_norm_backward(y, cache))
    y, m = residual(x, x, Dropout(0.3, np.random.default_rng(0)))
    assert_float32(y, m, residual_backward(y, m))


@pytest.mark.parametrize("function", [residual, lambda x, f: add_norm(x, f, init_layer_norm(4))])
def test_a_sublayer_of_another_shape_is_refused(function):
    """Also one that would broadcast."""
    with refuses(ValueError, "f: got shape (3, 4), expected the batch axes (2, 3, 4)"):
        function(np.ones((2, 3, 4)), np.ones((3, 4)))
    with refuses(TypeError, "f: got dtype int64, expected floating-point numbers such as float32"):
        function(np.ones((3, 4)), np.ones((3, 4), int))
