"""Sums over rows and columns, as products with a vector of ones, which BLAS computes faster than NumPy's `sum`.

Also the maximum of each row, and rows without influence.
"""

import functools

import numpy as np

Array = np.ndarray


def row_sum(x: Array) -> Array:
    """sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    n = x.shape[-1]
    return row_products(x, constant(1, n, x.dtype))


def row_mean(x: Array) -> Array:
    """(1/n) sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    n = x.shape[-1]
    return row_products(x, constant(1 / n, n, x.dtype))


def row_products(x: Array, w: Array) -> Array:
    """sum_j x_ij w_j for every row.  x: (..., n), w: (n,) -> (..., 1)"""
    if x.ndim == 2:  # the same in fewer calls, which take longer than the sum of a single row
        return x.dot(w)[:, None]
    products = x.reshape(-1, len(w)).dot(w)
    return products.reshape(x.shape[:-1] + (1,))


def row_max(x: Array) -> Array:
    """max_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1); NaN where one is

    (`x.max` does the same through two more function calls, which matters for short rows.)
    """
    return np.maximum.reduce(x, axis=-1, keepdims=True)


def column_sum(x: Array) -> Array:
    """sum_i x_ij over every axis but the last.  x: (..., n) -> (n,)"""
    rows = x.reshape(-1, x.shape[-1])
    return constant(1, len(rows), x.dtype).dot(rows)


def rows_where(counts: Array, X: Array) -> Array:
    """X (..., L, d) with 0 in the rows that do not count, if need be.

    counts: boolean, broadcasts to (..., L); with one axis more before L, a row counts that does so anywhere along it.
    If those rows' squares have a finite sum, 0 times any of their numbers is 0 anyway, and X is not copied.
    """
    anywhere = counts.any(axis=-2) if counts.ndim == X.ndim else counts
    if anywhere.all():
        return X
    others = X[np.broadcast_to(~anywhere, X.shape[:-1])]
    if np.isfinite(np.vdot(others, others)):
        return X
    return np.where(anywhere[..., None], X, X.dtype.type(0))


@functools.lru_cache(maxsize=256)  # a decoder needs another length at each step
def constant(value: float, n: int, dtype: np.dtype) -> Array:
    """The vector (value, ..., value) of length n, cached, and read-only, since all callers share it."""
    vector = np.full(n, value, dtype)
    vector.flags.writeable = False
    return vector
