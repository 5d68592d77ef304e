"""Attention with linear biases, a variant of 4.3: a causal mask that tells positions apart."""

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.alibi import alibi_mask, alibi_slopes
from minitransformer.equations.attention import attention, causal_mask
from minitransformer.equations.softmax import masked_softmax
from minitransformer.verify import by_the_book as book

heads = st.integers(1, 20)
lengths = st.integers(1, 9).flatmap(lambda L_k: st.tuples(st.integers(0, L_k), st.just(L_k)))


@given(heads, lengths)
def test_alibi_mask_is_the_equation(h, L):
    assert_allclose(alibi_mask(h, *L, np.float64), book.alibi_mask(h, *L), rtol=1e-14, strict=True)


def test_slopes_of_a_power_of_2_fall_to_2_to_the_minus_8():
    """A geometric series, from 2^(-8/h) on."""
    assert alibi_slopes(1).tolist() == [2**-8]
    assert alibi_slopes(2).tolist() == [2**-4, 2**-8]
    assert alibi_slopes(8).tolist() == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    assert_allclose(alibi_slopes(16), 0.5 ** (np.arange(1, 17) / 2), rtol=1e-15)


def test_slopes_of_other_numbers_of_heads_come_from_both_powers_of_2_around():
    """Those of the smaller one, and then every second one of the larger, from the steepest on."""
    assert_allclose(alibi_slopes(3), [2**-4, 2**-8, 2**-2], rtol=1e-15)
    assert_allclose(alibi_slopes(12), [*alibi_slopes(8), *alibi_slopes(16)[[0, 2, 4, 6]]], rtol=1e-15)


@given(heads)
def test_no_two_heads_have_the_same_slope(h):
    slopes = alibi_slopes(h)
    assert slopes.shape == (h,)
    assert len(set(slopes.tolist())) == h
    assert (slopes > 0).all() and (slopes < 1).all()


@given(heads, st.integers(2, 9))
def test_it_depends_on_the_distance_alone(h, L):
    """The mask of i + 1 and j + 1 is that of i and j."""
    mask = alibi_mask(h, L, L)
    assert_array_equal(mask[:, 1:, 1:], mask[:, :-1, :-1])


@given(heads, st.integers(0, 9))
def test_it_allows_what_the_causal_mask_allows(h, L):
    """And takes nothing from the position itself: 0, and not -0."""
    mask = alibi_mask(h, L, L)
    assert_array_equal(mask > -np.inf, np.broadcast_to(causal_mask(L), (h, L, L)))
    own = np.diagonal(mask, axis1=-2, axis2=-1)
    assert not own.any() and not np.signbit(own).any()


@given(heads, lengths)
def test_the_last_queries_have_the_last_rows_of_the_full_mask(h, L):
    """What a cache of keys relies on: one new query, L_q = 1, sees all keys from the last position. Bit for bit."""
    L_q, L_k = L
    assert_array_equal(alibi_mask(h, L_q, L_k), alibi_mask(h, L_k, L_k)[:, L_k - L_q :], strict=True)


@given(heads, st.integers(1, 9))
def test_among_equal_scores_one_position_farther_back_counts_less_by_exp_minus_m(h, L):
    """alpha_j = exp(-m (i - j)) / sum: nothing else tells the keys apart."""
    alpha, _ = masked_softmax(np.zeros((h, L, L)), alibi_mask(h, L, L, np.float64))
    for k, m in enumerate(alibi_slopes(h)):
        for i in range(L):
            assert_allclose(alpha[k, i, :i], alpha[k, i, 1 : i + 1] * np.exp(-m), rtol=1e-12)


@given(sizes, seeds)
def test_attention_with_it_is_the_equation_head_by_head(s, seed):
    """Q and K without positions, each head with its own slope."""
    rng = np.random.default_rng(seed)
    L_q, L_k = sorted((s.L_q, s.L_k))
    Q, K = rng.standard_normal((s.B, s.h, L_q, s.d_k)), rng.standard_normal((s.B, s.h, L_k, s.d_k))
    V = rng.standard_normal((s.B, s.h, L_k, s.d_v))
    O, _ = attention(Q, K, V, alibi_mask(s.h, L_q, L_k, np.float64))
    mask = book.alibi_mask(s.h, L_q, L_k)
    expected = [[book.attention(Q[b, n], K[b, n], V[b, n], mask[n]) for n in range(s.h)] for b in range(s.B)]
    assert_allclose(O, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32"])
def test_the_type_of_the_numbers_is_given(dtype):
    assert alibi_mask(3, 2, 4, dtype).dtype == dtype


def test_float32_is_the_default():
    assert_float32(alibi_mask(3, 2, 4))


def test_distances_are_exact_in_float32():
    """Where slopes are powers of 2 and distances whole numbers, nothing is rounded."""
    assert_array_equal(alibi_mask(8, 2, 100_000), alibi_mask(8, 2, 100_000, np.float64))


def test_sizes_may_be_numpy_integers_of_few_bits():
    assert_array_equal(alibi_mask(np.uint8(3), np.uint8(2), 300), alibi_mask(3, 2, 300), strict=True)


def test_bad_input_is_refused():
    with refuses(ValueError, "h: got 0, expected 1 or more"):
        alibi_mask(0, 3, 3)
    with refuses(TypeError, "h: got 2.0, expected an integer"):
        alibi_slopes(2.0)
    with refuses(ValueError, "L_k: got -1, expected 0 or more"):
        alibi_mask(2, 0, -1)
    with refuses(TypeError, "L_q: got 1.5, expected an integer"):
        alibi_mask(2, 1.5, 3)
    with refuses(ValueError, "L_q: got 4 queries, expected 3 or fewer: the last query stands at the last key"):
        alibi_mask(2, 4, 3)
    with refuses(TypeError, "dtype: got complex64, expected a type of real numbers such as float32"):
        alibi_mask(2, 3, 3, np.complex64)
    with refuses(TypeError, "dtype: got int64, expected a floating-point type such as float32"):
        alibi_mask(2, 3, 3, int)
