"""PyTorch's `nn.LayerNorm`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_positive, check_shape, check_width
from minitransformer.layers.layer_norm import LayerNorm as LayerNormWeights
from minitransformer.layers.layer_norm import LayerNormCache, init_layer_norm, layer_norm, layer_norm_backward
from minitransformer.nn.module import Module, Named, floating

Array = np.ndarray


class LayerNorm(Module):
    """Layer normalization over the last axis, with gain `weight` and bias `bias`."""

    def __init__(self, normalized_shape: int, eps: float = 1e-5, *, dtype: DTypeLike = np.float32):
        check_integer("normalized_shape", normalized_shape, minimum=1)
        check_positive("eps", eps)
        self.eps = eps
        self.weights = init_layer_norm(normalized_shape, floating(dtype))

    def __call__(self, x: Array) -> Array:
        return self.forward(x)[0]

    def forward(self, x: Array) -> tuple[Array, LayerNormCache]:
        """x: (..., normalized_shape) -> the same shape"""
        check_width("x", x, len(self.weights.gamma))
        return layer_norm(x, self.weights, self.eps)

    def backward(self, dout: Array, cache: LayerNormCache) -> tuple[Array, Named]:
        check_shape("dout", dout, cache.x_hat.shape)
        dx, dweights = layer_norm_backward(dout, cache)
        return dx, self.named(dweights)

    def named(self, weights: LayerNormWeights) -> Named:
        return name_layer_norm(weights)

    def from_named(self, arrays: Mapping[str, Array]) -> LayerNormWeights:
        return layer_norm_from_named(arrays)


def name_layer_norm(weights: LayerNormWeights) -> Named:
    return {"weight": weights.gamma, "bias": weights.beta}


def layer_norm_from_named(named: Mapping[str, Array]) -> LayerNormWeights:
    return LayerNormWeights(named["weight"], named["bias"])
