"""Activations (3.1.3): ReLU, tanh, and the two forms of GELU."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import matrices, seeds, sizes

from minitransformer.equations.activations import (
    GELU,
    GELU_TANH,
    RELU,
    SIGMOID,
    TANH,
    gelu,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from minitransformer.verify import by_the_book as book

PAIRS = {
    "relu": (relu, relu_backward),
    "tanh": (tanh, tanh_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
    "gelu": (gelu, gelu_backward),
    "gelu_tanh": (gelu_tanh, gelu_tanh_backward),
}
BOOK = {"relu": book.relu, "tanh": math.tanh, "sigmoid": book.sigmoid, "gelu": book.gelu, "gelu_tanh": book.gelu_tanh}
every_activation = pytest.mark.parametrize("name", PAIRS)


@every_activation
@given(x=matrices())
@example(x=np.array([[0.0, -0.0, 1e-300, -40.0, 40.0]]))
def test_activations_are_the_equation(name, x):
    """Element by element."""
    y, _ = PAIRS[name][0](x)
    assert_allclose(y, np.vectorize(BOOK[name], otypes=[float])(x), rtol=1e-11, atol=1e-14, strict=True)


@every_activation
@given(s=sizes, seed=seeds)
def test_activation_gradients(name, s, seed):
    """The complex step agrees; for the exact GELU it goes through the series of erfc."""
    rng = np.random.default_rng(seed)
    assert_gradients(*PAIRS[name], (2 * rng.standard_normal((s.B, s.L_q, s.d_k)),), rng)


@every_activation
def test_activation_gradients_by_differences(name):
    """An independent look: the 5-point difference, (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h."""
    forward, backward = PAIRS[name]
    x = np.linspace(-5, 5, 400)  # even: not 0, where ReLU has no derivative
    h = 1e-3
    f = {k: forward(x + k * h)[0] for k in (-2, -1, 1, 2)}
    slope = (f[-2] - 8 * f[-1] + 8 * f[1] - f[2]) / (12 * h)
    assert_allclose(backward(np.ones_like(x), forward(x)[1]), slope, atol=1e-10)


def test_relu_at_0_has_gradient_0():
    """There is no derivative at 0; 0 is chosen, as in PyTorch."""
    x = np.array([-1.0, 0.0, 2.0])
    y, cache = relu(x)
    assert y.tolist() == [0, 0, 2]
    assert cache is y
    assert relu_backward(np.array([5.0, 5.0, 5.0]), cache).tolist() == [0, 0, 5]


@given(matrices())
def test_gelu_of_minus_x(x):
    """x Phi(x) - (-x) Phi(-x) = x, as Phi(x) + Phi(-x) = 1; for the tanh form too."""
    for f in (gelu, gelu_tanh):
        assert_allclose(f(x)[0] - f(-x)[0], x, rtol=1e-14, atol=1e-15)


def test_the_two_gelus_are_close_and_not_the_same():
    """They differ by up to 5e-4: weights trained with one are not quite right for the other."""
    x = np.linspace(-6, 6, 1001)
    difference = np.abs(gelu(x)[0] - gelu_tanh(x)[0]).max()
    assert 1e-4 < difference < 5e-4


def test_gelu_keeps_its_digits_far_below_0():
    """x Phi(x) at -10 is -7.6e-23: 1 + erf would have lost all digits."""
    y, _ = gelu(np.array([-10.0]))
    assert y[0] == pytest.approx(-10 * math.erfc(10 / math.sqrt(2)) / 2, rel=1e-13)


def test_pairs_are_a_forward_with_its_backward():
    """What `feed_forward` is given as its activation."""
    assert tuple(PAIRS.values()) == (RELU, TANH, SIGMOID, GELU, GELU_TANH)


@every_activation
def test_float32_stays_float32(name):
    forward, backward = PAIRS[name]
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    y, cache = forward(x)
    assert_float32(y, cache, backward(x, cache))
    assert_allclose(y, forward(x.astype(np.float64))[0], rtol=2e-5, atol=1e-6)


@every_activation
def test_a_single_number_and_bad_input(name):
    """Any shape, also none; but floating-point numbers in an array."""
    forward, _ = PAIRS[name]
    assert_array_equal(forward(np.array(0.0))[0], 0.5 if name == "sigmoid" else 0.0)
    with refuses(TypeError, "x: got dtype int64, expected floating-point numbers such as float32"):
        forward(np.array([1, 2]))
    with refuses(TypeError, "x: got float, expected a NumPy array of floating-point numbers"):
        forward(1.5)


@given(st.floats(-87, 30))
@example(-80.0)
@example(-20.0)
def test_sigmoid_is_precise_far_to_the_left(x):
    """Relative to its value, in float32: a gate that is nearly shut is not shut."""
    (y,), _ = sigmoid(np.array([x], np.float32))
    exact = np.exp(np.longdouble(np.float32(x)))
    assert y == pytest.approx(float(exact / (1 + exact)), rel=1e-6)


def test_sigmoid_at_the_ends():
    """Without a warning."""
    y, _ = sigmoid(np.array([-np.inf, -1e30, 1e30, np.inf], np.float32))
    assert y.tolist() == [0, 0, 1, 1]


@given(st.floats(-9, -3))
def test_the_approximation_of_gelu_is_precise_far_to_the_left(x):
    """Relative to its value, in float32: u is about -29 at x = -9, where 1 + tanh(u) has no digit left."""
    (y,), _ = gelu_tanh(np.array([x], np.float32))
    exact = np.longdouble(np.float32(x))
    u = np.sqrt(2 / np.longdouble(np.pi)) * (exact + np.longdouble(0.044715) * exact**3)
    assert y == pytest.approx(float(exact / (1 + np.exp(-2 * u))), rel=2e-5)  # exp(-2u) has the error of u times 2u


@pytest.mark.parametrize("pair", [GELU, GELU_TANH])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_at_the_ends(pair, dtype):
    """x on the right, 0 on the left, with the slopes 1 and 0: the limits, also for infinite x."""
    x = np.array([-np.inf, -1e19, -1e4, 1e4, 1e18, np.inf], dtype)
    y, cache = pair.forward(x)
    assert y.tolist() == [0, 0, 0, *x[3:].tolist()]
    assert pair.backward(np.ones_like(x), cache).tolist() == [0, 0, 0, 1, 1, 1]
