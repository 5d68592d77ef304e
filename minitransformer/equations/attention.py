"""Sections 2.2.1, 3.2.1, 4.1 and 4.2: attention in matrix form, from the scores over mask and weights to the heads."""

import math
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_mask
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward
from minitransformer.equations.rows import rows_where
from minitransformer.equations.softmax import masked_softmax, softmax, softmax_backward
from minitransformer.shapes import check, check_sized

Array = np.ndarray


# Scores


class DotProductCache(NamedTuple):
    Q: Array  # (..., L_q, d_k)
    K: Array  # (..., L_k, d_k)


def scaled_dot_product(Q: Array, K: Array) -> tuple[Array, DotProductCache]:
    """f(q, k) = q^T k / sqrt(d_k), so A = Q K^T / sqrt(d_k)  (4.1, 2.2.1).  -> A: (..., L_q, L_k)

    d_k is the width of one key (of one head), not of the model: for independent components of variance 1, q^T k has
    variance d_k, and the division brings it back to 1, whatever the width.
    """
    check("Q: ... L_q d_k, K: ... L_k d_k", Q, K)
    d_k = K.shape[-1]
    A = Q @ K.mT / math.sqrt(d_k)
    return A, DotProductCache(Q, K)


def scaled_dot_product_backward(dA: Array, cache: DotProductCache) -> tuple[Array, Array]:
    """dQ = dS K and dK = dS^T Q with dS = dA / sqrt(d_k), the gradient of the unscaled scores S = Q K^T.

    From S_ij = sum_c Q_ic K_jc:  dQ_ic = sum_j dS_ij K_jc  and  dK_jc = sum_i dS_ij Q_ic.
    """
    check("Q: ... L_q d_k, K: ... L_k d_k, dA: ... L_q L_k", *cache, dA)
    d_k = cache.K.shape[-1]
    dS = dA / math.sqrt(d_k)
    dQ = dS @ cache.K
    dK = dS.mT @ cache.Q
    return dQ, dK


# Mask: boolean, True = may attend, or floating-point, added to the scores, where -infinity = may not attend


def causal_mask(L: int) -> Array:
    """Position i may attend to the positions j <= i, itself included: it never sees the future.  -> (L, L), read-only

    That is np.tri(L, dtype=bool). But since row i is the row above it moved by one key, all rows are windows of the
    same 2L - 1 numbers, and the mask of a long text takes next to no memory.
    """
    check_integer("L", L, minimum=0)
    if L == 0:
        return np.zeros((0, 0), bool)
    n = int(L)  # a NumPy integer of few bits could overflow
    allowed = np.arange(2 * n - 1) < n  # (2*L - 1,)
    windows = np.lib.stride_tricks.sliding_window_view(allowed, n)  # (L, L); the first one allows all keys
    return windows[::-1]


def padding_mask(lengths: Array, L: int) -> Array:
    """Every query may attend to the first `lengths[b]` keys of its sequence, and to no padding after them.

    lengths: (B,) integers from 0 to L -> (B, 1, L), which broadcasts over the queries.
    """
    check_integer("L", L, minimum=0)
    check_ids("lengths", lengths, int(L) + 1)
    return (np.arange(L) < lengths[..., None])[..., None, :]


def causal_padding_mask(lengths: Array, L: int) -> Array:
    """Both masks combined: the keys j <= i that are not padding.  lengths: (B,) -> (B, L, L)"""
    return causal_mask(L) & padding_mask(lengths, L)


def in_sight(mask: Array | None, Q: Array | None, *of_keys: Array) -> tuple[Array | None, ...]:
    """Q (..., L_q, d) and what belongs to keys, (..., L_k, d) each, with nothing in masked rows that could do harm: in
    those of fully masked queries, and of keys that no query may attend to, such as padding.

    The weight of such a key is 0, but 0 times NaN or infinity is NaN, which would spoil results and gradients. So if
    masked rows contain NaN, infinity, or numbers whose squares overflow, they are replaced by 0; else all stay as they
    are, since 0 times any finite number is 0.

    mask: broadcasts to (..., L_q, L_k); with one axis more, for heads, rows count that are masked in all of them.
    """
    if mask is None:
        return Q, *of_keys
    allowed = np.atleast_2d(mask if mask.dtype == np.bool_ else mask.real != -np.inf)  # real: for the complex step
    queries, keys = allowed.any(axis=-1), allowed.any(axis=-2)
    if queries.all() and keys.all():
        return Q, *of_keys
    return None if Q is None else rows_where(queries, Q), *(rows_where(keys, X) for X in of_keys)


# Weights


class AttendCache(NamedTuple):
    alpha: Array  # (..., L_q, L_k)
    m: Array | None  # (..., L_q, L_k), what dropout multiplied alpha by
    weights: Array  # (..., L_q, L_k), alpha after dropout
    V: Array  # (..., L_k, d_v)


def attend(A: Array, V: Array, mask: Array | None = None, drop: Dropout = NO_DROPOUT) -> tuple[Array, AttendCache]:
    """From scores to outputs: alpha = softmax(A) over the keys, O = alpha V  (4.1), for scores of any f.

    A: (..., L_q, L_k), V: (..., L_k, d_v) -> O: (..., L_q, d_v). mask: boolean, True = may attend, or floating-point,
    added to A; it broadcasts against A. A fully masked query gets O = 0, and a key that no query may attend to has no
    influence. drop: weights are dropped, as in section 5's code but not in the equations.
    """
    check("A: ... L_q L_k, V: ... L_k d_v", A, V)
    if mask is None:
        alpha, _ = softmax(A)
    else:
        alpha, _ = masked_softmax(A, mask)
    weights, m = dropout(alpha, drop)
    V_seen = in_sight(mask, None, V)[-1]
    O = weights @ V_seen
    return O, AttendCache(alpha, m, weights, V_seen)


def attend_backward(dO: Array, cache: AttendCache) -> tuple[Array, Array]:
    """dV = weights^T dO;  dweights = dO V^T, and from there back through dropout and softmax to dA.

    From O_ic = sum_j weights_ij V_jc:  dV_jc = sum_i weights_ij dO_ic  and  dweights_ij = sum_c dO_ic V_jc.
    A floating-point mask is a constant: the gradient of A is that of the masked scores.
    """
    check("alpha: ... L_q L_k, V: ... L_k d_v, dO: ... L_q d_v", cache.alpha, cache.V, dO)
    dV = cache.weights.mT @ dO
    dweights = dO @ cache.V.mT
    dalpha = dropout_backward(dweights, cache.m)
    dA = softmax_backward(dalpha, cache.alpha)
    return dA, dV


class AttentionCache(NamedTuple):
    scores: DotProductCache
    attend: AttendCache


def attention(
    Q: Array, K: Array, V: Array, mask: Array | None = None, drop: Dropout = NO_DROPOUT
) -> tuple[Array, AttentionCache]:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V  (2.2.1).

    Q: (..., L_q, d_k), K: (..., L_k, d_k), V: (..., L_k, d_v) -> O: (..., L_q, d_v).
    mask: as in `attend`, broadcasts against (..., L_q, L_k); `padding_mask` makes one of lengths. A fully
    masked query has no influence on any gradient.
    """
    if mask is not None:
        check("Q: ... L_q d_k, K: ... L_k d_k", Q, K)
        check_mask(mask, (*Q.shape[:-1], K.shape[-2]))
    Q_seen, K_seen = in_sight(mask, Q, K)
    A, scores_cache = scaled_dot_product(Q_seen, K_seen)  # (..., L_q, L_k)
    O, attend_cache = attend(A, V, mask, drop)  # (..., L_q, d_v)
    return O, AttentionCache(scores_cache, attend_cache)


def attention_backward(dO: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """dQ, dK, dV: back through the weighted sum and the softmax, then through the scaled dot product."""
    dA, dV = attend_backward(dO, cache.attend)
    dQ, dK = scaled_dot_product_backward(dA, cache.scores)
    return dQ, dK, dV


# Heads


def split_heads(X: Array, h: int) -> Array:
    """(..., L, h*d_k) -> (..., h, L, d_k): head i takes the columns i*d_k to (i+1)*d_k, so it gets X W_i^Q of 4.2.

    Reshape first, then swap axes: a plain reshape to (..., h, L, d_k) has the right shape and would mix positions.
    The result is a view. Its backward is `merge_heads`, for the same numbers stand elsewhere.
    """
    check_sized("X: ... L? h*d_k", X, h=h)
    d_k = X.shape[-1] // h
    per_position = X.reshape(X.shape[:-1] + (h, d_k))  # (..., L, h, d_k)
    return per_position.swapaxes(-3, -2)  # (..., h, L, d_k)


def merge_heads(heads: Array) -> Array:
    """Concat(head_1, ..., head_h)  (4.2): (..., h, L, d_v) -> (..., L, h*d_v). Its backward is `split_heads`.

    The result may share its memory with `heads`.
    """
    check("heads: ... h L? d_v", heads)
    h, _, d_v = heads.shape[-3:]
    per_position = heads.swapaxes(-3, -2)  # (..., L, h, d_v)
    return per_position.reshape(per_position.shape[:-2] + (h * d_v,))
