"""Sums over rows and columns by BLAS: the same sums."""

import numpy as np
import pytest
from assertions import assert_float32
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.equations.rows import column_sum, constant, row_max, row_mean, row_products, row_sum


@given(sizes, seeds)
def test_rows_are_summed_over_the_last_axis(s, seed):
    """row_sum, row_mean, row_products and row_max keep the last axis, with length 1."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(s.d_k)
    for shape in ((s.d_k,), (s.L_q, s.d_k), (s.B, s.L_q, s.d_k)):
        x = rng.standard_normal(shape)
        assert_allclose(row_sum(x), x.sum(axis=-1, keepdims=True), atol=1e-13, strict=True)
        assert_allclose(row_mean(x), x.mean(axis=-1, keepdims=True), atol=1e-13, strict=True)
        assert_allclose(row_products(x, w), (x * w).sum(axis=-1, keepdims=True), atol=1e-13, strict=True)
        assert np.array_equal(row_max(x), x.max(axis=-1, keepdims=True))


@given(sizes, seeds)
def test_columns_are_summed_over_all_other_axes(s, seed):
    """The gradient of a bias: what every position of every sequence says about it, added."""
    x = np.random.default_rng(seed).standard_normal((s.B, s.L_q, s.d_k))
    assert_allclose(column_sum(x), x.sum(axis=(0, 1)), atol=1e-13, strict=True)
    assert_allclose(column_sum(x[0]), x[0].sum(axis=0), atol=1e-13, strict=True)


def test_sums_of_strided_views():
    """A transposed array is summed along the axis that it shows, not the one that it has in memory."""
    x = np.arange(6.0).reshape(2, 3).T
    assert row_sum(x).tolist() == [[3.0], [5.0], [7.0]]
    assert column_sum(x).tolist() == [3.0, 12.0]


def test_a_shared_vector_cannot_be_changed():
    """All callers get the same vector, so nobody may write into it."""
    vector = constant(1, 3, np.dtype("float32"))
    assert vector is constant(1, 3, np.dtype("float32"))
    assert vector.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 2


def test_float32_stays_float32():
    x = np.ones((2, 3), np.float32)
    assert_float32(row_sum(x), row_mean(x), row_products(x, x[0]), column_sum(x), constant(1, 2, x.dtype))
