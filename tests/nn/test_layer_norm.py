"""PyTorch's nn.LayerNorm."""

import numpy as np
from assertions import assert_float32, refuses
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


def test_float32_stays_float32():
    module = LayerNorm(3)
    out, cache = module.forward(np.arange(6, dtype=np.float32).reshape(2, 3))
    dx, grads = module.backward(out, cache)
    assert_float32(out, cache, dx, *grads.values())


def test_bad_input_is_refused():
    module = LayerNorm(3)
    with refuses(ValueError, "x: got shape (2, 4), expected 3 features on the last axis"):
        module(np.ones((2, 4)))
    out, cache = module.forward(np.ones((2, 3)))
    with refuses(ValueError, "dout: got shape (3,), expected (2, 3)"):
        module.backward(out[0], cache)
    with refuses(ValueError, "normalized_shape: got 0, expected 1 or more"):
        LayerNorm(0)
    with refuses(ValueError, "eps: got 0.0, expected a finite number above 0"):
        LayerNorm(3, eps=0.0)
