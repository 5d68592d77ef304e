"""Section 4.1: the compatibility function f scores how well a key fits a query, a_i = f(q, k_i).

The text chooses the scaled dot product, which stands in `attention.py`. Here are the other three, all in matrix form:
Q (..., L_q, d_q) and K (..., L_k, d_k) give A (..., L_q, L_k), where A_ij is the score of query i with key j.
"""

from typing import NamedTuple

import numpy as np

from minitransformer.equations.attention import DotProductCache, scaled_dot_product, scaled_dot_product_backward
from minitransformer.equations.op import Op
from minitransformer.equations.rows import column_sum
from minitransformer.shapes import check

Array = np.ndarray


def dot_product(Q: Array, K: Array) -> tuple[Array, DotProductCache]:
    """f(q, k) = q^T k, so A = Q K^T.  -> (..., L_q, L_k)"""
    check("Q: ... L_q d_k, K: ... L_k d_k", Q, K)
    A = Q @ K.mT
    return A, DotProductCache(Q, K)


def dot_product_backward(dA: Array, cache: DotProductCache) -> tuple[Array, Array]:
    """dQ = dA K and dK = dA^T Q.

    From A_ij = sum_c Q_ic K_jc:  dQ_ic = sum_j dA_ij K_jc  and  dK_jc = sum_i dA_ij Q_ic.
    """
    check("Q: ... L_q d_k, K: ... L_k d_k, dA: ... L_q L_k", *cache, dA)
    dQ = dA @ cache.K
    dK = dA.mT @ cache.Q
    return dQ, dK


class BilinearCache(NamedTuple):
    Q: Array  # (..., L_q, d_q)
    K: Array  # (..., L_k, d_k)
    M: Array  # (d_q, d_k)
    QM: Array  # (..., L_q, d_k)


def bilinear(Q: Array, K: Array, M: Array) -> tuple[Array, BilinearCache]:
    """f(q, k) = q^T M k, so A = Q M K^T (Luong et al. 2015, "general").

    M: (d_q, d_k), so that queries and keys may differ in width.  -> (..., L_q, L_k)
    """
    check("M: d_q d_k, Q: ... L_q d_q, K: ... L_k d_k", M, Q, K)
    QM = Q @ M  # (..., L_q, d_k)
    A = QM @ K.mT
    return A, BilinearCache(Q, K, M, QM)


def bilinear_backward(dA: Array, cache: BilinearCache) -> tuple[Array, Array, Array]:
    """dQ = dA K M^T, dK = dA^T Q M and dM = sum over all leading axes of Q^T dA K.

    From A_ij = sum_ab Q_ia M_ab K_jb, by way of (QM)_ib = sum_a Q_ia M_ab:
        dQM_ib = sum_j dA_ij K_jb,   dK_jb = sum_i dA_ij QM_ib,
        dQ_ia = sum_b dQM_ib M_ab,   dM_ab = sum_i Q_ia dQM_ib.
    """
    check("Q: ... L_q d_q, K: ... L_k d_k, dA: ... L_q L_k", cache.Q, cache.K, dA)
    d_q, d_k = cache.M.shape
    dQM = dA @ cache.K  # (..., L_q, d_k)
    dK = dA.mT @ cache.QM
    dQ = dQM @ cache.M.T
    dM = cache.Q.reshape(-1, d_q).T @ dQM.reshape(-1, d_k)
    return dQ, dK, dM


class Additive(NamedTuple):
    """The weights of the additive f, in the shapes of its formula: W q + U k."""

    W: Array  # (d_a, d_q)
    U: Array  # (d_a, d_k)
    v: Array  # (d_a,)


class AdditiveCache(NamedTuple):
    Q: Array  # (..., L_q, d_q)
    K: Array  # (..., L_k, d_k)
    weights: Additive
    t: Array  # (..., L_q, L_k, d_a)


def additive(Q: Array, K: Array, weights: Additive) -> tuple[Array, AdditiveCache]:
    """f(q, k) = v^T tanh(W q + U k)  (Bahdanau et al. 2015).

    Q: (..., L_q, d_q), K: (..., L_k, d_k) -> A: (..., L_q, L_k). Every query meets every key inside the tanh, which
    takes L_q L_k d_a numbers: that is why the dot product won.
    """
    W, U, v = weights
    check("weights.W: d_a d_q, weights.U: d_a d_k, weights.v: d_a, Q: ... L_q d_q, K: ... L_k d_k", W, U, v, Q, K)
    WQ = Q @ W.T  # (..., L_q, d_a)
    UK = K @ U.T  # (..., L_k, d_a)
    s = WQ[..., :, None, :] + UK[..., None, :, :]  # (..., L_q, L_k, d_a)
    t = np.tanh(s)
    A = t @ v
    return A, AdditiveCache(Q, K, weights, t)


def additive_backward(dA: Array, cache: AdditiveCache) -> tuple[Array, Array, Additive]:
    """With s_ija = (Wq_i)_a + (Uk_j)_a, t = tanh(s) and A_ij = sum_a t_ija v_a:

    dv_a = sum_ij dA_ij t_ija,          ds_ija = dA_ij v_a (1 - t_ija^2),
    d(Wq)_ia = sum_j ds_ija,            d(Uk)_ja = sum_i ds_ija,
    dQ = d(Wq) W,  dW = d(Wq)^T Q,      dK = d(Uk) U,  dU = d(Uk)^T K   (dW, dU, dv also sum over all leading axes).
    """
    Q, K, (W, U, v), t = cache
    check("t: ... L_q L_k d_a, dA: ... L_q L_k", t, dA)
    d_a, d_q = W.shape
    d_k = U.shape[1]
    dv = column_sum(dA[..., None] * t)
    dt = dA[..., None] * v  # (..., L_q, L_k, d_a)
    ds = dt * (1 - t * t)
    dWQ = ds.sum(axis=-2)  # (..., L_q, d_a): query i met every key
    dUK = ds.sum(axis=-3)  # (..., L_k, d_a): key j met every query
    dQ = dWQ @ W
    dK = dUK @ U
    dW = dWQ.reshape(-1, d_a).T @ Q.reshape(-1, d_q)
    dU = dUK.reshape(-1, d_a).T @ K.reshape(-1, d_k)
    return dQ, dK, Additive(dW, dU, dv)


DOT_PRODUCT = Op(dot_product, dot_product_backward)
SCALED_DOT_PRODUCT = Op(scaled_dot_product, scaled_dot_product_backward)
BILINEAR = Op(bilinear, bilinear_backward)
ADDITIVE = Op(additive, additive_backward)
