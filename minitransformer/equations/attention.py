"""Sections 4.1 and 2.2.1: attention, for one query as 4.1 writes it, and for all queries at once in matrix form."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import (
    check_floats,
    check_keys,
    check_rank,
    check_shape,
    check_type,
    check_values,
)
from minitransformer.equations.compatibility import (
    SCALED_DOT_PRODUCT,
    DotProductCache,
    scaled_dot_product,
    scaled_dot_product_backward,
)
from minitransformer.equations.dropout import dropout, dropout_backward
from minitransformer.equations.masks import may_attend, without_blind, without_unseen
from minitransformer.equations.op import Op
from minitransformer.equations.softmax import masked_softmax, softmax, softmax_backward

Array = np.ndarray


class OneQueryCache(NamedTuple):
    f: Op
    f_cache: Any
    alpha: Array  # (n,)
    v: Array  # (n, d_v)


def attention_one_query(
    q: Array, k: Array, v: Array, f: Op = SCALED_DOT_PRODUCT, f_weights: tuple = ()
) -> tuple[Array, OneQueryCache]:
    """a_i = f(q, k_i),  alpha_i = exp(a_i) / sum_j exp(a_j),  o = sum_i alpha_i v_i  (4.1).

    q: (d_q,), the query; k: (n, d_k) and v: (n, d_v), the n key-value pairs -> o: (d_v,). f: a compatibility function
    of `compatibility.py`, with its weights in `f_weights` (none for the dot products).
    """
    check_type("f", f, Op)
    check_rank("q", q, 1)
    check_rank("k", k, 2)
    check_rank("v", v, 2)
    scores, f_cache = f.forward(q[None, :], k, *f_weights)  # (1, n): f takes a matrix of queries; here it has one row
    check_values(v, scores, "v")
    a = scores[0]  # (n,)
    alpha, _ = softmax(a)  # (n,)
    o = alpha @ v  # (d_v,)
    return o, OneQueryCache(f, f_cache, alpha, v)


def attention_one_query_backward(do: Array, cache: OneQueryCache) -> tuple[Array, Array, Array, tuple]:
    """From o_c = sum_i alpha_i v_ic:  dv_ic = alpha_i do_c  and  dalpha_i = sum_c v_ic do_c.

    Then back through softmax and through f. Returns dq, dk, dv and the gradients of f's weights (a tuple, empty for
    the dot products).
    """
    dv = cache.alpha[:, None] * do[None, :]  # (n, d_v)
    dalpha = cache.v @ do  # (n,)
    da = softmax_backward(dalpha, cache.alpha)
    dq_row, dk, *df_weights = cache.f.backward(da[None, :], cache.f_cache)
    return dq_row[0], dk, dv, tuple(df_weights)


class AttendCache(NamedTuple):
    alpha: Array  # (..., L_q, L_k)
    m: Array | None  # (..., L_q, L_k), what dropout multiplied alpha by
    weights: Array  # (..., L_q, L_k), alpha after dropout
    V: Array  # (..., L_k, d_v)


def attend(
    A: Array, V: Array, mask: Array | None = None, rate: float = 0.0, rng: np.random.Generator | None = None
) -> tuple[Array, AttendCache]:
    """From scores to outputs: alpha = softmax(A) over the keys, O = alpha V  (4.1), for scores of any f.

    A: (..., L_q, L_k), V: (..., L_k, d_v) -> O: (..., L_q, d_v). mask: boolean, True = may attend, broadcast against A;
    a fully masked query gets O = 0, and a key that no query may attend to has no influence. With `rng`, weights are
    dropped at `rate`, as in section 5's code but not in the equations.
    """
    check_floats("A", A, ndim=2)
    check_values(V, A)
    if mask is None:
        alpha, _ = softmax(A)
    else:
        alpha, _ = masked_softmax(A, mask)
    weights, m = dropout(alpha, rate, rng)
    V_seen = without_unseen(V, mask)
    O = weights @ V_seen
    return O, AttendCache(alpha, m, weights, V_seen)


def attend_backward(dO: Array, cache: AttendCache) -> tuple[Array, Array]:
    """dV = weights^T dO;  dweights = dO V^T, and from there back through dropout and softmax to dA.

    From O_ic = sum_j weights_ij V_jc:  dV_jc = sum_i weights_ij dO_ic  and  dweights_ij = sum_c dO_ic V_jc.
    """
    check_shape("dO", dO, (*cache.alpha.shape[:-1], cache.V.shape[-1]))
    dV = cache.weights.mT @ dO
    dweights = dO @ cache.V.mT
    dalpha = dropout_backward(dweights, cache.m)
    dA = softmax_backward(dalpha, cache.alpha)
    return dA, dV


class AttentionCache(NamedTuple):
    scores: DotProductCache
    attend: AttendCache


def attention(
    Q: Array,
    K: Array,
    V: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    rate: float = 0.0,
    rng: np.random.Generator | None = None,
) -> tuple[Array, AttentionCache]:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V  (2.2.1).

    Q: (..., L_q, d_k), K: (..., L_k, d_k), V: (..., L_k, d_v) -> O: (..., L_q, d_v).
    mask: boolean, True = may attend; bias: numbers added to the scores (constants: they get no gradient), where
    -infinity masks a key; both broadcast against (..., L_q, L_k).
    """
    allowed = allowed_pairs(Q, K, mask, bias)
    Q_seen, K_seen = without_blind(Q, allowed), without_unseen(K, allowed)
    A, scores_cache = scaled_dot_product(Q_seen, K_seen)  # (..., L_q, L_k)
    biased = A if bias is None else A + bias
    O, attend_cache = attend(biased, V, allowed, rate, rng)  # (..., L_q, d_v)
    return O, AttentionCache(scores_cache, attend_cache)


def attention_backward(dO: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """dQ, dK, dV: back through the weighted sum and the softmax, then through the scaled dot product.

    The bias is added to the scores, so the scores' gradient is that of the biased scores.
    """
    dA, dV = attend_backward(dO, cache.attend)
    dQ, dK = scaled_dot_product_backward(dA, cache.scores)
    return dQ, dK, dV


def allowed_pairs(Q: Array, K: Array, mask: Array | None, bias: Array | None) -> Array | None:
    """Check that Q and K fit, then `may_attend`: where a query may attend to a key.  None: everywhere."""
    if mask is None and bias is None:
        return None  # scaled_dot_product checks Q and K
    check_floats("Q", Q, ndim=2)
    check_keys(K, Q.shape[-1], Q)
    return may_attend(mask, bias, (*Q.shape[:-1], K.shape[-2]))
