"""Section 2.1.3: the Elman network (Elman 1990), a layer that reads a sequence token by token and keeps a state."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_start
from minitransformer.equations.op import Op
from minitransformer.equations.rows import column_sum
from minitransformer.shapes import check

Array = np.ndarray


class Elman(NamedTuple):
    W_x: Array  # (d_in, d_h)
    W_h: Array  # (d_h, d_h)
    b: Array  # (d_h,)


class ElmanCache(NamedTuple):
    x: Array  # (..., L, d_in)
    h_0: Array  # (..., d_h)
    h: Array  # (..., L, d_h)
    weights: Elman

    @property
    def last(self) -> Array:
        """The state after the last token, with which the next window starts.  (..., d_h)"""
        return self.h[..., -1, :] if self.h.shape[-2] else self.h_0


def init_elman(d_in: int, d_h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Elman:
    """All uniform within +-1/sqrt(d_h), but b = 0."""
    check_start(rng, dtype, d_in=d_in, d_h=d_h)
    limit = 1 / math.sqrt(d_h)
    W_x = rng.uniform(-limit, limit, (d_in, d_h)).astype(dtype)
    W_h = rng.uniform(-limit, limit, (d_h, d_h)).astype(dtype)
    return Elman(W_x, W_h, np.zeros(d_h, dtype))


def elman_start(shape: tuple[int, ...], weights: Elman) -> Array:
    """h_0 = 0: nothing has been read.  -> (*shape, d_h)"""
    check("weights.b: d_h", weights.b)
    return np.zeros((*shape, len(weights.b)), weights.b.dtype)


def elman(x: Array, h_0: Array, weights: Elman) -> tuple[Array, ElmanCache]:
    """h_t = tanh(x_t W_x + h_{t-1} W_h + b), for t = 1, ..., L.

    x: (..., L, d_in), h_0: (..., d_h) -> h: (..., L, d_h). What the layer knows of the past is h_{t-1}, d_h numbers,
    however long the past is; and t can only be computed after t - 1.
    """
    check("weights.W_x: d_in d_h, weights.W_h: d_h d_h, weights.b: d_h, x: ... L? d_in, h_0: ... d_h", *weights, x, h_0)
    from_x = x @ weights.W_x + weights.b  # (..., L, d_h)
    h = np.zeros_like(from_x)
    h_t = h_0
    for t in range(x.shape[-2]):
        h_t = np.tanh(from_x[..., t, :] + h_t @ weights.W_h)
        h[..., t, :] = h_t
    return h, ElmanCache(x, h_0, h, weights)


def elman_backward(dh: Array, cache: ElmanCache) -> tuple[Array, Array, Elman]:
    """Backpropagation through time: h_t reaches the loss by itself and by way of h_{t+1}. -> dx, dh_0, dweights

    With a_t = x_t W_x + h_{t-1} W_h + b and h_t = tanh(a_t), from the last token to the first:
        da_t = (dh_t + da_{t+1} W_h^T) (1 - h_t^2),
    and then, as every step has the same weights, dW_x = sum_t x_t^T da_t, dW_h = sum_t h_{t-1}^T da_t, db = sum_t da_t.
    """
    x, h_0, h, weights = cache
    check("h: ... L? d_h, dh: ... L? d_h", h, dh)
    d_in, d_h = weights.W_x.shape
    da = np.zeros_like(h)
    dh_later = np.zeros_like(h_0)  # by way of the step after
    for t in reversed(range(x.shape[-2])):
        da_t = (dh[..., t, :] + dh_later) * (1 - h[..., t, :] ** 2)
        da[..., t, :] = da_t
        dh_later = da_t @ weights.W_h.T
    h_before = np.concatenate([h_0[..., None, :], h[..., :-1, :]], axis=-2)  # (..., L, d_h)
    da_rows = da.reshape(-1, d_h)
    dx = da @ weights.W_x.T  # (..., L, d_in)
    dW_x = x.reshape(-1, d_in).T @ da_rows  # (d_in, d_h)
    dW_h = h_before.reshape(-1, d_h).T @ da_rows  # (d_h, d_h)
    return dx, dh_later, Elman(dW_x, dW_h, column_sum(da_rows))


ELMAN = Op(elman, elman_backward)
