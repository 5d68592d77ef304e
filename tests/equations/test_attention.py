"""Attention (4.1, 2.2.1): for one query, for scores of any f, and in matrix form."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import random_mask, rates, seeds, sizes

from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    attention_backward,
    causal_mask,
    padding_mask,
)
from minitransformer.equations.attention_one_query import attention_one_query, attention_one_query_backward
from minitransformer.equations.compatibility import (
    ADDITIVE,
    BILINEAR,
    DOT_PRODUCT,
    SCALED_DOT_PRODUCT,
    Additive,
    additive,
    additive_backward,
)
from minitransformer.equations.dropout import dropout_mask
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
def test_attention_one_query_is_the_equation(s, seed):
    """a_i = f(q, k_i), alpha_i = exp(a_i) / sum_j exp(a_j), o = sum_i alpha_i v_i, for each f of 4.1."""
    (q, *_), k, v, rng = (x[0] if isinstance(x, np.ndarray) else x for x in draw(s, seed))
    M, weights = rng.standard_normal((s.d_k, s.d_k)), additive_weights(s, rng)
    for f, f_weights, book_f in (
        (SCALED_DOT_PRODUCT, (), book.scaled_dot),
        (DOT_PRODUCT, (), book.dot),
        (BILINEAR, (M,), lambda q, k: book.bilinear(q, k, M)),
        (ADDITIVE, (weights,), lambda q, k: book.additive(q, k, *weights)),
    ):
        alpha = book.softmax(book.scores([q], k, book_f)[0])
        o, cache = attention_one_query(q, k, v, f, f_weights)
        assert_allclose(cache.alpha, alpha, rtol=1e-10)
        assert_allclose(o, book.weighted_sum(alpha, v), rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_scaled_dot_product_is_the_default(s, seed):
    """The text's choice of f."""
    Q, K, V, _ = draw(s, seed)
    assert_array_equal(
        attention_one_query(Q[0, 0], K[0], V[0])[0],
        attention_one_query(Q[0, 0], K[0], V[0], SCALED_DOT_PRODUCT)[0],
    )


@given(sizes, seeds)
def test_attention_one_query_gradients(s, seed):
    """dq, dk, dv, and the gradients of f's weights."""
    Q, K, V, rng = draw(s, seed)
    q, k, v = Q[0, 0], K[0], V[0]
    M, weights = rng.standard_normal((s.d_k, s.d_k)), additive_weights(s, rng)
    for f, f_weights in ((SCALED_DOT_PRODUCT, ()), (BILINEAR, (M,)), (ADDITIVE, (weights,))):
        assert_gradients(
            lambda q, k, v, *f_weights, f=f: attention_one_query(q, k, v, f, f_weights),
            lambda do, cache: (*(d := attention_one_query_backward(do, cache))[:3], *d[3]),
            (q, k, v, *f_weights),
            rng,
        )


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
def test_attention_with_mask_and_bias_is_the_equation(s, seed):
    """The bias is added after the division by sqrt(d_k); the mask decides last."""
    Q, K, V, rng = draw(s, seed)
    mask, bias = random_mask(rng, s.B, s.L_q, s.L_k), rng.standard_normal((s.L_q, s.L_k))
    expected = [book.attention(Q[b], K[b], V[b], mask[b], bias) for b in range(s.B)]
    assert_allclose(attention(Q, K, V, mask, bias)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_attention_gradients(s, seed):
    """With a mask in which a query may attend to nothing, with a bias, without either; with and without batch axes."""
    Q, K, V, rng = draw(s, seed)
    mask, bias = random_mask(rng, s.B, s.L_q, s.L_k), rng.standard_normal((s.L_q, s.L_k))
    assert_gradients(attention, attention_backward, (Q, K, V), rng)
    assert_gradients(attention, attention_backward, (Q[0], K[0], V[0]), rng)
    assert_gradients(lambda *QKV: attention(*QKV, mask, bias), attention_backward, (Q, K, V), rng)


@given(sizes, seeds, rates)
def test_attention_gradients_with_dropout(s, seed, rate):
    """Through the same dropped weights."""
    Q, K, V, rng = draw(s, seed)
    mask = causal_mask(s.L_k)[: s.L_q] if s.L_q <= s.L_k else None
    assert_gradients(
        lambda *QKV: attention(*QKV, mask, rate=rate, rng=np.random.default_rng(seed)),
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
    O, cache = attention(Q, K, V, rate=rate, rng=np.random.default_rng(seed))
    assert_allclose(O, (alpha * m) @ V, rtol=1e-12, atol=1e-13)
    assert_array_equal(cache.attend.m, m)
    assert_array_equal(attention(Q, K, V, rate=rate)[0], attention(Q, K, V)[0])
    A = np.zeros((s.L_q, s.L_k))
    assert_array_equal(attend(A, V[0], rate=rate)[0], attend(A, V[0], rng=np.random.default_rng(0))[0])


def test_one_key_makes_the_output_its_value():
    """Softmax over a single key is 1: hence each head of the one-token example of 4.2 returns its value."""
    V = np.array([[3.0, -7.0]])
    assert attention(np.array([[5.0]]), np.array([[9.0]]), V)[0].tolist() == V.tolist()


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    Q, K, V, bias = (rng.standard_normal(n).astype(np.float32) for n in ((2, 3, 4), (2, 5, 4), (2, 5, 6), (3, 5)))
    mask = random_mask(rng, 2, 3, 5)
    for args in ((), (mask,), (mask, bias), (mask, bias, 0.4, rng)):
        O, cache = attention(Q, K, V, *args)
        assert_float32(O, cache, attention_backward(O, cache))
    o, cache = attention_one_query(Q[0, 0], K[0], V[0])
    assert_float32(o, cache.alpha, cache.f_cache, cache.v, attention_one_query_backward(o, cache)[:3])


Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))


def test_bad_input_of_one_query_is_refused():
    q, k, v = Q[0, 0], K[0], V[0]
    with refuses(ValueError, "q: got shape (1, 4), expected 1 axes"):
        attention_one_query(q[None], k, v)
    with refuses(TypeError, "q: got list, expected a NumPy array of floating-point numbers"):
        attention_one_query([1.0], k, v)
    with refuses(ValueError, "k: got shape (2, 5, 4), expected 2 axes"):
        attention_one_query(q, K, v)
    with refuses(ValueError, "v: got shape (2, 5, 6), expected 2 axes"):
        attention_one_query(q, k, V)
    with refuses(ValueError, "v: got shape (4, 6), expected (5,) before the last axis, one value for each key"):
        attention_one_query(q, k, v[1:])


def test_bad_values_are_refused():
    message = "V: got shape (2, 4, 6), expected (2, 5) before the last axis, one value for each key"
    with refuses(ValueError, message):
        attention(Q, K, V[:, 1:])
    with refuses(ValueError, message):
        attend(np.ones((2, 3, 5)), V[:, 1:])
    with refuses(ValueError, "V: got shape (6,), expected at least 2 axes"):
        attention(Q, K, V[0, 0])
    with refuses(TypeError, "V: got dtype int64, expected floating-point numbers such as float32"):
        attention(Q, K, np.ones((2, 5, 6), int))
    with refuses(ValueError, "K: got shape (2, 5, 6), expected 4 features on the last axis"):
        attention(Q, V, V)


def test_bad_scores_and_masks_are_refused():
    with refuses(ValueError, "A: got shape (5,), expected at least 2 axes"):
        attend(np.ones(5), V)
    with refuses(TypeError, "A: got list, expected a NumPy array of floating-point numbers"):
        attend([[1.0]], V)
    with refuses(ValueError, "a: got shape (3, 0), expected at least one score on the last axis"):
        attend(np.ones((3, 0)), np.ones((0, 6)))
    with refuses(ValueError, "mask: got shape (5, 3), which does not broadcast to the scores' shape (2, 3, 5)"):
        attention(Q, K, V, np.ones((5, 3), bool))
    with refuses(TypeError, "mask: got list, expected a boolean array, True where a query may attend to a key"):
        attention(Q, K, V, [[True]])
    with refuses(ValueError, "bias: got shape (5, 3), which does not broadcast to the scores' shape (2, 3, 5)"):
        attention(Q, K, V, bias=np.ones((5, 3)))
    with refuses(TypeError, "bias: got dtype bool, expected floating-point numbers such as float32"):
        attention(Q, K, V, bias=np.ones((3, 5), bool))
    with refuses(ValueError, "rate: got 1, expected a probability in [0, 1)"):
        attention(Q, K, V, rate=1)


@pytest.mark.parametrize("kind", ["queries", "keys"])
def test_a_bias_of_one_number_for_each_row_shifts_nothing(kind):
    """What is added to all scores of a query changes no weight; what is added to a key does."""
    bias = np.arange(3.0)[:, None] if kind == "queries" else np.arange(5.0)[None, :]
    rng = np.random.default_rng(0)
    Q, K, V = map(rng.standard_normal, ((3, 4), (5, 4), (5, 6)))
    same = np.allclose(attention(Q, K, V, bias=bias)[0], softmax(Q @ K.T / 2)[0] @ V, rtol=1e-12)
    assert same == (kind == "queries")
