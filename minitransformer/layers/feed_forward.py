"""Section 3.1.3: the position-wise feed-forward network, two linear maps with ReLU between them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_type
from minitransformer.equations.activations import RELU
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward
from minitransformer.equations.op import Op
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward

Array = np.ndarray


class FeedForward(NamedTuple):
    linear1: Linear  # W: (d_model, d_ff)
    linear2: Linear  # W: (d_ff, d_model)


class FeedForwardCache(NamedTuple):
    linear1: LinearCache
    activation: Op
    activation_cache: Any
    m: Array | None  # (..., d_ff), dropout's mask
    linear2: LinearCache


def init_feed_forward(d_model: int, d_ff: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> FeedForward:
    return FeedForward(init_linear(d_model, d_ff, rng, dtype), init_linear(d_ff, d_model, rng, dtype))


def feed_forward(
    x: Array,
    weights: FeedForward,
    activation: Op = RELU,
    drop: Dropout = NO_DROPOUT,
) -> tuple[Array, FeedForwardCache]:
    """y = dropout(max(0, x W_1 + b_1)) W_2 + b_2  (3.1.3; the dropout is section 5's).

    x: (..., d_model) -> y: (..., d_model). Each position goes through by itself. activation: one of `activations.py`.
    """
    check_type("activation", activation, Op)
    z, linear1_cache = linear(x, weights.linear1)  # (..., d_ff)
    hidden, activation_cache = activation.forward(z)
    dropped, m = dropout(hidden, drop)
    y, linear2_cache = linear(dropped, weights.linear2)  # (..., d_model)
    return y, FeedForwardCache(linear1_cache, activation, activation_cache, m, linear2_cache)


def feed_forward_backward(dy: Array, cache: FeedForwardCache) -> tuple[Array, FeedForward]:
    """The forward, read from the bottom up: by the chain rule each line hands its gradient to the line above it."""
    ddropped, dlinear2 = linear_backward(dy, cache.linear2)  # (..., d_ff)
    dhidden = dropout_backward(ddropped, cache.m)
    dz = cache.activation.backward(dhidden, cache.activation_cache)
    dx, dlinear1 = linear_backward(dz, cache.linear1)  # (..., d_model)
    return dx, FeedForward(dlinear1, dlinear2)
