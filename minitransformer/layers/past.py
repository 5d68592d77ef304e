"""Section 3.4.1, at inference: keys and values of the positions before, kept, so that nothing is computed twice.

A causal model's keys and values of a position do not depend on later positions. So a decode step needs only those of
its own positions, and finds the others here; the keys and values of an encoder's output, which every step reads, are a
past to which nothing is added. There is no backward: nobody trains token by token.
"""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_heads, check_integer
from minitransformer.equations.attention import split_heads
from minitransformer.layers.linear import Linear, linear
from minitransformer.shapes import check

Array = np.ndarray

ROOM = "K: ... L? d_k, V: ... L? d_v, past.K: ... context d_k, past.V: ... context d_v"


class Past(NamedTuple):
    """Of one attention: keys and values of n positions, and room for more, which is filled from the left, in place."""

    n: int
    K: Array  # (..., h_kv, context, d_k), with h_kv = h but where heads share keys and values
    V: Array  # (..., h_kv, context, d_v)


def empty_past(batch: tuple[int, ...], context: int, h: int, key: Linear, value: Linear) -> Past:
    """Room for `context` positions of each of h heads; key, value: the maps that are to fill it."""
    check_integer("context", context, minimum=1)
    check_heads(h, "weights.key.W", key.W.shape[-1])
    check_heads(h, "weights.value.W", value.W.shape[-1])
    K, V = (np.zeros((*batch, h, context, p.W.shape[-1] // h), p.W.dtype) for p in (key, value))
    return Past(0, K, V)


def past_of(memory: Array, h: int, key: Linear, value: Linear) -> Past:
    """All of an encoder's output, (..., L_s, d_model): its keys and values, and no room."""
    check("memory: ... L_s d_memory", memory)
    K, V = (split_heads(linear(memory, p)[0], h) for p in (key, value))
    return Past(memory.shape[-2], K, V)


def with_past(past: Past, K: Array, V: Array) -> tuple[Array, Array]:
    """Keys and values of all positions so far, the new ones, (..., h, L, d), at the end."""
    check(ROOM, K, V, past.K, past.V)  # else NumPy would spread one position, head or feature over the room
    # In room of another type, digits would be lost, or the derivative of the complex step.
    if K.dtype != past.K.dtype or V.dtype != past.V.dtype:
        raise TypeError(f"past: got {past.K.dtype} and {past.V.dtype}, expected {K.dtype} and {V.dtype}, as of x")
    start, end, context = past.n, past.n + K.shape[-2], past.K.shape[-2]
    if end > context:
        raise ValueError(f"past: got {K.shape[-2]} positions after {start}, expected at most {context} in all")
    past.K[..., start:end, :] = K
    past.V[..., start:end, :] = V
    return past.K[..., :end, :], past.V[..., :end, :]


def further(past: Past, L: int) -> Past:
    """The past after L positions more, which have been written into its room. The one before must not be used again."""
    return Past(past.n + L, past.K, past.V)
