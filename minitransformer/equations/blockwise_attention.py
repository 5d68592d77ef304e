"""Section 2.2.1 for long sequences: the same attention, a block of queries at a time, in memory that grows with L.

The matrix form holds (L_q, L_k) scores, weights and their gradients at once: for L = 4096 and 8 heads, over a gigabyte.
A row of them depends on one query only. So a few rows at a time are made, used and forgotten, and the backward makes
them again from two numbers a row (Rabe, Staats 2021; Dao et al. 2022).
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_integer, check_mask, check_type
from minitransformer.equations.attention import AttentionCache, attention, in_sight
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward
from minitransformer.equations.rows import row_max, row_sum
from minitransformer.shapes import check

Array = np.ndarray

ROWS = 128  # queries in a block: enough for fast products, few enough for the processor's cache


class BlockwiseCache(NamedTuple):
    Q: Array  # (..., L_q, d_k)
    K: Array  # (..., L_k, d_k)
    V: Array  # (..., L_k, d_v)
    O: Array  # (..., L_q, d_v)
    top: Array  # (..., L_q, 1), t = max_j a_j of each query; 0 if fully masked
    Z: Array  # (..., L_q, 1), sum_j exp(a_j - t); 1 if fully masked
    allowed: Array | None  # boolean, where a query may attend to a key; None: everywhere
    bias: Array | None  # a floating-point mask: numbers that were added to the scores
    rate: float  # of the dropout
    seed: int | None  # of the dropout; None: nothing is dropped
    rows: int


class Block(NamedTuple):
    """Some queries of one head, and the keys that matter to them: the first ones, up to the last that any may see."""

    head: tuple[int, ...]  # its index on the batch axes
    queries: slice
    n_keys: int
    n_open: int  # before this one, all keys are open to all queries, and no mask is looked at
    drop: Dropout


def blockwise_attention(
    Q: Array,
    K: Array,
    V: Array,
    mask: Array | None = None,
    drop: Dropout = NO_DROPOUT,
    rows: int = ROWS,
) -> tuple[Array, BlockwiseCache]:
    """Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V  (2.2.1), `rows` queries at a time.

    Arguments and result are those of `attention`; dropout drops different weights, at the same rate.
    For one query, with a_j its scores, t = max_j a_j and Z = sum_j exp(a_j - t): o = (1/Z) sum_j exp(a_j - t) v_j.
    Of the a_j, the backward needs only t and Z, since alpha_j = exp(a_j - t) / Z. (One number, t + log Z, would do,
    but added to a t of 10^8, log Z would be lost to rounding in float32.)
    """
    check("Q: ... L_q d_k, K: ... L_k d_k, V: ... L_k d_v", Q, K, V)
    if mask is not None:
        check_mask(mask, (*Q.shape[:-1], K.shape[-2]))
    check_integer("rows", rows, minimum=1)
    Q_seen, K_seen, V_seen = in_sight(mask, Q, K, V)
    bias = None if mask is None or mask.dtype == np.bool_ else mask
    allowed = mask if bias is None else bias.real != -np.inf
    check_type("drop", drop, Dropout)
    seed = None if drop.rng is None or drop.rate == 0 else int(drop.rng.integers(2**63))
    of_scores = np.result_type(*(x for x in (Q, K, bias) if x is not None))
    O = np.zeros((*Q.shape[:-1], V.shape[-1]), np.result_type(of_scores, V))
    top, Z = np.zeros((*Q.shape[:-1], 1), of_scores), np.ones((*Q.shape[:-1], 1), of_scores)
    cache = BlockwiseCache(Q_seen, K_seen, V_seen, O, top, Z, allowed, bias, drop.rate, seed, rows)
    for block in blocks(cache):
        head, queries, n_keys, _, block_drop = block
        a = block_scores(cache, block)  # a row for each query
        highest = row_max(a)
        t = np.where(highest.real == -np.inf, 0, highest)
        a -= t  # in place, here and below: blocks are fast because they stay in the processor's cache
        exps = np.exp(a, out=a)
        total = row_sum(exps)  # 0 for a fully masked query
        kept = dropout(exps, block_drop)[0]
        top[head][queries] = t
        Z[head][queries] = np.where(total == 0, 1, total)
        O[head][queries] = kept @ V_seen[head][:n_keys] / Z[head][queries]
    return O, cache


def blockwise_attention_backward(dO: Array, cache: BlockwiseCache) -> tuple[Array, Array, Array]:
    """dQ, dK, dV as in `attention_backward`, block by block, with the weights recomputed as exp(a - t) / Z.

    A query's gradient comes from its own block; a key's or a value's is the sum over all blocks that attend to it.
    softmax_backward subtracts sum_j dalpha_j alpha_j from each dalpha_j. With dalpha_j = m_j (do . v_j), m dropout's
    factors, that sum is do . (sum_j m_j alpha_j v_j) = do . o: the scores need not be summed over again.
    """
    check("O: ... L_q d_v, dO: ... L_q d_v", cache.O, dO)
    Q, K, V, O, top, Z, *_ = cache
    scale = 1 / math.sqrt(K.shape[-1])
    dtype = np.result_type(dO, O)  # complex if any input is
    dQ, dK, dV = (np.zeros_like(x, dtype=dtype) for x in (Q, K, V))
    dO_typed = dO.astype(dtype, copy=False)  # from here on results are written in place
    for block in blocks(cache):
        head, queries, n_keys, _, block_drop = block
        a = block_scores(cache, block)
        a -= top[head][queries]
        exps = np.exp(a, out=a)  # Z times alpha: dividing its narrower factors by Z is cheaper
        per_Z = 1 / Z[head][queries]
        kept, m = dropout(exps, block_drop)
        dO_block = dO_typed[head][queries]
        dV[head][:n_keys] += kept.T @ (dO_block * per_Z)
        dweights = (V[head][:n_keys] @ dO_block.T).T
        dalpha = dropout_backward(dweights, m)
        inner = row_sum(dO_block * O[head][queries])
        dalpha -= inner
        Z_dA = np.multiply(exps, dalpha, out=dalpha)
        dQ[head][queries] = Z_dA @ K[head][:n_keys] * (scale * per_Z)
        dK[head][:n_keys] += Z_dA.T @ (Q[head][queries] * (scale * per_Z))
    return dQ, dK, dV


def block_scores(cache: BlockwiseCache, block: Block) -> Array:
    """Scaled dot products, with the bias, and -infinity where a query may not attend: a row for each query."""
    head, queries, n_keys, n_open, _ = block
    scores_shape = (*cache.Q.shape[:-1], cache.K.shape[-2])
    scaled = cache.Q[head][queries] / math.sqrt(cache.K.shape[-1])
    products = (cache.K[head][:n_keys] @ scaled.T).T  # q K^T as (K q^T)^T: with many rows first, it is a quarter faster
    a = products if cache.bias is None else products + np.broadcast_to(cache.bias, scores_shape)[head][queries, :n_keys]
    if n_open < n_keys:
        allowed = np.broadcast_to(cache.allowed, scores_shape)[head][queries, n_open:n_keys]
        a[:, n_open:] = np.where(allowed, a[:, n_open:], -np.inf)
    return a


def blocks(cache: BlockwiseCache) -> Iterator[Block]:
    """All blocks of all heads, except fully masked ones.

    Each has a generator for dropout, which draws the same numbers whenever the block comes up.
    """
    *batch, L_q, _ = cache.Q.shape
    L_k = cache.K.shape[-2]
    allowed, rows = cache.allowed, cache.rows
    starts = range(0, L_q, rows)
    spans = [keys_that_matter(allowed, slice(start, start + rows), tuple(batch), L_q, L_k) for start in starts]
    for number, head in enumerate(np.ndindex(*batch)):
        for start, (n_keys, n_open) in zip(starts, spans, strict=True):
            rng = None if cache.seed is None else np.random.default_rng((cache.seed, number, start))
            drop = Dropout(cache.rate, rng)
            if n_keys[head] > 0:
                yield Block(head, slice(start, start + rows), int(n_keys[head]), int(n_open[head]), drop)


def keys_that_matter(
    allowed: Array | None, queries: slice, batch: tuple[int, ...], L_q: int, L_k: int
) -> tuple[Array, Array]:
    """For each head how many keys the queries may see at most, and how many from the first on are open to all of them.

    Under a causal mask the later keys need not be computed at all, which halves the work. -> both of shape `batch`
    """
    if allowed is None:
        return np.full(batch, L_k), np.full(batch, L_k)
    rows = np.broadcast_to(allowed, (*allowed.shape[:-2], L_q, L_k))[..., queries, :]
    some, every = rows.any(axis=-2), rows.all(axis=-2)  # (..., L_k)
    n_keys = np.where(some, np.arange(1, L_k + 1), 0).max(axis=-1, initial=0)
    n_open = np.where(every, L_k, np.arange(L_k)).min(axis=-1, initial=L_k)
    return np.broadcast_to(n_keys, batch), np.broadcast_to(n_open, batch)


def attention_weights(cache: AttentionCache | BlockwiseCache) -> Array:
    """alpha, before dropout, for inspection: blocks do not keep it, so it is computed again, all at once.

    -> (..., L_q, L_k)
    """
    if isinstance(cache, BlockwiseCache):
        mask = cache.allowed if cache.bias is None else cache.bias
        _, whole = attention(cache.Q, cache.K, cache.V, mask)
        return whole.attend.alpha
    return cache.attend.alpha
