"""PyTorch's softmax and log_softmax over any axis, and gelu."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer import nn
from minitransformer.equations.activations import gelu, gelu_tanh
from minitransformer.equations.softmax import log_softmax, softmax

F = nn.functional

x = np.random.default_rng(0).standard_normal((2, 3, 4))

both = pytest.mark.parametrize(
    ("function", "backward", "of_rows"),
    [
        (F.softmax, F.softmax_backward, softmax),
        (F.log_softmax, F.log_softmax_backward, log_softmax),
    ],
    ids=["softmax", "log_softmax"],
)


@both
@pytest.mark.parametrize("dim", range(-3, 3))
def test_the_axis_is_dim(function, backward, of_rows, dim):
    """Over each row along that axis it is the equation; the gradient agrees with the complex step."""
    y, _ = function(x, dim)
    expected = np.apply_along_axis(lambda row: of_rows(row)[0], dim, x)
    assert_allclose(y, expected, rtol=1e-13, strict=True)
    assert_gradients(lambda x: function(x, dim), backward, (x,), np.random.default_rng(1))


@both
def test_a_number_is_a_row_of_one(function, backward, of_rows):
    y, cache = function(np.array(3.0), 0)
    assert y.shape == ()
    assert y == of_rows(np.array([3.0]))[0][0]
    assert backward(np.array(2.0), cache).shape == ()


@both
def test_dtype_is_of_the_result_and_not_of_the_gradient(function, backward, of_rows):
    x_32 = x.astype(np.float32)
    y, cache = function(x_32, 1, dtype=np.float64)
    assert y.dtype == np.float64
    assert_array_equal(y, function(x_32.astype(np.float64), 1)[0])
    assert backward(y, cache).dtype == np.float32
    y, cache = function(x_32, 1)
    assert_float32(y, backward(y, cache))


@both
def test_bad_input_is_refused(function, backward, of_rows):
    with refuses(TypeError, "input: got list, expected a NumPy array of floating-point numbers"):
        function([1.0], 0)
    with refuses(ValueError, "dim: got 3, expected -3 to 2"):
        function(x, 3)
    with refuses(ValueError, "dim: got -4, expected -3 or more"):
        function(x, -4)
    with refuses(TypeError, "dim: got None, expected an integer"):
        function(x, None)
    with refuses(ValueError, "input: got shape (2, 0), expected at least one number on axis -1"):
        function(np.ones((2, 0)), -1)
    with refuses(TypeError, "dtype: got int64, expected a floating-point type such as float32"):
        function(x, 0, dtype=np.int64)
    _, cache = function(x, 0)
    with refuses(ValueError, "dout: got shape (2, 3), expected (2, 3, 4)"):
        backward(x[..., 0], cache)


@pytest.mark.parametrize(("approximate", "equation"), [("none", gelu), ("tanh", gelu_tanh)])
def test_gelu_has_two_forms(approximate, equation):
    """The exact one by default."""
    y, cache = F.gelu(x, approximate)
    assert_array_equal(y, equation(x)[0])
    assert (y == F.gelu(x)[0]).all() == (approximate == "none")
    h = 1e-3
    far, near = (equation(x + k * h)[0] - equation(x - k * h)[0] for k in (2, 1))
    slope = (8 * near - far) / (12 * h)
    assert_allclose(F.gelu_backward(2 * np.ones_like(x), cache), 2 * slope, rtol=1e-9)


def test_gelu_refuses():
    with refuses(ValueError, "approximate: got 'erf', expected one of 'none', 'tanh'"):
        F.gelu(x, "erf")
    _, cache = F.gelu(x)
    with refuses(ValueError, "dout: got shape (2, 3), expected (2, 3, 4)"):
        F.gelu_backward(x[..., 0], cache)
