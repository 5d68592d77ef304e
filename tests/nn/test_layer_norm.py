"""PyTorch's nn.LayerNorm."""

import numpy as np
import pytest
from assertions import assert_float32, assert_module_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.layers.layer_norm import LayerNorm as LayerNormWeights
from minitransformer.layers.layer_norm import layer_norm, layer_norm_backward
from minitransformer.nn import LayerNorm


def test_it_is_the_packages_layer_norm_under_pytorchs_names():
    """weight is gamma, bias is beta; eps is 1e-5 unless given."""
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, 2, 3, 4))
    weights = LayerNormWeights(*rng.standard_normal((2, 4)))
    for module, eps in ((LayerNorm(4), 1e-5), (LayerNorm(4, eps=0.1), 0.1)):
        module.load_state_dict({"weight": weights.gamma, "bias": weights.beta})
        y, cache = layer_norm(x, weights, eps)
        out, module_cache = module.forward(x)
        assert_array_equal(out, y)
        assert_array_equal(module(x), y)
        dx, dweights = layer_norm_backward(dout, cache)
        dsrc, grads = module.backward(dout, module_cache)
        assert_allclose(dsrc, dx, rtol=1e-15)
        assert list(grads) == ["weight", "bias"]
        assert_array_equal(grads["weight"], dweights.gamma)
        assert_array_equal(grads["bias"], dweights.beta)


def test_start_values_change_nothing():
    state = LayerNorm(3).state_dict()
    assert state["weight"].tolist() == [1, 1, 1]
    assert state["bias"].tolist() == [0, 0, 0]


def test_over_several_axes():
    """As over one axis with all of their numbers; weights and gradients have the shape of these axes."""
    rng = np.random.default_rng(0)
    x, dout = rng.standard_normal((2, 4, 3, 2, 5))
    module, over_one = LayerNorm((3, 2, 5), dtype=np.float64), LayerNorm(30, dtype=np.float64)
    weight, bias = rng.standard_normal((2, 3, 2, 5))
    module.load_state_dict({"weight": weight, "bias": bias})
    over_one.load_state_dict({"weight": weight.reshape(30), "bias": bias.reshape(30)})
    out, cache = module.forward(x)
    expected, expected_cache = over_one.forward(x.reshape(4, 30))
    assert_array_equal(out, expected.reshape(x.shape))
    dx, grads = module.backward(dout, cache)
    expected_dx, expected_grads = over_one.backward(dout.reshape(4, 30), expected_cache)
    assert_array_equal(dx, expected_dx.reshape(x.shape))
    for name in ("weight", "bias"):
        assert_array_equal(grads[name], expected_grads[name].reshape(3, 2, 5))
    assert_array_equal(LayerNorm([5])(x), LayerNorm(5)(x))


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"elementwise_affine": False}], ids=str)
@pytest.mark.parametrize("shape", [5, (3, 5)], ids=str)
def test_gradients(shape, options):
    rng = np.random.default_rng(0)
    assert_module_gradients(LayerNorm(shape, 0.1, **options), (rng.standard_normal((2, 3, 5)),), rng)


def test_without_weights():
    """bias=False leaves the gain; elementwise_affine=False leaves neither, and no dtype but the input's."""
    x = np.random.default_rng(0).standard_normal((2, 3))
    assert list(LayerNorm(3, bias=False).state_dict()) == ["weight"]
    for module in (LayerNorm(3, elementwise_affine=False), LayerNorm(3, 1e-5, False, dtype=np.float64)):
        assert module.state_dict() == {}
        module.load_state_dict({})
        assert_array_equal(module(x), LayerNorm(3, dtype=np.float64)(x))
        out, cache = module.forward(x.astype(np.float32))
        dx, grads = module.backward(out, cache)
        assert grads == {}
        assert_float32(out, dx)


def test_the_input_may_be_named():
    x = np.ones((2, 3))
    assert_array_equal(LayerNorm(3)(input=x), LayerNorm(3)(x))


def test_float32_stays_float32():
    module = LayerNorm(3)
    out, cache = module.forward(np.arange(6, dtype=np.float32).reshape(2, 3))
    dx, grads = module.backward(out, cache)
    assert_float32(out, cache, dx, *grads.values())


def test_bad_input_is_refused():
    module = LayerNorm(3)
    with refuses(ValueError, "input: got shape (2, 4), expected (3,) for the last axes"):
        module(np.ones((2, 4)))
    out, cache = module.forward(np.ones((2, 3)))
    with refuses(ValueError, "dout: got shape (3,), expected (2, 3)"):
        module.backward(out[0], cache)
    with refuses(ValueError, "normalized_shape: got 0, expected 1 or more"):
        LayerNorm(0)
    with refuses(ValueError, "normalized_shape: got no axes, expected the sizes of the last ones"):
        LayerNorm(())
    with refuses(ValueError, "eps: got 0.0, expected a finite number above 0"):
        LayerNorm(3, eps=0.0)
