"""PyTorch's `softmax`, `log_softmax` over any axis (4.1), `gelu` in both of its forms, and `relu` (3.1.3)."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_choice, check_floats, check_integer, check_shape
from minitransformer.equations import softmax as equation
from minitransformer.equations.activations import GELU, GELU_TANH, relu, relu_backward
from minitransformer.equations.op import Op
from minitransformer.nn.module import floating

Array = np.ndarray

GELUS = {"none": GELU, "tanh": GELU_TANH}

__all__ = [
    "gelu",
    "gelu_backward",
    "log_softmax",
    "log_softmax_backward",
    "relu",
    "relu_backward",
    "softmax",
    "softmax_backward",
]


class AxisCache(NamedTuple):
    rows: Any  # the cache of the equation, whose last axis is `dim`
    dim: int
    shape: tuple[int, ...]  # of the input, and of the result
    dtype: np.dtype  # of the input


def softmax(input: Array, dim: int, *, dtype: DTypeLike | None = None) -> tuple[Array, AxisCache]:
    """alpha_i = exp(a_i) / sum_j exp(a_j) over the axis `dim`  (4.1).  input: any shape -> the same

    dtype: to compute and return in, if it is to be another than the input's; the gradient comes back in the input's.
    """
    alpha, rows_cache = equation.softmax(rows_along(input, dim, dtype))
    return in_place(alpha, dim, input.shape), AxisCache(rows_cache, dim, input.shape, input.dtype)


def softmax_backward(dout: Array, cache: AxisCache) -> Array:
    """The equation's backward along the same axis. -> dinput"""
    check_shape("dout", dout, cache.shape)
    dinput = equation.softmax_backward(rows_along(dout, cache.dim), cache.rows)
    return in_place(dinput, cache.dim, cache.shape).astype(cache.dtype, copy=False)


def log_softmax(input: Array, dim: int, *, dtype: DTypeLike | None = None) -> tuple[Array, AxisCache]:
    """log alpha_i = a_i - log sum_j exp(a_j) over the axis `dim`; the arguments are those of `softmax`."""
    log_alpha, rows_cache = equation.log_softmax(rows_along(input, dim, dtype))
    return in_place(log_alpha, dim, input.shape), AxisCache(rows_cache, dim, input.shape, input.dtype)


def log_softmax_backward(dout: Array, cache: AxisCache) -> Array:
    """The equation's backward along the same axis. -> dinput"""
    check_shape("dout", dout, cache.shape)
    dinput = equation.log_softmax_backward(rows_along(dout, cache.dim), cache.rows)
    return in_place(dinput, cache.dim, cache.shape).astype(cache.dtype, copy=False)


def rows_along(x: Array, dim: int, dtype: DTypeLike | None = None) -> Array:
    """`x` with the axis `dim` last, where the equations have it. A single number counts as a row, as in PyTorch."""
    check_floats("input", x, ndim=0)
    axes = max(x.ndim, 1)
    check_integer("dim", dim, minimum=-axes)
    if dim >= axes:
        raise ValueError(f"dim: got {dim}, expected {-axes} to {axes - 1}")
    rows = np.moveaxis(np.atleast_1d(x), dim, -1)
    if rows.shape[-1] == 0:
        raise ValueError(f"input: got shape {x.shape}, expected at least one number on axis {dim}")
    return rows if dtype is None else rows.astype(floating(dtype))


def in_place(rows: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """The inverse of `rows_along`: the last axis goes back to `dim`."""
    return np.moveaxis(rows, -1, dim).reshape(shape)


class GeluCache(NamedTuple):
    op: Op
    op_cache: Any


def gelu(input: Array, approximate: str = "none") -> tuple[Array, GeluCache]:
    """y = x Phi(x), or with approximate="tanh" GPT-2's approximation of it.  input: any shape -> the same"""
    check_floats("input", input, ndim=0)
    check_choice("approximate", approximate, GELUS)
    op = GELUS[approximate]
    y, op_cache = op.forward(input)
    return y, GeluCache(op, op_cache)


def gelu_backward(dout: Array, cache: GeluCache) -> Array:
    """The backward of the form that made this cache. -> dinput"""
    check_shape("dout", dout, cache.op_cache.x.shape)
    return cache.op.backward(dout, cache.op_cache)
