"""The position-wise feed-forward network (3.1.3)."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU, GELU_TANH, RELU, TANH
from minitransformer.equations.dropout import Dropout, dropout
from minitransformer.layers.feed_forward import feed_forward, feed_forward_backward, init_feed_forward
from minitransformer.layers.linear import linear
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

ACTIVATIONS = {"relu": RELU, "tanh": TANH, "gelu": GELU, "gelu_tanh": GELU_TANH}
BOOK = {"relu": book.relu, "tanh": math.tanh, "gelu": book.gelu, "gelu_tanh": book.gelu_tanh}
every_activation = pytest.mark.parametrize("name", ACTIVATIONS)


def draw(s, seed):
    """d_model = d_k here."""
    rng = np.random.default_rng(seed)
    weights = loud(init_feed_forward(s.d_k, s.d_ff, rng), rng)
    return rng.standard_normal((s.B, s.L_q, s.d_k)), weights, rng


@every_activation
@given(s=sizes, seed=seeds)
def test_feed_forward_is_the_equation(name, s, seed):
    """max(0, x W_1 + b_1) W_2 + b_2, or with another activation."""
    x, weights, _ = draw(s, seed)
    y, _ = feed_forward(x, weights, ACTIVATIONS[name])
    expected = [book.feed_forward(x_b, weights, BOOK[name]) for x_b in x]
    assert_allclose(y, expected, rtol=1e-9, atol=1e-11, strict=True)


@given(sizes, seeds)
def test_relu_is_the_default(s, seed):
    """The text's."""
    x, weights, _ = draw(s, seed)
    assert_array_equal(feed_forward(x, weights)[0], feed_forward(x, weights, RELU)[0])


@every_activation
@given(s=sizes, seed=seeds, rate=rates)
def test_feed_forward_gradients(name, s, seed, rate):
    """dx and the gradients of both linear maps, with dropout and without."""
    x, weights, rng = draw(s, seed)
    f = ACTIVATIONS[name]
    assert_gradients(lambda x, w: feed_forward(x, w, f), feed_forward_backward, (x, weights), rng)
    assert_gradients(
        lambda x, w: feed_forward(x, w, f, Dropout(rate, np.random.default_rng(seed))),
        feed_forward_backward,
        (x, weights),
        rng,
    )


@given(sizes, seeds)
def test_each_position_goes_through_by_itself(s, seed):
    """Permuting positions permutes outputs; a sequence is its positions one by one."""
    x, weights, _ = draw(s, seed)
    y, _ = feed_forward(x, weights)
    assert_allclose(feed_forward(x[:, ::-1], weights)[0], y[:, ::-1], rtol=1e-11, atol=1e-12)
    assert_allclose(feed_forward(x[0, 0], weights)[0], y[0, 0], rtol=1e-11, atol=1e-12)


@given(sizes, seeds, rates)
def test_dropout_acts_on_the_hidden_units(s, seed, rate):
    """Between the activation and the second map; without a generator, or by default, there is none."""
    x, weights, _ = draw(s, seed)
    hidden = np.maximum(0, linear(x, weights.linear1)[0])
    dropped, _ = dropout(hidden, Dropout(rate, np.random.default_rng(seed)))
    y, _ = feed_forward(x, weights, RELU, Dropout(rate, np.random.default_rng(seed)))
    assert_array_equal(y, linear(dropped, weights.linear2)[0])
    assert_array_equal(feed_forward(x, weights, RELU, Dropout(rate, None))[0], feed_forward(x, weights)[0])
    assert_array_equal(
        feed_forward(x, weights, RELU, Dropout(0.0, np.random.default_rng(0)))[0], feed_forward(x, weights)[0]
    )


def test_initial_weights():
    """d_model to d_ff and back, in float32 unless asked otherwise."""
    (W_1, b_1), (W_2, b_2) = init_feed_forward(3, 7, np.random.default_rng(0))
    assert [w.shape for w in (W_1, b_1, W_2, b_2)] == [(3, 7), (7,), (7, 3), (3,)]
    assert_float32(W_1, b_1, W_2, b_2)
    weights = init_feed_forward(3, 7, np.random.default_rng(0), np.float64)
    assert {w.dtype for linear in weights for w in linear} == {np.dtype("float64")}


@every_activation
def test_float32_stays_float32(name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4)).astype(np.float32)
    y, cache = feed_forward(x, init_feed_forward(4, 5, rng), ACTIVATIONS[name], Dropout(0.3, rng))
    assert_float32(y, cache.linear1, cache.activation_cache, cache.m, cache.linear2, feed_forward_backward(y, cache))


def test_bad_input_is_refused():
    weights = init_feed_forward(4, 5, np.random.default_rng(0))
    with refuses(ValueError, "x: got shape (2, 5), expected (..., d_in) with d_in = 4"):
        feed_forward(np.ones((2, 5)), weights)
    with refuses(TypeError, "drop: got float, expected Dropout"):
        feed_forward(np.ones((2, 4)), weights, RELU, 0.1)
