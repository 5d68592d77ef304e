"""Section 4.3: sinusoidal positional encoding tells a model without recurrence where each token stands."""

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_dtype, check_integer
from minitransformer.shapes import check

Array = np.ndarray


def positional_encoding(L: int, d: int, dtype: DTypeLike = np.float64, start: int = 0) -> Array:
    """P_{i,2j} = sin(i / 10000^(2j/d)),  P_{i,2j+1} = cos(i / 10000^(2j/d))  (4.3).  -> P: (L, d)

    Row i is position start + i. An odd d ends with a sine that has no cosine beside it.
    """
    check_integer("L", L, minimum=0)
    check_integer("d", d, minimum=1)
    check_dtype(dtype)
    check_integer("start", start, minimum=0)
    angle = position_angles(L, d, start)  # (L, ceil(d/2))
    P = np.zeros((L, d), dtype)
    P[:, 0::2] = np.sin(angle)
    P[:, 1::2] = np.cos(angle[:, : d // 2])
    return P


def position_angles(L: int, d: int, start: int) -> Array:
    """i / 10000^(2j/d), by which position i has turned in the pair of columns 2j and 2j + 1.  -> (L, ceil(d/2))

    Row i is position start + i. Always float64: in float32 an angle of 5,000 would be off by some 10^-4.
    """
    i = np.arange(L, dtype=np.int64)[:, None] + start  # (L, 1); start + L could overflow in a NumPy integer of few bits
    two_j = np.arange(0, d, 2)  # (ceil(d/2),)
    return i / 10000 ** (two_j / d)


def add_positions(E: Array, start: int = 0) -> tuple[Array, None]:
    """x = E + P: token vectors with their positions added, from `start` on  (3.1.1, 4.3).  E, x: (..., L, d)"""
    check("E: ... L d", E)
    L, d = E.shape[-2:]
    P = positional_encoding(L, d, E.real.dtype, start)
    return E + P, None


def add_positions_backward(dx: Array, cache: None) -> Array:
    """dE = dx: P is a constant, and d(E + P)/dE = 1. (dE is dx itself and shares its memory.)"""
    return dx
