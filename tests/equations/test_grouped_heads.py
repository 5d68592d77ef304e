"""Grouped-query attention, a variant of 4.2: several query heads share one head of keys and values."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import attention, attention_backward, split_heads
from minitransformer.equations.grouped_heads import share_heads, share_heads_backward
from minitransformer.verify import by_the_book as book

groups = st.integers(1, 4)


@given(sizes, seeds, groups)
def test_share_heads_is_the_equation(s, seed, group):
    """Head i of the queries has head i // (h/h_kv) of the keys, in each sequence."""
    X = np.random.default_rng(seed).standard_normal((s.B, s.h, s.L_k, s.d_k))
    h = group * s.h
    expected = np.stack([book.share_heads(X[b], h) for b in range(s.B)])
    assert_array_equal(share_heads(X, h), expected, strict=True)
    assert_array_equal(share_heads(X[0], h), expected[0], strict=True)


@given(sizes, seeds, groups)
def test_attention_with_shared_heads_is_the_equation_head_by_head(s, seed, group):
    """O_i = Attention(Q_i, K_g, V_g)."""
    rng = np.random.default_rng(seed)
    h = group * s.h
    Q = rng.standard_normal((h, s.L_q, s.d_k))
    K, V = rng.standard_normal((s.h, s.L_k, s.d_k)), rng.standard_normal((s.h, s.L_k, s.d_v))
    O, _ = attention(Q, share_heads(K, h), share_heads(V, h))
    expected = [book.attention(Q[i], K[i // group], V[i // group]) for i in range(h)]
    assert_allclose(O, expected, rtol=1e-12, atol=1e-13, strict=True)


@given(sizes, seeds, groups)
def test_shared_heads_are_multi_head_attention_with_equal_weights(s, seed, group):
    """Narrow W^K, or the W^K of 4.2 in which the columns of a group's heads are the same."""
    rng = np.random.default_rng(seed)
    x, W = rng.standard_normal((s.B, s.L_k, s.d_ff)), rng.standard_normal((s.d_ff, s.h * s.d_k))
    W_wide = np.concatenate([W_g for W_g in np.split(W, s.h, axis=1) for _ in range(group)], axis=1)
    h = group * s.h
    assert_allclose(share_heads(split_heads(x @ W, s.h), h), split_heads(x @ W_wide, h), rtol=1e-12, atol=1e-13)


@given(sizes, seeds, groups)
def test_a_shared_head_gets_the_gradients_of_all_that_share_it(s, seed, group):
    """The sum over its group, and nothing from another."""
    dheads = np.random.default_rng(seed).standard_normal((s.B, group * s.h, s.L_k, s.d_k))
    dX = share_heads_backward(dheads, s.h)
    expected = np.stack([sum(dheads[:, g * group + i] for i in range(group)) for g in range(s.h)], axis=1)
    assert_allclose(dX, expected, rtol=1e-13, atol=1e-14, strict=True)


@given(sizes, seeds, groups)
def test_share_heads_gradient(s, seed, group):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((s.B, s.h, s.L_k, s.d_k))
    h = group * s.h
    assert_gradients(lambda X: (share_heads(X, h), None), lambda dy, cache: share_heads_backward(dy, s.h), (X,), rng)


@given(sizes, seeds, st.integers(2, 4))
def test_gradients_through_attention(s, seed, group):
    """Keys and values as they are kept, with h_kv heads; queries with all h."""
    rng = np.random.default_rng(seed)
    h = group * s.h
    Q = rng.standard_normal((s.B, h, s.L_q, s.d_k))
    K, V = rng.standard_normal((s.B, s.h, s.L_k, s.d_k)), rng.standard_normal((s.B, s.h, s.L_k, s.d_v))

    def forward(Q, K, V):
        return attention(Q, share_heads(K, h), share_heads(V, h))

    def backward(dO, cache):
        dQ, dK_heads, dV_heads = attention_backward(dO, cache)
        return dQ, share_heads_backward(dK_heads, s.h), share_heads_backward(dV_heads, s.h)

    assert_gradients(forward, backward, (Q, K, V), rng)


def test_heads_of_a_group_are_neighbours():
    """With 4 query heads and 2 of keys: 0, 0, 1, 1; not 0, 1, 0, 1, as `np.tile` would have it."""
    X = np.array([[[5.0]], [[7.0]]])
    assert share_heads(X, 4).ravel().tolist() == [5, 5, 7, 7]
    assert share_heads_backward(np.array([1.0, 2.0, 10.0, 20.0]).reshape(4, 1, 1), 2).ravel().tolist() == [3, 30]


def test_with_as_many_heads_nothing_is_copied():
    """The multi-head attention of 4.2."""
    X = np.ones((2, 3, 5, 4))
    assert share_heads(X, 3) is X
    assert share_heads_backward(X, 3) is X


def test_no_position_at_all():
    X = np.ones((2, 3, 0, 4))
    assert share_heads(X, 6).shape == (2, 6, 0, 4)
    assert share_heads_backward(share_heads(X, 6), 3).shape == X.shape


def test_float32_stays_float32():
    heads = share_heads(np.ones((2, 3, 5, 4), np.float32), 6)
    assert_float32(heads, share_heads_backward(heads, 3))


def test_bad_input_is_refused():
    X = np.ones((2, 3, 5, 4))
    for h in (4, 2):
        with refuses(ValueError, f"h: got {h} query heads, expected a multiple of the 3 heads of X"):
            share_heads(X, h)
    with refuses(ValueError, "h: got 0, expected 1 or more"):
        share_heads(X, 0)
    with refuses(TypeError, "h: got 3.0, expected an integer"):
        share_heads(X, 3.0)
    with refuses(ValueError, "X: got shape (5, 4), expected (..., h_kv, L, d)"):
        share_heads(X[0, 0], 6)
    with refuses(ValueError, "dheads: got shape (2, 3, 5, 4), expected (..., h_kv*group, L, d) with h_kv = 2"):
        share_heads_backward(X, 2)
    with refuses(TypeError, "h_kv: got 3.0, expected an integer"):
        share_heads_backward(X, 3.0)
