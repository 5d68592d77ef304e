"""Sections 2.1.3 and 6.3: a recurrent network that reads a text twice, from its start and from its end."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_lengths
from minitransformer.equations.rows import rows_where
from minitransformer.layers.lstm import LSTM, LSTMCache, init_lstm, lstm, lstm_backward, lstm_start
from minitransformer.shapes import check

Array = np.ndarray


class Bidirectional(NamedTuple):
    onward: LSTM  # W_x: (d_in, 4*d_h)
    back: LSTM  # W_x: (d_in, 4*d_h)


class BidirectionalCache(NamedTuple):
    onward: LSTMCache
    back: LSTMCache
    order: Array  # (..., L)


def init_bidirectional(d_in: int, d_h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Bidirectional:
    return Bidirectional(init_lstm(d_in, d_h, rng, dtype), init_lstm(d_in, d_h, rng, dtype))


def bidirectional(x: Array, lengths: Array, weights: Bidirectional) -> tuple[Array, BidirectionalCache]:
    """y_t = [onward_t; back_t], the states after x_1, ..., x_t and after x_L, ..., x_t (Schuster, Paliwal 1997).

    x: (..., L, d_in); lengths: (...), so many of each sequence are no padding -> y: (..., L, 2*d_h). Each sequence is
    turned around within its own length, so that no state has seen padding before a token; and whatever x has at
    padding, also NaN or infinity, has no influence.
    """
    check("x: ... L? d_in", x)
    check_lengths(lengths, x[..., 0])
    start = lstm_start(x.shape[:-2], weights.onward)
    x_read = rows_where(np.arange(x.shape[-2]) < lengths[..., None], x)
    onward, onward_cache = lstm(x_read, start, weights.onward)  # (..., L, d_h)
    order = turned_order(lengths, x.shape[-2])  # (..., L)
    turned_x = in_order(x_read, order)
    turned_back, back_cache = lstm(turned_x, start, weights.back)  # (..., L, d_h)
    back = in_order(turned_back, order)
    y = np.concatenate([onward, back], axis=-1)
    return y, BidirectionalCache(onward_cache, back_cache, order)


def bidirectional_backward(dy: Array, cache: BidirectionalCache) -> tuple[Array, Bidirectional]:
    """The forward, read from the bottom up. -> dx, dweights

    Turning around twice changes nothing: the backward of the one turn is the other.
    """
    check("onward: ... L? d_h, dy: ... L? 2*d_h", cache.onward.h, dy)
    donward, dback = np.split(dy, 2, axis=-1)  # (..., L, d_h) each
    dturned_back = in_order(dback, cache.order)
    dturned_x, _dstart_back, dweights_back = lstm_backward(dturned_back, cache.back)
    dx_back = in_order(dturned_x, cache.order)
    dx_onward, _dstart_onward, dweights_onward = lstm_backward(donward, cache.onward)
    return dx_onward + dx_back, Bidirectional(dweights_onward, dweights_back)  # x was read twice


def turned_order(lengths: Array, L: int) -> Array:
    """Which position comes to each when the first `lengths` turn around: L - 1, ..., 0, and padding where it was."""
    positions = np.arange(L)
    turned = lengths.astype(np.int64)[..., None] - 1 - positions  # (..., L); unsigned numbers have no -1
    return np.where(turned >= 0, turned, positions)


def in_order(x: Array, order: Array) -> Array:
    """x: (..., L, d), order: (..., L) -> (..., L, d)"""
    return np.take_along_axis(x, order[..., None], axis=-2)
