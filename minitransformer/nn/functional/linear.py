"""PyTorch's `linear`, whose weight is (d_out, d_in) (4.1), and `embedding`, whose table comes second (3.1.1)."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_rank, check_shape, check_width
from minitransformer.layers import embedding as table
from minitransformer.layers import linear as equation

Array = np.ndarray


class LinearCache(NamedTuple):
    rows: equation.LinearCache
    has_bias: bool


def linear(input: Array, weight: Array, bias: Array | None = None) -> tuple[Array, LinearCache]:
    """y = x A^T + b with A = `weight`: the equation's x W + b, for W = A^T; to have no bias is to have zeros.

    input: (..., d_in), weight: (d_out, d_in), bias: (d_out,) -> (..., d_out)
    """
    check_rank("weight", weight, 2)
    d_out, d_in = weight.shape
    check_width("input", input, d_in)
    b = np.zeros(d_out, weight.dtype) if bias is None else bias
    check_shape("bias", b, (d_out,))
    y, rows_cache = equation.linear(input, equation.Linear(weight.T, b))
    return y, LinearCache(rows_cache, bias is not None)


def linear_backward(dout: Array, cache: LinearCache) -> tuple[Array, Array, Array | None]:
    """dA = (dW)^T, since A = W^T.  -> dinput, dweight, dbias"""
    x, weights = cache.rows
    check_shape("dout", dout, (*x.shape[:-1], len(weights.b)))
    dinput, (dW, db) = equation.linear_backward(dout, cache.rows)
    return dinput, dW.T, db if cache.has_bias else None


class EmbeddingCache(NamedTuple):
    rows: table.EmbeddingCache
    padding_idx: int | None


def embedding(input: Array, weight: Array, padding_idx: int | None = None) -> tuple[Array, EmbeddingCache]:
    """Row w_i of the table `weight` for each id w_i of `input`  (3.1.1).

    input: (...) integers in [0, V), weight: (V, d) -> (..., d). padding_idx: a row that is a constant, to which no
    gradient goes; counted from the end if it is negative.
    """
    check_rank("weight", weight, 2)
    V = len(weight)
    check_ids("input", input, V)
    if padding_idx is not None:
        check_integer("padding_idx", padding_idx, minimum=-V)
        if padding_idx >= V:
            raise ValueError(f"padding_idx: got {padding_idx}, expected {-V} to {V - 1}")
    y, rows_cache = table.embedding(input, table.Embedding(weight))
    return y, EmbeddingCache(rows_cache, padding_idx)


def embedding_backward(dout: Array, cache: EmbeddingCache) -> Array:
    """Each row gets the gradients of all its positions, the row of the padding none. -> dweight"""
    ids, weights = cache.rows
    check_shape("dout", dout, (*ids.shape, weights.E.shape[-1]))
    dweight = table.embedding_backward(dout, cache.rows).E
    if cache.padding_idx is not None:
        dweight[cache.padding_idx] = 0
    return dweight
