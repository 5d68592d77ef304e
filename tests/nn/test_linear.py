"""PyTorch's nn.Linear."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_module_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.nn import Linear


def test_the_weight_is_stored_out_in():
    """y = x weight^T + bias, as in PyTorch; the package's own W is its transpose."""
    module = Linear(3, 5, dtype=np.float64, rng=np.random.default_rng(0))
    state = module.state_dict()
    assert {name: array.shape for name, array in state.items()} == {"weight": (5, 3), "bias": (5,)}
    x = np.random.default_rng(1).standard_normal((2, 4, 3))
    assert_allclose(module(x), x @ state["weight"].T + state["bias"], rtol=1e-13, atol=1e-14)


def test_gradients_have_the_names_and_shapes_of_the_state_dict():
    """d/dweight of <dout, y> is dout^T x."""
    module = Linear(3, 5, dtype=np.float64, rng=np.random.default_rng(0))
    x, dout = np.random.default_rng(1).standard_normal((4, 3)), np.random.default_rng(2).standard_normal((4, 5))
    _, cache = module.forward(x)
    dx, grads = module.backward(dout, cache)
    assert_allclose(grads["weight"], dout.T @ x, rtol=1e-13)
    assert_allclose(grads["bias"], dout.sum(axis=0), rtol=1e-13)
    assert_allclose(dx, dout @ module.state_dict()["weight"], rtol=1e-13)


def test_without_a_bias_it_is_a_product_alone():
    """No bias in the state dict, nor among the gradients; the same weight as with one, from the same seed."""
    module, with_bias = (Linear(3, 5, bias, rng=np.random.default_rng(0)) for bias in (False, True))
    state = module.state_dict()
    assert list(state) == ["weight"]
    assert_array_equal(state["weight"], with_bias.state_dict()["weight"])
    x = np.random.default_rng(1).standard_normal((2, 4, 3))
    assert_allclose(module(x), x @ state["weight"].T, rtol=1e-13, atol=1e-14)
    with pytest.raises(KeyError, match=r"state_dict: missing \[\], unknown \['bias'\]; expected the 1 keys"):
        module.load_state_dict(with_bias.state_dict())


@pytest.mark.parametrize("bias", [False, True])
def test_gradients(bias):
    rng = np.random.default_rng(0)
    assert_module_gradients(Linear(3, 5, bias), (rng.standard_normal((2, 4, 3)),), rng)


def test_the_input_may_be_named():
    module, x = Linear(3, 5), np.ones((2, 3))
    assert_array_equal(module(input=x), module(x))


def test_start_values_are_pytorchs():
    """Uniform within +-1/sqrt(in_features), the bias too."""
    state = Linear(400, 600, rng=np.random.default_rng(0)).state_dict()
    limit = 1 / math.sqrt(400)
    for array in state.values():
        assert np.abs(array).max() <= limit
        assert array.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_float32_stays_float32():
    module = Linear(3, 5)
    out, cache = module.forward(np.ones((2, 3), np.float32))
    dx, grads = module.backward(out, cache)
    assert_float32(out, cache, dx, *grads.values())


def test_bad_input_is_refused():
    module = Linear(3, 5)
    with refuses(ValueError, "input: got shape (2, 4), expected 3 features on the last axis"):
        module(np.ones((2, 4)))
    out, cache = module.forward(np.ones((2, 3)))
    with refuses(ValueError, "dout: got shape (5,), expected (2, 5)"):
        module.backward(out[0], cache)
    with refuses(ValueError, "in_features: got 0, expected 1 or more"):
        Linear(0, 5)
    with refuses(TypeError, "out_features: got 2.5, expected an integer"):
        Linear(3, 2.5)
