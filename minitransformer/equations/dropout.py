"""Section 5: dropout sets numbers to zero at random while training, so that no unit can rely on another."""

import numpy as np

from minitransformer.checks import check_floats, check_rate, check_rng, check_same_shape

Array = np.ndarray
BITS = 16


def dropout(x: Array, rate: float, rng: np.random.Generator | None) -> tuple[Array, Array | None]:
    """y = x * m, where m is 0 with probability `rate` and 1 / (1 - rate) otherwise, so that the mean of y is x.

    x: any shape; the cache is m. `rng=None` means evaluation: y is x, and m is None. The rate is met to 16 bits.
    """
    check_floats("x", x, ndim=0)
    check_rate("rate", rate)
    check_rng(rng)
    if rng is None or rate == 0:
        return x, None
    m = dropout_mask(x.shape, rate, rng, x.real.dtype)
    return x * m, m


def dropout_backward(dy: Array, m: Array | None) -> Array:
    """dx = dy * m, from dy_i / dx_i = m_i. What was dropped gets no gradient; without dropout dx is dy."""
    if m is None:
        return dy
    check_same_shape("dy", dy, "m", m)
    return dy * m


def dropout_mask(shape: tuple[int, ...], rate: float, rng: np.random.Generator, dtype: np.dtype) -> Array:
    """0 with probability `rate` (rounded to 1/65536), else 1 / (1 - that probability).

    Sixteen random bits a number are enough, and drawn four at a time they cost a quarter of a random float.
    """
    size = int(np.prod(shape))
    words = rng.integers(0, 2**64, size=-(-size // 4), dtype=np.uint64)
    bits = words.view(np.uint16)[:size].reshape(shape)
    dropped = min(round(rate * 2**BITS), 2**BITS - 1)  # so many of the 65536 values of the bits are dropped
    kept = bits >= dropped
    return kept * dtype.type(2**BITS / (2**BITS - dropped))
