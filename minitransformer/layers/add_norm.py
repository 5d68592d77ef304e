"""Section 3.1.4: residual connection and layer normalization around a sublayer, post-norm as in the text."""

from typing import NamedTuple

import numpy as np

from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward
from minitransformer.layers.layer_norm import LayerNorm, LayerNormCache, layer_norm, layer_norm_backward
from minitransformer.shapes import check

Array = np.ndarray


def residual(x: Array, f: Array, drop: Dropout = NO_DROPOUT) -> tuple[Array, Array | None]:
    """y = x + dropout(f), where f is what a sublayer made of x. Pre-norm models end each sublayer with it.

    x, f: (..., d) -> y: (..., d). The cache is dropout's mask.
    """
    check("x: ..., f: ...", x, f)
    dropped, m = dropout(f, drop)
    return x + dropped, m


def residual_backward(dy: Array, m: Array | None) -> tuple[Array, Array]:
    """dx = dy, the path around the sublayer; df = dropout's backward of dy, the path through it.

    dx is dy itself, and so is df without dropout: they share its memory.
    """
    df = dropout_backward(dy, m)
    return dy, df


class AddNormCache(NamedTuple):
    m: Array | None  # (..., d), dropout's mask
    norm: LayerNormCache


def add_norm(
    x: Array, f: Array, norm: LayerNorm, eps: float = 1e-5, drop: Dropout = NO_DROPOUT
) -> tuple[Array, AddNormCache]:
    """y = LayerNorm(x + dropout(f))  (3.1.4, section 5): post-norm, the normalization after the sum.

    x, f: (..., d) -> y: (..., d)
    """
    summed, m = residual(x, f, drop)
    y, norm_cache = layer_norm(summed, norm, eps)
    return y, AddNormCache(m, norm_cache)


def add_norm_backward(dy: Array, cache: AddNormCache) -> tuple[Array, Array, LayerNorm]:
    """Back through the normalization, then the sum hands the same gradient to both of its terms. -> dx, df, dnorm"""
    dsummed, dnorm = layer_norm_backward(dy, cache.norm)
    dx, df = residual_backward(dsummed, cache.m)
    return dx, df, dnorm
