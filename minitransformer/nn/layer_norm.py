"""PyTorch's `nn.LayerNorm`."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_positive, check_truth
from minitransformer.layers.layer_norm import LayerNorm as LayerNormWeights
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.nn.functional.normalization import NormCache, layer_norm, layer_norm_backward, sizes
from minitransformer.nn.module import Module, Named, bias_or_zeros, floating, present

Array = np.ndarray


class LayerNorm(Module):
    """Layer normalization over the last axis, or axes, with gain `weight` and bias `bias`, or without."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ):
        """normalized_shape: the sizes of the axes; elementwise_affine=False: neither gain nor bias."""
        check_positive("eps", eps)
        check_truth("elementwise_affine", elementwise_affine)
        check_truth("bias", bias)
        self.normalized_shape = sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = bool(elementwise_affine)
        self.has_bias = bool(bias)
        self.weights = init_layer_norm(math.prod(self.normalized_shape), floating(dtype))

    def forward(self, input: Array) -> tuple[Array, NormCache]:
        """input: (..., *normalized_shape) -> the same shape"""
        return layer_norm(input, self.normalized_shape, **self.named(self.weights), eps=self.eps)

    def backward(self, dout: Array, cache: NormCache) -> tuple[Array, Named]:
        """-> dinput, grads"""
        dinput, dweight, dbias = layer_norm_backward(dout, cache)
        return dinput, present(weight=dweight, bias=dbias)

    def all_named(self, weights: LayerNormWeights) -> Named:
        if not self.elementwise_affine:
            return {}
        return {name: array.reshape(self.normalized_shape) for name, array in name_layer_norm(weights).items()}

    def from_named(self, arrays: Mapping[str, Array]) -> LayerNormWeights:
        if not self.elementwise_affine:
            return init_layer_norm(math.prod(self.normalized_shape))  # of float32, which never changes an input's dtype
        return layer_norm_from_named({name: array.reshape(-1) for name, array in arrays.items()})


def name_layer_norm(weights: LayerNormWeights) -> Named:
    return {"weight": weights.gamma, "bias": weights.beta}


def layer_norm_from_named(named: Mapping[str, Array]) -> LayerNormWeights:
    gamma = named["weight"]
    return LayerNormWeights(gamma, bias_or_zeros(named, "bias", len(gamma), gamma.dtype))
