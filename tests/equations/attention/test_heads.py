"""Splitting into heads and Concat (4.2)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import merge_heads, split_heads


@given(sizes, seeds)
def test_head_i_takes_its_own_columns(s, seed):
    """Head i of X is columns i d_k to (i+1) d_k, at every position: X W_i^Q where X = x W^Q."""
    X = np.random.default_rng(seed).standard_normal((s.B, s.L_q, s.d_model))
    heads = split_heads(X, s.h)
    assert heads.shape == (s.B, s.h, s.L_q, s.d_k)
    for i in range(s.h):
        assert_array_equal(heads[:, i], X[:, :, i * s.d_k : (i + 1) * s.d_k])


@given(sizes, seeds)
def test_merging_is_concat(s, seed):
    """Concat(head_1, ..., head_h), for any axes before the heads."""
    heads = np.random.default_rng(seed).standard_normal((s.B, s.h, s.L_q, s.d_v))
    assert_array_equal(merge_heads(heads), np.concatenate([heads[:, i] for i in range(s.h)], axis=-1), strict=True)
    assert_array_equal(merge_heads(heads[0]), np.concatenate(list(heads[0]), axis=-1), strict=True)


@given(sizes, seeds)
def test_split_and_merge_undo_each_other(s, seed):
    X = np.random.default_rng(seed).standard_normal((s.B, s.L_q, s.d_model))
    assert_array_equal(merge_heads(split_heads(X, s.h)), X)
    assert_array_equal(split_heads(merge_heads(split_heads(X, s.h)), s.h), split_heads(X, s.h))


def test_split_by_reshape_alone_would_mix_positions():
    """A plain reshape has the same shape and gives head 0 the features of two positions."""
    X = np.arange(8.0).reshape(1, 2, 4)  # one sequence, two positions, four features
    heads = split_heads(X, 2)
    assert heads.tolist() == [[[[0, 1], [4, 5]], [[2, 3], [6, 7]]]]
    assert not np.array_equal(heads, X.reshape(1, 2, 2, 2))


@given(sizes, seeds)
def test_split_and_merge_gradients(s, seed):
    """Each is the other's backward: the same numbers stand elsewhere."""
    rng = np.random.default_rng(seed)
    X, heads = rng.standard_normal((s.B, s.L_q, s.d_model)), rng.standard_normal((s.B, s.h, s.L_q, s.d_v))
    assert_gradients(lambda X: (split_heads(X, s.h), None), lambda dy, cache: merge_heads(dy), (X,), rng)
    assert_gradients(lambda heads: (merge_heads(heads), None), lambda dy, cache: split_heads(dy, s.h), (heads,), rng)


def test_split_copies_nothing():
    """The heads are a view of X."""
    X = np.ones((2, 3, 4))
    assert np.shares_memory(split_heads(X, 2), X)


def test_float32_stays_float32():
    X = np.ones((2, 3, 4), np.float32)
    assert_float32(split_heads(X, 2), merge_heads(split_heads(X, 2)))


def test_bad_input_is_refused():
    X = np.ones((2, 3, 4))
    with refuses(ValueError, "X: got shape (2, 3, 4), expected (..., L, h*d_k) with h = 3"):
        split_heads(X, 3)
    with refuses(ValueError, "h: got 0, expected 1 or more"):
        split_heads(X, 0)
    with refuses(TypeError, "h: got 2.0, expected an integer"):
        split_heads(X, 2.0)
    with refuses(ValueError, "X: got shape (4,), expected (..., L, h*d_k) with h = 2"):
        split_heads(X[0, 0], 2)
    with refuses(TypeError, "X: got list, expected a NumPy array of floating-point numbers"):
        split_heads([[1.0, 2.0]], 2)
    with refuses(ValueError, "heads: got shape (3, 4), expected (..., h, L, d_v)"):
        merge_heads(X[0])
    with refuses(TypeError, "heads: got dtype int64, expected floating-point numbers such as float32"):
        merge_heads(np.ones((2, 3, 4), int))
