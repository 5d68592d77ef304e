"""Section 5: dropout sets numbers to zero at random while training, so that no unit can rely on another."""

import math
from dataclasses import dataclass

import numpy as np

from minitransformer.checks import check_rate, check_rng, check_type
from minitransformer.shapes import check

Array = np.ndarray
BITS = 16


@dataclass(frozen=True)
class Dropout:
    """Probability and generator, which travel together: whoever drops needs both."""

    rate: float  # probability that a number is dropped, in [0, 1)
    rng: np.random.Generator | None  # None: evaluation, nothing is dropped

    def __post_init__(self) -> None:
        """Checked here, once, and not wherever something is dropped."""
        check_rate("rate", self.rate)
        check_rng(self.rng)


NO_DROPOUT = Dropout(0.0, None)


def dropping(rate: float, rng: np.random.Generator | None) -> Dropout:
    """How a layer drops whose configuration says `rate`: in evaluation not at all."""
    return NO_DROPOUT if rng is None else Dropout(rate, rng)


def dropout(x: Array, drop: Dropout) -> tuple[Array, Array | None]:
    """y = x * m, where m is 0 with probability `rate` and 1 / (1 - rate) otherwise, so that the mean of y is x.

    x: any shape; the cache is m. In evaluation y is x, and m is None. The rate is met to 16 bits.
    """
    if type(drop) is not Dropout:
        check_type("drop", drop, Dropout)
    if drop.rng is None or drop.rate == 0:
        return x, None
    check("x: ...", x)
    m = dropout_mask(x.shape, drop.rate, drop.rng, x.real.dtype)
    return x * m, m


def dropout_backward(dy: Array, m: Array | None) -> Array:
    """dx = dy * m, from dy_i / dx_i = m_i. What was dropped gets no gradient; without dropout dx is dy."""
    if m is None:
        return dy
    check("m: ..., dy: ...", m, dy)
    return dy * m


def dropout_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator, dtype: np.dtype) -> Array:
    """0 with probability `rate` (rounded to 1/65536), else 1 / (1 - that probability).

    Drawn as 16-bit integers, four to a 64-bit word, of which those below rate * 65536 are dropped: the plain form,
    `rng.random(shape) >= rate`, takes four times as long.
    """
    size = math.prod(shape)
    words = rng.integers(0, 2**64, size=-(-size // 4), dtype=np.uint64)
    bits = words.view(np.uint16)[:size].reshape(shape)
    dropped = min(round(rate * 2**BITS), 2**BITS - 1)  # so many of the 65536 values of the bits are dropped
    kept = bits >= dropped
    return kept * dtype.type(2**BITS / (2**BITS - dropped))
