"""Section 4.2: splitting features into h heads, and Concat(head_1, ..., head_h)."""

import numpy as np

from minitransformer.checks import check_floats, check_heads

Array = np.ndarray


def split_heads(X: Array, h: int) -> Array:
    """(..., L, h*d_k) -> (..., h, L, d_k): head i takes the columns i*d_k to (i+1)*d_k, so it gets X W_i^Q of 4.2.

    Reshape first, then swap axes: a plain reshape to (..., h, L, d_k) has the right shape and would mix positions.
    The result is a view. Its backward is `merge_heads`, for the same numbers stand elsewhere.
    """
    check_floats("X", X, ndim=2)
    *batch, L, width = X.shape
    check_heads(h, "X", width)
    per_position = X.reshape(*batch, L, h, width // h)  # (..., L, h, d_k)
    return per_position.swapaxes(-3, -2)  # (..., h, L, d_k)


def merge_heads(heads: Array) -> Array:
    """Concat(head_1, ..., head_h)  (4.2): (..., h, L, d_v) -> (..., L, h*d_v). Its backward is `split_heads`."""
    check_floats("heads", heads, ndim=3)
    *batch, h, L, d_v = heads.shape
    per_position = heads.swapaxes(-3, -2)  # (..., L, h, d_v)
    return per_position.reshape(*batch, L, h * d_v)
