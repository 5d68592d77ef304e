"""Section 2.1.3: long short-term memory (Hochreiter, Schmidhuber 1997): a recurrent layer that keeps what it read."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_start
from minitransformer.equations.activations import sigmoid
from minitransformer.equations.op import Op
from minitransformer.equations.rows import column_sum, rows_where
from minitransformer.shapes import check

Array = np.ndarray


class LSTM(NamedTuple):
    """The columns of the matrices belong to the gates i, f, g, o, in this order."""

    W_x: Array  # (d_in, 4*d_h)
    W_h: Array  # (d_h, 4*d_h)
    b: Array  # (4*d_h,)


class State(NamedTuple):
    h: Array  # (..., d_h), what the layer shows
    c: Array  # (..., d_h), what it keeps


class LSTMCache(NamedTuple):
    x: Array  # (..., L, d_in)
    start: State
    gates: Array  # (..., L, 4*d_h)
    c: Array  # (..., L, d_h)
    h: Array  # (..., L, d_h)
    weights: LSTM
    reads: Array | None  # (..., L), boolean

    @property
    def last(self) -> State:
        """The state after the last token, with which the next window starts."""
        return State(self.h[..., -1, :], self.c[..., -1, :]) if self.h.shape[-2] else self.start


def init_lstm(d_in: int, d_h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> LSTM:
    """Weights uniform within +-1/sqrt(d_h); b = 0 but for the gate f, whose 1 lets the memory keep what it has."""
    check_start(rng, dtype, d_in=d_in, d_h=d_h)
    limit = 1 / math.sqrt(d_h)
    W_x = rng.uniform(-limit, limit, (d_in, 4 * d_h)).astype(dtype)
    W_h = rng.uniform(-limit, limit, (d_h, 4 * d_h)).astype(dtype)
    b = np.repeat([0, 1, 0, 0], d_h).astype(dtype)  # i, f, g, o
    return LSTM(W_x, W_h, b)


def lstm_start(shape: tuple[int, ...], weights: LSTM) -> State:
    """h_0 = c_0 = 0: nothing has been read."""
    check("weights.W_h: d_h 4*d_h", weights.W_h)
    zeros = np.zeros((*shape, len(weights.W_h)), weights.W_h.dtype)
    return State(zeros, zeros.copy())


def lstm(x: Array, start: State, weights: LSTM, reads: Array | None = None) -> tuple[Array, LSTMCache]:
    """i, f, o = sigmoid(...), g = tanh(...) of x_t W_x + h_{t-1} W_h + b;  c_t = f c_{t-1} + i g,  h_t = o tanh(c_t).

    x: (..., L, d_in) -> h: (..., L, d_h). The path from c_{t-1} to c_t is a product with f and nothing else: a gradient
    can come back along it over many steps, unlike in the Elman network.

    reads: (..., L), False at padding, where the state does not change and x has no influence.  None: all is read.
    """
    check(
        "weights.W_x: d_in 4*d_h, weights.W_h: d_h 4*d_h, weights.b: 4*d_h, "
        "x: ... L? d_in, start.h: ... d_h, start.c: ... d_h",
        *weights,
        x,
        *start,
    )
    check_reads(reads, x)
    d_h = len(weights.W_h)
    x_read = x if reads is None else rows_where(reads, x)
    from_x = x_read @ weights.W_x + weights.b  # (..., L, 4*d_h)
    gates = np.zeros_like(from_x)
    h, c = np.zeros_like(from_x[..., :d_h]), np.zeros_like(from_x[..., :d_h])
    # The gates before their sigmoid or tanh. One array serves all steps and is cut once, since np.split in each step
    # would take a fifth longer at d_h = 32.
    z_t = np.zeros((*x.shape[:-2], 4 * d_h), from_x.dtype)
    z_i, z_f, z_g, z_o = np.split(z_t, 4, axis=-1)  # (..., d_h), views of z_t
    h_t, c_t = start
    for t in range(x.shape[-2]):
        z_t[...] = from_x[..., t, :] + h_t @ weights.W_h
        i, f, g, o = sigmoid(z_i)[0], sigmoid(z_f)[0], np.tanh(z_g), sigmoid(z_o)[0]
        c_new = f * c_t + i * g
        h_new = o * np.tanh(c_new)
        c_t, h_t = (c_new, h_new) if reads is None else where_read(reads[..., t], (c_new, h_new), (c_t, h_t))
        gates[..., t, :] = np.concatenate([i, f, g, o], axis=-1)
        c[..., t, :] = c_t
        h[..., t, :] = h_t
    return h, LSTMCache(x_read, start, gates, c, h, weights, reads)


def lstm_backward(dh: Array, cache: LSTMCache, dlast: State | None = None) -> tuple[Array, State, LSTM]:
    """Backpropagation through time, along h and along c. -> dx, dstart, dweights

    dlast: the gradient of `cache.last`, where another network goes on from it.

    From the last token to the first, with dh_t all that reaches h_t (by itself and by way of step t + 1):
        do = dh_t tanh(c_t),       dc_t += dh_t o (1 - tanh(c_t)^2),
        di = dc_t g,   dg = dc_t i,   df = dc_t c_{t-1},   dc_{t-1} = dc_t f,
    through the gates' own slopes, s (1 - s) of a sigmoid and 1 - g^2 of tanh, to dz_t, and dh_{t-1} = dz_t W_h^T.
    Where step t reads nothing, h_t = h_{t-1} and c_t = c_{t-1}: both gradients pass back unchanged, and dz_t = 0.
    """
    x, start, gates, c, h, weights, reads = cache
    check("h: ... L? d_h, dh: ... L? d_h", h, dh)
    d_in = len(weights.W_x)
    d_h = len(weights.W_h)
    c_before = np.concatenate([start.c[..., None, :], c[..., :-1, :]], axis=-2)  # (..., L, d_h)
    h_before = np.concatenate([start.h[..., None, :], h[..., :-1, :]], axis=-2)  # (..., L, d_h)
    dz = np.zeros_like(gates)
    i, f, g, o = np.split(gates, 4, axis=-1)  # (..., L, d_h)
    nothing = State(np.zeros_like(start.h), np.zeros_like(start.c))
    if dlast is not None:
        check("start.h: ... d_h, dlast.h: ... d_h, dlast.c: ... d_h", start.h, *dlast)
    dh_later, dc_later = nothing if dlast is None else dlast  # by way of the step after
    for t in reversed(range(x.shape[-2])):
        i_t, f_t, g_t, o_t = (gate[..., t, :] for gate in (i, f, g, o))
        tanh_c = np.tanh(c[..., t, :])
        dh_t = dh[..., t, :] + dh_later
        do = dh_t * tanh_c
        dc_t = dc_later + dh_t * o_t * (1 - tanh_c * tanh_c)
        di = dc_t * g_t
        dg = dc_t * i_t
        df = dc_t * c_before[..., t, :]
        dz_i = di * i_t * (1 - i_t)
        dz_f = df * f_t * (1 - f_t)
        dz_g = dg * (1 - g_t * g_t)
        dz_o = do * o_t * (1 - o_t)
        dz_t = np.concatenate([dz_i, dz_f, dz_g, dz_o], axis=-1)  # (..., 4*d_h)
        dc_before, dh_before = dc_t * f_t, dz_t @ weights.W_h.T
        if reads is None:
            dz[..., t, :], dc_later, dh_later = dz_t, dc_before, dh_before
        else:
            zeros = np.zeros_like(dz_t)
            stays = (zeros, dc_later, dh_t)
            dz[..., t, :], dc_later, dh_later = where_read(reads[..., t], (dz_t, dc_before, dh_before), stays)
    dz_rows = dz.reshape(-1, 4 * d_h)
    dx = dz @ weights.W_x.T  # (..., L, d_in)
    dW_x = x.reshape(-1, d_in).T @ dz_rows  # (d_in, 4*d_h)
    dW_h = h_before.reshape(-1, d_h).T @ dz_rows  # (d_h, 4*d_h)
    return dx, State(dh_later, dc_later), LSTM(dW_x, dW_h, column_sum(dz_rows))


def check_reads(reads: Array | None, x: Array) -> None:
    """`reads` must be boolean, one for each position of x (..., L, d_in)."""
    if reads is None:
        return
    if not isinstance(reads, np.ndarray) or reads.dtype != np.bool_:
        given = f"dtype {reads.dtype}" if isinstance(reads, np.ndarray) else type(reads).__name__
        raise TypeError(f"reads: got {given}, expected a boolean array, True where there is no padding")
    if reads.shape != x.shape[:-1]:
        raise ValueError(f"reads: got shape {reads.shape}, expected {x.shape[:-1]}, one for each position of x")


def where_read(reads_t: Array, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
    """The new arrays where the sequence reads at this step, the old ones where it does not.  reads_t: (...)"""
    if reads_t.all():
        return new
    return tuple(np.where(reads_t[..., None], a, b) for a, b in zip(new, old, strict=True))


LONG_SHORT_TERM = Op(lstm, lstm_backward)
