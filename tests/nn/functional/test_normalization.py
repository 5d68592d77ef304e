"""PyTorch's layer_norm and rms_norm, over several axes and without weights."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer import nn
from minitransformer.layers.layer_norm import LayerNorm, layer_norm
from minitransformer.layers.rms_norm import RMSNorm, rms_norm

F = nn.functional

rng = np.random.default_rng(0)
x = rng.standard_normal((2, 3, 4, 5))
shapes = pytest.mark.parametrize("shape", [(5,), (4, 5), (3, 4, 5), (2, 3, 4, 5)], ids=str)


def flat(shape):
    return x.reshape(-1, math.prod(shape))


@shapes
def test_several_axes_are_normalized_as_one(shape):
    """Rows of all numbers of the last axes."""
    weight, bias = rng.standard_normal((2, *shape))
    y, _ = F.layer_norm(x, shape, weight, bias, eps=0.1)
    expected, _ = layer_norm(flat(shape), LayerNorm(weight.reshape(-1), bias.reshape(-1)), 0.1)
    assert_array_equal(y, expected.reshape(x.shape))
    y, _ = F.rms_norm(x, list(shape), weight, eps=0.1)
    expected, _ = rms_norm(flat(shape), RMSNorm(weight.reshape(-1)), 0.1)
    assert_array_equal(y, expected.reshape(x.shape))


def test_a_number_is_the_size_of_the_last_axis():
    assert_array_equal(F.layer_norm(x, 5)[0], F.layer_norm(x, (5,))[0])
    assert_array_equal(F.rms_norm(x, 5)[0], F.rms_norm(x, [5])[0])


def test_without_weights_it_is_the_normalization_alone():
    ones, zeros = np.ones((4, 5)), np.zeros((4, 5))
    assert_array_equal(F.layer_norm(x, (4, 5))[0], F.layer_norm(x, (4, 5), ones, zeros)[0])
    assert_array_equal(F.layer_norm(x, (4, 5), 2 * ones)[0], F.layer_norm(x, (4, 5), 2 * ones, zeros)[0])
    assert_array_equal(F.rms_norm(x, (4, 5))[0], F.rms_norm(x, (4, 5), ones)[0])


def test_eps_is_pytorchs():
    """1e-5 for layer_norm; for rms_norm what one can just add to 1 in the input's dtype."""
    small = 1e-3 * x
    assert_array_equal(F.layer_norm(small, 5)[0], F.layer_norm(small, 5, eps=1e-5)[0])
    assert_array_equal(F.rms_norm(1e-8 * x, 5)[0], F.rms_norm(1e-8 * x, 5, eps=2.0**-52)[0])
    small_32 = small.astype(np.float32)
    assert_array_equal(F.rms_norm(small_32, 5)[0], F.rms_norm(small_32, 5, eps=2.0**-23)[0])


@shapes
def test_gradients(shape):
    """Of the input and of each weight that is given; None for the others."""
    weight, bias = rng.standard_normal((2, *shape))
    given = [(), (weight,), (weight, bias)]
    for weights in given:

        def backward(dy, cache, weights=weights):
            dinput, *dweights = F.layer_norm_backward(dy, cache)
            assert dweights[len(weights) :] == [None] * (2 - len(weights))
            return dinput, *dweights[: len(weights)]

        assert_gradients(
            lambda x, *weights: F.layer_norm(x, shape, *weights),
            backward if weights else lambda dy, cache: F.layer_norm_backward(dy, cache)[0],
            (x, *weights),
            rng,
        )
    assert_gradients(lambda x, w: F.rms_norm(x, shape, w), F.rms_norm_backward, (x, weight), rng)
    assert_gradients(lambda x: F.rms_norm(x, shape), lambda dy, cache: F.rms_norm_backward(dy, cache)[0], (x,), rng)
    assert F.rms_norm_backward(x, F.rms_norm(x, shape)[1])[1] is None


def test_a_bias_alone_has_a_gradient():
    """PyTorch's function takes a bias without a weight."""
    bias = rng.standard_normal(5)
    y, cache = F.layer_norm(x, 5, None, bias)
    assert_allclose(y - F.layer_norm(x, 5)[0], np.broadcast_to(bias, x.shape), rtol=1e-12)
    _, dweight, dbias = F.layer_norm_backward(x, cache)
    assert dweight is None
    assert_allclose(dbias, x.sum(axis=(0, 1, 2)), rtol=1e-12)


def test_float32_stays_float32():
    x_32 = x.astype(np.float32)
    for forward, backward in ((F.layer_norm, F.layer_norm_backward), (F.rms_norm, F.rms_norm_backward)):
        y, cache = forward(x_32, 5, np.ones(5, np.float32))
        assert_float32(y, cache, *(d for d in backward(y, cache) if d is not None))


@pytest.mark.parametrize(
    ("function", "backward"), [(F.layer_norm, F.layer_norm_backward), (F.rms_norm, F.rms_norm_backward)]
)
def test_bad_input_is_refused(function, backward):
    with refuses(ValueError, "input: got shape (2, 3, 4, 5), expected (3, 5) for the last axes"):
        function(x, (3, 5))
    with refuses(ValueError, "input: got shape (5,), expected (4, 5) for the last axes"):
        function(x[0, 0, 0], (4, 5))
    with refuses(ValueError, "normalized_shape: got no axes, expected the sizes of the last ones"):
        function(x, ())
    with refuses(TypeError, "normalized_shape: got 5.0, expected an integer"):
        function(x, 5.0)
    with refuses(ValueError, "weight: got shape (5,), expected (4, 5)"):
        function(x, (4, 5), np.ones(5))
    with refuses(ValueError, "eps: got -0.5, expected a finite number above 0"):
        function(x, 5, eps=-0.5)
    _, cache = function(x, (4, 5))
    with refuses(ValueError, "dout: got shape (4, 5), expected (2, 3, 4, 5)"):
        backward(x[0, 0], cache)
