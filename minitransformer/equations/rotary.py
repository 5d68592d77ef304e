"""Section 4.3, a variant: rotary positions turn queries and keys, and add nothing to token vectors (Su et al. 2021)."""

import functools
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_integer
from minitransformer.equations.positional_encoding import position_angles
from minitransformer.shapes import check

Array = np.ndarray

MOST_KEPT = 8  # cached tables: one is in use, or one for each length of a few batches


class RotaryCache(NamedTuple):
    cos: Array  # (L, d_k), of the angle of each position and feature; both features of a pair have the same
    sin: Array  # (L, d_k)


def rotary(X: Array, start: int = 0) -> tuple[Array, RotaryCache]:
    """y_2j = x_2j cos(i theta_j) - x_2j+1 sin(i theta_j),  y_2j+1 = x_2j+1 cos(i theta_j) + x_2j sin(i theta_j)

    with theta_j = 10000^(-2j/d_k), the frequencies of 4.3: the pair (x_2j, x_2j+1) at position i is turned by the angle
    i theta_j. Features 2j and 2j + 1, side by side, form a pair, as in the paper and in 4.3; GPT-NeoX, and Llama in
    Hugging Face's form, pair j with j + d_k/2 instead, the first half with the second.

    With R_i for the rotation at position i, a query at m meets a key at n with the score
        (R_m q)^T (R_n k) = q^T R_m^T R_n k = q^T R_{n-m} k,  since R_m^T = R_{-m}, and angles add:
    each is turned by its own position, and their product depends on the distance alone. Values are not turned.

    X: (..., L, d_k), of one head, whose first row is position `start` -> Y: (..., L, d_k).
    """
    check("X: ... L? 2*pairs", X)
    check_integer("start", start, minimum=0)
    L, d_k = X.shape[-2:]
    cos, sin = prepare_rotation(L, d_k, start, X.real.dtype)  # (L, d_k)
    turned = quarter_turn(X)  # (..., L, d_k)
    Y = X * cos + turned * sin
    return Y, RotaryCache(cos, sin)


def rotary_backward(dY: Array, cache: RotaryCache) -> Array:
    """dX = R^T dY, and since R is a rotation, R^T is R^-1: dY is turned back, by the same angle with the other sign.

    With c = cos(i theta_j) and s = sin(i theta_j), x_2j enters y_2j with the factor c and y_2j+1 with s; x_2j+1 enters
    y_2j with -s and y_2j+1 with c:
        dx_2j   =  dy_2j c + dy_2j+1 s,
        dx_2j+1 = -dy_2j s + dy_2j+1 c,
    which is the forward with -s for s.
    """
    check("cos: L? d_k, dY: ... L? d_k", cache.cos, dY)
    turned = quarter_turn(dY)  # (..., L, d_k)
    return dY * cache.cos - turned * cache.sin


def quarter_turn(X: Array) -> Array:
    """(x_2j, x_2j+1) -> (-x_2j+1, x_2j): each pair turned by 90 degrees. Any turn is cos X + sin quarter_turn(X).

    Even and odd features are written to their columns: `np.stack` of the two takes twice as long, and its result does
    not have the memory layout of X, which saves a copy in scores and merged heads.
    """
    turned = np.empty_like(X)
    np.negative(X[..., 1::2], out=turned[..., 0::2])
    turned[..., 1::2] = X[..., 0::2]
    return turned


@functools.lru_cache(MOST_KEPT)
def prepare_rotation(L: int, d_k: int, start: int, dtype: np.dtype) -> tuple[Array, Array]:
    """cos and sin of the positions' angles, each angle twice, for both features of its pair.  -> 2 (L, d_k), read-only

    Kept for the next calls, since queries and keys of all layers turn alike: for a single token, the table takes longer
    than the rotation.
    """
    angle = np.repeat(position_angles(L, d_k, start), 2, axis=-1)
    cos, sin = np.cos(angle).astype(dtype), np.sin(angle).astype(dtype)
    cos.flags.writeable = sin.flags.writeable = False
    return cos, sin


def turn_both(Q: Array, K: Array, start: int) -> tuple[Array, Array, tuple[RotaryCache, RotaryCache]]:
    """Queries and keys of the same positions, each turned by its own."""
    Q_turned, Q_cache = rotary(Q, start)
    K_turned, K_cache = rotary(K, start)
    return Q_turned, K_turned, (Q_cache, K_cache)


def turn_both_back(dQ: Array, dK: Array, caches: tuple[RotaryCache, RotaryCache]) -> tuple[Array, Array]:
    """Both turned back. -> dQ, dK"""
    Q_cache, K_cache = caches
    return rotary_backward(dQ, Q_cache), rotary_backward(dK, K_cache)
