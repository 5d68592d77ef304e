"""Sums over rows and columns, as products with a vector of ones: the same sums, added up by BLAS, which is faster."""

import functools

import numpy as np

Array = np.ndarray


def row_sum(x: Array) -> Array:
    """sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    n = x.shape[-1]
    return row_products(x, ones(n, x.dtype))


def row_mean(x: Array) -> Array:
    """(1/n) sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    n = x.shape[-1]
    return row_products(x, ones(n, x.dtype)) / n


def row_products(x: Array, w: Array) -> Array:
    """sum_j x_ij w_j for every row.  x: (..., n), w: (n,) -> (..., 1)"""
    products = x.reshape(-1, len(w)) @ w
    return products.reshape(x.shape[:-1] + (1,))


def column_sum(x: Array) -> Array:
    """sum_i x_ij over every axis but the last.  x: (..., n) -> (n,)"""
    rows = x.reshape(-1, x.shape[-1])
    return ones(len(rows), x.dtype) @ rows


@functools.cache
def ones(n: int, dtype: np.dtype) -> Array:
    """n ones, made once for each n and dtype, and read-only, since all callers share them."""
    vector = np.ones(n, dtype)
    vector.flags.writeable = False
    return vector
