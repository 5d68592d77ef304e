"""PyTorch's nn.RMSNorm."""

import numpy as np
import pytest
from assertions import assert_float32, assert_module_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.layers.rms_norm import RMSNorm as RMSNormWeights
from minitransformer.layers.rms_norm import rms_norm
from minitransformer.nn import RMSNorm


def test_it_is_the_packages_rms_norm_under_pytorchs_names():
    """weight is gamma; eps is what can just be added to 1 unless given."""
    rng = np.random.default_rng(0)
    x, gamma = rng.standard_normal((2, 3, 4)), rng.standard_normal(4)
    for module, eps in ((RMSNorm(4), 2.0**-52), (RMSNorm(4, eps=0.1), 0.1)):
        module.load_state_dict({"weight": gamma})
        assert_array_equal(module(x), rms_norm(x, RMSNormWeights(gamma), eps)[0])
        assert_array_equal(module(x=x), module(x))


def test_over_several_axes():
    """weight has their shape, and all of their numbers have mean square 1."""
    module = RMSNorm((3, 4))
    assert module.state_dict()["weight"].tolist() == [[1] * 4] * 3
    y = module(np.random.default_rng(0).standard_normal((2, 3, 4)))
    assert_allclose((y * y).mean(axis=(1, 2)), 1, rtol=1e-12)


@pytest.mark.parametrize("elementwise_affine", [False, True])
@pytest.mark.parametrize("shape", [5, (3, 5)], ids=str)
def test_gradients(shape, elementwise_affine):
    rng = np.random.default_rng(0)
    assert_module_gradients(RMSNorm(shape, 0.1, elementwise_affine), (rng.standard_normal((2, 3, 5)),), rng)


def test_without_a_gain():
    """No parameter, and no dtype but the input's."""
    module = RMSNorm(3, elementwise_affine=False, dtype=np.float64)
    assert module.state_dict() == {}
    module.load_state_dict({})
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    out, cache = module.forward(x)
    dx, grads = module.backward(out, cache)
    assert grads == {}
    assert_float32(out, dx)
    assert_array_equal(out, RMSNorm(3)(x))


def test_bad_input_is_refused():
    with refuses(ValueError, "input: got shape (2, 4), expected (3,) for the last axes"):
        RMSNorm(3)(np.ones((2, 4)))
    with refuses(ValueError, "normalized_shape: got 0, expected 1 or more"):
        RMSNorm(0)
    with refuses(ValueError, "eps: got 0.0, expected a finite number above 0"):
        RMSNorm(3, eps=0.0)
    with refuses(TypeError, "elementwise_affine: got None, expected True or False"):
        RMSNorm(3, None, None)
