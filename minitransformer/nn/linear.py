"""PyTorch's `nn.Linear`."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_truth
from minitransformer.layers.linear import Linear as LinearWeights
from minitransformer.nn.functional.linear import LinearCache, linear, linear_backward
from minitransformer.nn.module import Module, Named, bias_or_zeros, floating, generator, present

Array = np.ndarray


class Linear(Module):
    """y = x A^T + b with A = `weight` (out_features, in_features): PyTorch's name for x W + b."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        check_integer("in_features", in_features, minimum=1)
        check_integer("out_features", out_features, minimum=1)
        check_truth("bias", bias)
        self.has_bias = bool(bias)
        self.weights = self.from_named(
            self.named(uniform_linear(in_features, out_features, generator(rng), floating(dtype)))
        )

    def forward(self, input: Array) -> tuple[Array, LinearCache]:
        """input: (..., in_features) -> (..., out_features)"""
        return linear(input, **self.named(self.weights))

    def backward(self, dout: Array, cache: LinearCache) -> tuple[Array, Named]:
        """-> dinput, grads"""
        dinput, dweight, dbias = linear_backward(dout, cache)
        return dinput, present(weight=dweight, bias=dbias)

    def all_named(self, weights: LinearWeights) -> Named:
        return name_linear(weights)

    def from_named(self, arrays: Mapping[str, Array]) -> LinearWeights:
        return linear_from_named(arrays)


def name_linear(weights: LinearWeights) -> Named:
    return {"weight": weights.W.T, "bias": weights.b}  # PyTorch stores (d_out, d_in)


def linear_from_named(named: Mapping[str, Array]) -> LinearWeights:
    weight = named["weight"]
    return LinearWeights(weight.T, bias_or_zeros(named, "bias", len(weight), weight.dtype))


def uniform_linear(d_in: int, d_out: int, rng: np.random.Generator, dtype: np.dtype) -> LinearWeights:
    """W and b uniform within +-1/sqrt(d_in)."""
    limit = 1 / math.sqrt(d_in)
    W = rng.uniform(-limit, limit, (d_in, d_out)).astype(dtype)
    b = rng.uniform(-limit, limit, d_out).astype(dtype)
    return LinearWeights(W, b)
