"""Sums over rows and columns, as products with a vector of ones: the same sums, added up by BLAS, which is faster."""

import numpy as np

Array = np.ndarray


def row_sum(x: Array) -> Array:
    """sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    n = x.shape[-1]
    sums = x.reshape(-1, n) @ np.ones((n, 1), x.dtype)
    return sums.reshape(*x.shape[:-1], 1)


def row_mean(x: Array) -> Array:
    """(1/n) sum_j x_ij over the last axis, which stays with length 1.  x: (..., n) -> (..., 1)"""
    return row_sum(x) / x.shape[-1]


def column_sum(x: Array) -> Array:
    """sum_i x_ij over every axis but the last.  x: (..., n) -> (n,)"""
    rows = x.reshape(-1, x.shape[-1])
    return np.ones(len(rows), x.dtype) @ rows
