"""Section 4.2: multi-head attention, h attentions in h subspaces side by side."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_heads, check_integer, check_mask, check_start
from minitransformer.equations.attention import (
    AttentionCache,
    attention,
    attention_backward,
    in_sight,
    merge_heads,
    split_heads,
)
from minitransformer.equations.blockwise_attention import (
    BlockwiseCache,
    blockwise_attention,
    blockwise_attention_backward,
)
from minitransformer.equations.dropout import NO_DROPOUT, Dropout
from minitransformer.equations.grouped_heads import share_heads, share_heads_backward
from minitransformer.equations.rotary import RotaryCache, turn_both, turn_both_back
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.past import Past, with_past
from minitransformer.shapes import check

Array = np.ndarray

LONG = 1024 * 1024  # from this many scores per head on, attention in blocks is faster than all at once


SHAPES = (
    "weights.query.W: d_query d_qs, weights.key.W: d_key d_ks, weights.value.W: d_value d_vs, "
    "x_q: ... L_q d_query, x_k: ... L_k d_key, x_v: ... L_k d_value"
)


class MultiHead(NamedTuple):
    """Columns i*d_k to (i+1)*d_k of query.W are the text's W_i^Q, and so for W_i^K and W_i^V; output.W is its W^O.

    The text's equations have no biases (b = 0 is the same); section 5's code has them.
    """

    query: Linear  # W: (d_query, h*d_k)
    key: Linear  # W: (d_key, h_kv*d_k), with h_kv = h in 4.2
    value: Linear  # W: (d_value, h_kv*d_v)
    output: Linear  # W: (h*d_v, d_model)


class MultiHeadCache(NamedTuple):
    query: LinearCache
    key: LinearCache
    value: LinearCache
    h: int
    h_kv: int
    turned: tuple[RotaryCache, RotaryCache] | None  # of Q and K
    attention: AttentionCache | BlockwiseCache
    output: LinearCache
    past: bool  # computed with kept keys and values, which have no backward


def init_multi_head(
    d_model: int, h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32, h_kv: int | None = None
) -> MultiHead:
    """Square maps with d_k = d_v = d_model / h, the usual choice: h heads then cost as much as one wide one.

    h_kv: the number of heads of keys and values, each shared by h / h_kv query heads; None: h, as in 4.2.
    """
    check_start(rng, dtype, d_model=d_model)
    check_heads(h, "d_model", d_model)
    if h_kv is not None:
        check_integer("h_kv", h_kv, minimum=1)
        if h % h_kv != 0:
            raise ValueError(f"h_kv: got {h_kv}, expected a number that divides h = {h}")
    d_kv = d_model if h_kv is None else d_model // h * h_kv
    return MultiHead(*(init_linear(d_model, d_out, rng, dtype) for d_out in (d_model, d_kv, d_kv, d_model)))


def multi_head(
    x_q: Array,
    x_k: Array,
    x_v: Array,
    weights: MultiHead,
    h: int,
    mask: Array | None = None,
    drop: Dropout = NO_DROPOUT,
    past: Past | None = None,
    rotary: bool = False,
) -> tuple[Array, MultiHeadCache]:
    """MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O,  head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)  (4.2).

    x_q: (..., L_q, d_query), x_k: (..., L_k, d_key), x_v: (..., L_k, d_value) -> y: (..., L_q, d_model). Self-attention
    passes the same x three times; encoder-decoder attention passes the encoder's output as x_k and x_v.

    mask: boolean (True = may attend) or floating-point (added to the scores), broadcasts against (..., L_q, L_k) and
    applies to all heads alike; with one axis more than x_q it broadcasts against (..., h, L_q, L_k), head by head. A
    key that no query may attend to has no influence, nor does a fully masked query. (A mask of keys, (B, L_k), needs an
    axis for the queries, as `padding_mask` has it; one of heads, (h, L_q, L_k), one for the batch: mask[None].)

    past: keys and values of positions before, to which those of x_k and x_v are added; L_k then counts them all.

    Two variants are not in the text: rotary, positions of queries and keys (`equations/rotary.py`); and heads
    that share keys and values, where W^K and W^V are narrower than W^Q (`equations/grouped_heads.py`).
    """
    if past is None:  # with one, the layer has checked its x, and decoding takes many short steps
        check(SHAPES, weights.query.W, weights.key.W, weights.value.W, x_q, x_k, x_v)
    check_heads(h, "weights.query.W", weights.query.W.shape[-1])
    h_kv = heads_of_keys(weights, h)
    mask_heads = over_heads(mask, x_q.ndim)
    if mask is None or past is not None:
        x_q_seen, x_k_seen, x_v_seen = x_q, x_k, x_v
    else:  # attention does the same for the result, but the gradient of W_K is x_k^T dK, and NaN in x_k times 0 is NaN
        check_mask(mask_heads, (*x_q.shape[:-2], h, x_q.shape[-2], x_k.shape[-2]))
        x_q_seen, x_k_seen, x_v_seen = in_sight(mask, x_q, x_k, x_v)  # which have no axis of heads
    Q, query_cache = linear(x_q_seen, weights.query)  # (..., L_q, h*d_k): all heads' projections at once
    K, key_cache = linear(x_k_seen, weights.key)  # (..., L_k, h_kv*d_k)
    V, value_cache = linear(x_v_seen, weights.value)  # (..., L_k, h_kv*d_v)
    Q_heads = split_heads(Q, h)  # (..., h, L_q, d_k)
    K_heads = split_heads(K, h_kv)  # (..., h_kv, L_k, d_k)
    V_heads = split_heads(V, h_kv)  # (..., h_kv, L_k, d_v)
    n = 0 if past is None else past.n
    Q_turned, K_turned, turned = turn_both(Q_heads, K_heads, n) if rotary else (Q_heads, K_heads, None)
    K_all, V_all = (K_turned, V_heads) if past is None else with_past(past, K_turned, V_heads)
    K_shared, V_shared = (K_all, V_all) if h_kv == h else (share_heads(K_all, h), share_heads(V_all, h))
    form = attention if Q_heads.shape[-2] * K_all.shape[-2] < LONG else blockwise_attention
    heads, attention_cache = form(Q_turned, K_shared, V_shared, mask_heads, drop)  # (..., h, L_q, d_v)
    concat = merge_heads(heads)  # (..., L_q, h*d_v)
    y, output_cache = linear(concat, weights.output)  # (..., L_q, d_model)
    projections = query_cache, key_cache, value_cache
    return y, MultiHeadCache(*projections, h, h_kv, turned, attention_cache, output_cache, past is not None)


def multi_head_backward(dy: Array, cache: MultiHeadCache) -> tuple[Array, Array, Array, MultiHead]:
    """The forward, read from the bottom up. -> dx_q, dx_k, dx_v, dweights

    Concat and split only move numbers, so each is the other's backward. Where one x was passed as query, key and
    value, its gradient is the sum dx_q + dx_k + dx_v, which the caller takes.
    """
    if cache.past:
        raise ValueError("cache: got that of a call with `past`, expected one without: kept keys have no backward")
    dconcat, doutput = linear_backward(dy, cache.output)  # (..., L_q, h*d_v)
    dheads = split_heads(dconcat, cache.h)  # (..., h, L_q, d_v)
    blockwise = isinstance(cache.attention, BlockwiseCache)
    form_backward = blockwise_attention_backward if blockwise else attention_backward
    dQ_turned, dK_shared, dV_shared = form_backward(dheads, cache.attention)
    shares = cache.h_kv < cache.h
    dK_turned, dV_heads = (
        (share_heads_backward(dK_shared, cache.h_kv), share_heads_backward(dV_shared, cache.h_kv))
        if shares
        else (dK_shared, dV_shared)
    )
    turned = cache.turned
    dQ_heads, dK_heads = turn_both_back(dQ_turned, dK_turned, turned) if turned else (dQ_turned, dK_turned)
    dQ = merge_heads(dQ_heads)  # (..., L_q, h*d_k)
    dK = merge_heads(dK_heads)  # (..., L_k, h_kv*d_k)
    dV = merge_heads(dV_heads)  # (..., L_k, h_kv*d_v)
    dx_q, dquery = linear_backward(dQ, cache.query)
    dx_k, dkey = linear_backward(dK, cache.key)
    dx_v, dvalue = linear_backward(dV, cache.value)
    return dx_q, dx_k, dx_v, MultiHead(dquery, dkey, dvalue, doutput)


def heads_of_keys(weights: MultiHead, h: int) -> int:
    """h_kv, how many heads of keys and values there are: as many as W^K has heads of the width of a query head.

    (The shapes of the weights do not tell h itself: with another h, they are other heads.)
    """
    d_k = weights.query.W.shape[-1] // h
    d_keys = weights.key.W.shape[-1]
    if d_keys % d_k != 0:
        raise ValueError(
            f"weights.key.W: got {d_keys} columns, expected a multiple of {d_k}, the width of a query head"
        )
    h_kv, d_values = d_keys // d_k, weights.value.W.shape[-1]
    if h_kv == 0 or d_values % h_kv != 0:
        raise ValueError(f"weights.value.W: got {d_values} columns, expected a multiple of {h_kv}, the heads of keys")
    return h_kv


def over_heads(mask: Array | None, x_ndim: int) -> Array | None:
    """A mask with batch axes gets one for the heads: (B, L_q, L_k) -> (B, 1, L_q, L_k).

    One that has it already stays, and so does one that needs none, (L_q, L_k).
    """
    if not isinstance(mask, np.ndarray) or not 2 < mask.ndim <= x_ndim:
        return mask
    return mask[..., None, :, :]
