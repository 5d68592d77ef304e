"""Attention for one query (4.1), with any compatibility function."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention_one_query import attention_one_query, attention_one_query_backward
from minitransformer.equations.compatibility import (
    ADDITIVE,
    BILINEAR,
    DOT_PRODUCT,
    SCALED_DOT_PRODUCT,
    Additive,
)
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


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal(n).astype(np.float32) for n in (4, (5, 4), (5, 6)))
    o, cache = attention_one_query(q, k, v)
    assert_float32(o, cache.alpha, cache.f_cache, cache.v, attention_one_query_backward(o, cache)[:3])


Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))


def test_bad_input_of_one_query_is_refused():
    q, k, v = Q[0, 0], K[0], V[0]
    with refuses(ValueError, "q: got shape (1, 4), expected (d_q,)"):
        attention_one_query(q[None], k, v)
    with refuses(TypeError, "q: got list, expected a NumPy array of floating-point numbers"):
        attention_one_query([1.0], k, v)
    with refuses(ValueError, "k: got shape (2, 5, 4), expected (n, d_k)"):
        attention_one_query(q, K, v)
    with refuses(ValueError, "v: got shape (2, 5, 6), expected (n, d_v) with n = 5"):
        attention_one_query(q, k, V)
    with refuses(ValueError, "v: got shape (4, 6), expected (n, d_v) with n = 5"):
        attention_one_query(q, k, v[1:])
