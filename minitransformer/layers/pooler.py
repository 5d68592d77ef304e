"""Section 3.3.2: the pooler, which makes one vector of a sequence: BERT takes what stands at its first token."""

from typing import NamedTuple

import numpy as np

from minitransformer.equations.activations import tanh, tanh_backward
from minitransformer.layers.linear import Linear, LinearCache, linear, linear_backward
from minitransformer.shapes import check

Array = np.ndarray


class PoolerCache(NamedTuple):
    shape: tuple[int, ...]  # of y
    linear: LinearCache
    tanh: Array


def pooler(y: Array, weights: Linear) -> tuple[Array, PoolerCache]:
    """p = tanh(y_1 W + b), of the first token, [CLS], which stands for the whole (Devlin et al. 2019, 3.1).

    y: (..., L, d_model) -> p: (..., d_model). The encoder learns to gather there what is asked of the sequence.
    """
    check("weights.W: d_model d_out, y: ... L d_model", weights.W, y)
    first = y[..., 0, :]  # (..., d_model)
    z, linear_cache = linear(first, weights)
    p, tanh_cache = tanh(z)
    return p, PoolerCache(y.shape, linear_cache, tanh_cache)


def pooler_backward(dp: Array, cache: PoolerCache) -> tuple[Array, Linear]:
    """All of the gradient goes to the first token, none directly to any other. -> dy, dweights"""
    dz = tanh_backward(dp, cache.tanh)
    dfirst, dweights = linear_backward(dz, cache.linear)
    dy = np.zeros(cache.shape, dfirst.dtype)
    dy[..., 0, :] = dfirst
    return dy, dweights
