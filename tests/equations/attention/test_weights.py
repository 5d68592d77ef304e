"""Weights and outputs (4.1, 2.2.1): attention for scores of any f, and in matrix form."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    attention_backward,
    causal_mask,
    padding_mask,
)
from minitransformer.equations.attention_one_query import attention_one_query
from minitransformer.equations.compatibility import (
    Additive,
    additive,
    additive_backward,
)
from minitransformer.equations.dropout import Dropout, dropout_mask
from minitransformer.equations.softmax import softmax
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    """Random Q (B, L_q, d_k), K (B, L_k, d_k), V (B, L_k, d_v), and a generator for the rest."""
    rng = np.random.default_rng(seed)
    shapes = (s.B, s.L_q, s.d_k), (s.B, s.L_k, s.d_k), (s.B, s.L_k, s.d_v)
    return *map(rng.standard_normal, shapes), rng


def additive_weights(s, rng):
    return Additive(*map(rng.standard_normal, ((s.d_ff, s.d_k), (s.d_ff, s.d_k), s.d_ff)))


@given(sizes, seeds)
def test_attention_is_the_equation(s, seed):
    """softmax(Q K^T / sqrt(d_k)) V, sequence by sequence."""
    Q, K, V, _ = draw(s, seed)
    expected = [book.attention(Q[b], K[b], V[b]) for b in range(s.B)]
    assert_allclose(attention(Q, K, V)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_the_matrix_form_is_one_query_at_a_time(s, seed):
    """Row i of 2.2.1's O is 4.1's o for the query q_i."""
    Q, K, V, _ = draw(s, seed)
    O, _ = attention(Q, K, V)
    for b in range(s.B):
        assert_allclose(O[b], [attention_one_query(q, K[b], V[b])[0] for q in Q[b]], rtol=1e-10, atol=1e-13)


@given(sizes, seeds)
def test_attention_under_a_mask_is_the_equation(s, seed):
    """Numbers are added after the division by sqrt(d_k), and -infinity is as False."""
    Q, K, V, rng = draw(s, seed)
    mask = mask_of_numbers(rng, s.B, s.L_q, s.L_k)
    expected = [book.attention(Q[b], K[b], V[b], mask[b]) for b in range(s.B)]
    assert_allclose(attention(Q, K, V, mask)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_attention_gradients(s, seed):
    """With a mask that has a fully masked query, and without; with and without batch axes."""
    Q, K, V, rng = draw(s, seed)
    mask = mask_of_numbers(rng, s.B, s.L_q, s.L_k)
    assert_gradients(attention, attention_backward, (Q, K, V), rng)
    assert_gradients(attention, attention_backward, (Q[0], K[0], V[0]), rng)
    assert_gradients(lambda *QKV: attention(*QKV, mask), attention_backward, (Q, K, V), rng)


@given(sizes, seeds, rates)
def test_attention_gradients_with_dropout(s, seed, rate):
    """Through the same dropped weights."""
    Q, K, V, rng = draw(s, seed)
    mask = causal_mask(s.L_k)[: s.L_q] if s.L_q <= s.L_k else None
    assert_gradients(
        lambda *QKV: attention(*QKV, mask, drop=Dropout(rate, np.random.default_rng(seed))),
        attention_backward,
        (Q, K, V),
        rng,
    )


@given(sizes, seeds)
def test_any_f_attends(s, seed):
    """Attention with additive scores, forward and backward, is `additive` and `attend` one after the other."""
    Q, K, V, rng = draw(s, seed)

    def forward(Q, K, V, weights):
        A, scores_cache = additive(Q, K, weights)
        O, attend_cache = attend(A, V)
        return O, (scores_cache, attend_cache)

    def backward(dO, cache):
        dA, dV = attend_backward(dO, cache[1])
        dQ, dK, dweights = additive_backward(dA, cache[0])
        return dQ, dK, dV, dweights

    assert_gradients(forward, backward, (Q, K, V, additive_weights(s, rng)), rng)


@given(sizes, seeds)
def test_outputs_are_means_of_the_values(s, seed):
    """Weights are positive and sum to 1, so each output lies between the smallest and the largest value."""
    Q, K, V, _ = draw(s, seed)
    O, _ = attention(3 * Q, 3 * K, V)
    assert (V.min(axis=1, keepdims=True) - 1e-12 <= O).all()
    assert (V.max(axis=1, keepdims=True) + 1e-12 >= O).all()


@given(sizes, seeds)
def test_the_order_of_queries_is_the_order_of_outputs(s, seed):
    """Equivariant to permuting the queries."""
    Q, K, V, rng = draw(s, seed)
    order = rng.permutation(s.L_q)
    assert_allclose(attention(Q[:, order], K, V)[0], attention(Q, K, V)[0][:, order], rtol=1e-12, atol=1e-13)


@given(sizes, seeds)
def test_the_order_of_keys_with_their_values_is_of_no_matter(s, seed):
    """Invariant to permuting the pairs (k_i, v_i): attention alone knows no positions."""
    Q, K, V, rng = draw(s, seed)
    order = rng.permutation(s.L_k)
    assert_allclose(attention(Q, K[:, order], V[:, order])[0], attention(Q, K, V)[0], rtol=1e-11, atol=1e-13)


@given(sizes, seeds)
def test_softmax_is_over_keys_not_over_queries(s, seed):
    """Each query's weights sum to 1."""
    Q, K, V, _ = draw(s, seed)
    alpha = attention(Q, K, V)[1].attend.alpha
    assert alpha.shape == (s.B, s.L_q, s.L_k)
    assert_allclose(alpha.sum(axis=-1), 1, rtol=1e-13)


@given(sizes, seeds)
def test_a_query_that_may_attend_to_nothing(s, seed):
    """Output 0; and no gradient from it to any query, key or value."""
    Q, K, V, rng = draw(s, seed)
    mask = random_mask(rng, s.B, s.L_q, s.L_k)  # the first query's row is empty
    O, cache = attention(Q, K, V, mask)
    assert not O[:, 0].any()
    dO = np.zeros_like(O)
    dO[:, 0] = rng.standard_normal((s.B, s.d_v))
    assert all(not gradient.any() for gradient in attention_backward(dO, cache))


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """What stands in masked keys and values, however large, changes neither outputs nor gradients of the rest."""
    Q, K, V, rng = draw(s, seed)
    lengths = rng.integers(1, s.L_k + 1, s.B)
    mask = padding_mask(lengths, s.L_k)
    padded = ~mask[:, 0, :, None]
    dO = rng.standard_normal((s.B, s.L_q, s.d_v))
    O, cache = attention(Q, K, V, mask)
    O_padded, cache_padded = attention(Q, np.where(padded, 1e8, K), np.where(padded, -1e8, V), mask)
    assert_allclose(O_padded, O, rtol=1e-12, atol=1e-13)
    dQ, dK, dV = attention_backward(dO, cache)
    dQ_padded, dK_padded, dV_padded = attention_backward(dO, cache_padded)
    assert_allclose(dQ_padded, dQ, rtol=1e-11, atol=1e-12)
    assert_allclose(dK_padded, dK, rtol=1e-11, atol=1e-12)
    assert_array_equal(np.where(padded, dV_padded, 0), 0)
    assert_allclose(dV_padded, dV, rtol=1e-11, atol=1e-12)


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    Q, K, V, _ = draw(s, seed)
    assert_allclose(attention(Q, K, V)[0], [attention(Q[b], K[b], V[b])[0] for b in range(s.B)], rtol=1e-12, atol=1e-14)


@given(sizes, seeds, rates)
def test_dropout_acts_on_the_weights_after_the_softmax(s, seed, rate):
    """They then no longer sum to 1; and without a generator there is none, whatever the rate."""
    Q, K, V, _ = draw(s, seed)
    alpha = attention(Q, K, V)[1].attend.alpha
    m = dropout_mask(alpha.shape, rate, np.random.default_rng(seed), alpha.dtype)
    O, cache = attention(Q, K, V, drop=Dropout(rate, np.random.default_rng(seed)))
    assert_allclose(O, (alpha * m) @ V, rtol=1e-12, atol=1e-13)
    assert_array_equal(cache.attend.m, m)
    assert_array_equal(attention(Q, K, V, drop=Dropout(rate, None))[0], attention(Q, K, V)[0])
    A = np.zeros((s.L_q, s.L_k))
    assert_array_equal(attend(A, V[0], drop=Dropout(rate, None))[0], attend(A, V[0])[0])


def test_one_key_makes_the_output_its_value():
    """Softmax over a single key is 1: hence each head of the one-token example of 4.2 returns its value."""
    V = np.array([[3.0, -7.0]])
    assert attention(np.array([[5.0]]), np.array([[9.0]]), V)[0].tolist() == V.tolist()


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    Q, K, V = (rng.standard_normal(n).astype(np.float32) for n in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))
    numbers = mask_of_numbers(rng, 3, 5).astype(np.float32)
    for args in ((), (random_mask(rng, 2, 3, 5),), (numbers,), (numbers, Dropout(0.4, rng))):
        O, cache = attention(Q, K, V, *args)
        assert_float32(O, cache, attention_backward(O, cache))


Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))


def test_bad_values_are_refused():
    message = "V: got shape (2, 4, 6), expected (..., L_k, d_v) with L_k = 5"
    with refuses(ValueError, message):
        attention(Q, K, V[:, 1:])
    with refuses(ValueError, message):
        attend(np.ones((2, 3, 5)), V[:, 1:])
    with refuses(ValueError, "V: got shape (6,), expected (..., L_k, d_v) with L_k = 5"):
        attention(Q, K, V[0, 0])
    with refuses(TypeError, "V: got dtype int64, expected floating-point numbers such as float32"):
        attention(Q, K, np.ones((2, 5, 6), int))
    with refuses(ValueError, "K: got shape (2, 5, 6), expected (..., L_k, d_k) with d_k = 4"):
        attention(Q, V, V)


def test_bad_scores_and_masks_are_refused():
    with refuses(ValueError, "A: got shape (5,), expected (..., L_q, L_k)"):
        attend(np.ones(5), V)
    with refuses(TypeError, "A: got list, expected a NumPy array of floating-point numbers"):
        attend([[1.0]], V)
    with refuses(ValueError, "A: got shape (3, 0), expected (..., L_q, L_k) with L_k of 1 or more"):
        attend(np.ones((3, 0)), np.ones((0, 6)))
    with refuses(ValueError, "mask: got shape (5, 3), which does not broadcast to the scores' shape (2, 3, 5)"):
        attention(Q, K, V, np.ones((5, 3), bool))
    with refuses(
        TypeError,
        "mask: got list, expected a boolean array, True where a query may attend to a key, "
        "or floating-point numbers such as float32 to add to the scores",
    ):
        attention(Q, K, V, [[True]])
    with refuses(ValueError, "mask: got shape (5, 3), which does not broadcast to the scores' shape (2, 3, 5)"):
        attention(Q, K, V, np.ones((5, 3)))
    with refuses(TypeError, "drop: got float, expected Dropout"):
        attention(Q, K, V, None, 0.1)


@pytest.mark.parametrize("kind", ["queries", "keys"])
def test_one_number_for_each_row_shifts_nothing(kind):
    """What is added to all scores of a query changes no weight; what is added to a key does."""
    mask = np.arange(3.0)[:, None] if kind == "queries" else np.arange(5.0)[None, :]
    rng = np.random.default_rng(0)
    Q, K, V = map(rng.standard_normal, ((3, 4), (5, 4), (5, 6)))
    same = np.allclose(attention(Q, K, V, mask)[0], softmax(Q @ K.T / 2)[0] @ V, rtol=1e-12)
    assert same == (kind == "queries")


@given(sizes, seeds)
def test_a_mask_of_zero_and_minus_infinity_is_the_boolean_one(s, seed):
    """To the last bit, outputs and gradients, fully masked queries included."""
    Q, K, V, rng = draw(s, seed)
    mask = random_mask(rng, s.B, s.L_q, s.L_k)
    O, cache = attention(Q, K, V, mask)
    O_numbers, cache_numbers = attention(Q, K, V, np.where(mask, 0.0, -np.inf))
    assert_array_equal(O_numbers, O)
    for ours, theirs in zip(attention_backward(O, cache_numbers), attention_backward(O, cache), strict=True):
        assert_array_equal(ours, theirs)


@given(sizes, seeds)
def test_a_mask_of_numbers_is_added_to_the_scores(s, seed):
    """softmax(Q K^T / sqrt(d_k) + mask) V."""
    Q, K, V, rng = draw(s, seed)
    mask = rng.standard_normal((s.L_q, s.L_k))
    alpha, _ = softmax(Q @ K.mT / np.sqrt(s.d_k) + mask)
    assert_allclose(attention(Q, K, V, mask)[0], alpha @ V, rtol=1e-11, atol=1e-13)
