"""PyTorch's `nn.RMSNorm`."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_positive, check_truth
from minitransformer.layers.rms_norm import RMSNorm as RMSNormWeights
from minitransformer.layers.rms_norm import init_rms_norm
from minitransformer.nn.functional.normalization import NormCache, rms_norm, rms_norm_backward, sizes
from minitransformer.nn.module import Module, Named, floating, present

Array = np.ndarray


class RMSNorm(Module):
    """Division by the root mean square over the last axis, or axes, with gain `weight`, or without."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ):
        """eps=None: the distance from 1 to the next number of the input's dtype."""
        if eps is not None:
            check_positive("eps", eps)
        check_truth("elementwise_affine", elementwise_affine)
        self.normalized_shape = sizes(normalized_shape)
        self.eps = eps
        self.elementwise_affine = bool(elementwise_affine)
        self.weights = init_rms_norm(math.prod(self.normalized_shape), floating(dtype))

    def forward(self, x: Array) -> tuple[Array, NormCache]:
        """x (PyTorch's name here): (..., *normalized_shape) -> the same shape"""
        return rms_norm(x, self.normalized_shape, **self.named(self.weights), eps=self.eps)

    def backward(self, dout: Array, cache: NormCache) -> tuple[Array, Named]:
        """-> dx, grads"""
        dx, dweight = rms_norm_backward(dout, cache)
        return dx, present(weight=dweight)

    def all_named(self, weights: RMSNormWeights) -> Named:
        return {"weight": weights.gamma.reshape(self.normalized_shape)} if self.elementwise_affine else {}

    def from_named(self, arrays: Mapping[str, Array]) -> RMSNormWeights:
        if not self.elementwise_affine:
            return self.weights
        return RMSNormWeights(arrays["weight"].reshape(-1))
