"""PyTorch's `scaled_dot_product_attention` (2.2.1)."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import (
    check_broadcast,
    check_floats,
    check_rate,
    check_rng,
    check_shape,
    check_truth,
    check_width,
)
from minitransformer.equations.attention import (
    AttentionCache,
    attend_backward,
    attention,
    scaled_dot_product_backward,
)
from minitransformer.equations.dropout import Dropout

Array = np.ndarray


class ScaledDotProductCache(NamedTuple):
    attention: AttentionCache
    shapes: tuple[tuple[int, ...], ...]  # of query, key and value
    out_shape: tuple[int, ...]
    mask_shape: tuple[int, ...] | None  # of a mask that was added, and has a gradient


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    rng: np.random.Generator | None = None,
) -> tuple[Array, ScaledDotProductCache]:
    """softmax(Q K^T / sqrt(d_k)) V, with batch axes that broadcast.

    query: (..., L_q, d_k), key: (..., L_k, d_k), value: (..., L_k, d_v) -> (..., L_q, d_v). attn_mask: boolean, here
    (and in no class of PyTorch's) with True = may attend, or float, added to the scores; it broadcasts to them, (...,
    L_q, L_k). is_causal: query i may attend to the keys up to i. `rng` switches dropout on.
    """
    batch = check_attention(query, key, value)
    check_rate("dropout_p", dropout_p)
    check_rng(rng)
    mask = mask_of_scores(attn_mask, is_causal, (*batch, query.shape[-2], key.shape[-2]), query.real.dtype)
    Q, K, V = (np.broadcast_to(x, batch + x.shape[-2:]) for x in (query, key, value))
    out, attention_cache = attention(Q, K, V, mask, Dropout(dropout_p, rng))  # (..., L_q, d_v)
    mask_shape = attn_mask.shape if attn_mask is not None and attn_mask.dtype != np.bool_ else None
    shapes = (query.shape, key.shape, value.shape)
    return out, ScaledDotProductCache(attention_cache, shapes, out.shape, mask_shape)


def scaled_dot_product_attention_backward(
    dout: Array, cache: ScaledDotProductCache
) -> tuple[Array, Array, Array, Array | None]:
    """That of attention, and since a float mask is added to the scores, its gradient is theirs.

    -> dquery, dkey, dvalue, dattn_mask
    """
    check_shape("dout", dout, cache.out_shape)
    dscores, dV = attend_backward(dout, cache.attention.attend)
    dQ, dK = scaled_dot_product_backward(dscores, cache.attention.scores)
    dquery, dkey, dvalue = (summed_to(shape, dx) for shape, dx in zip(cache.shapes, (dQ, dK, dV), strict=True))
    dattn_mask = None if cache.mask_shape is None else summed_to(cache.mask_shape, dscores)
    return dquery, dkey, dvalue, dattn_mask


def check_attention(query: Array, key: Array, value: Array) -> tuple[int, ...]:
    """They must fit together. -> the batch axes that theirs broadcast to"""
    check_floats("query", query, ndim=2)
    check_width("key", key, query.shape[-1], ndim=2)
    check_floats("value", value, ndim=2)
    if key.shape[-2] == 0:
        raise ValueError(f"key: got shape {key.shape}, expected at least one key")
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"value: got shape {value.shape}, expected {key.shape[-2]} values, one for each key")
    of_query_and_key = common_batch(query.shape[:-2], "key", key)
    return common_batch(of_query_and_key, "value", value)


def common_batch(batch: tuple[int, ...], name: str, x: Array) -> tuple[int, ...]:
    """What `batch` and the batch axes of `x` broadcast to."""
    try:
        return np.broadcast_shapes(batch, x.shape[:-2])
    except ValueError:
        raise ValueError(f"{name}: got shape {x.shape}, expected batch axes that broadcast with {batch}") from None


def mask_of_scores(
    attn_mask: Array | None, is_causal: bool, scores_shape: tuple[int, ...], dtype: np.dtype
) -> Array | None:
    """The package's mask, whose True is that of PyTorch's function too."""
    check_truth("is_causal", is_causal)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("attn_mask: got one, expected None, as is_causal is True")
        return np.tri(*scores_shape[-2:], dtype=bool)
    if attn_mask is None:
        return None
    if not isinstance(attn_mask, np.ndarray) or attn_mask.dtype.kind not in "bfc":
        given = f"dtype {attn_mask.dtype}" if isinstance(attn_mask, np.ndarray) else type(attn_mask).__name__
        raise TypeError(
            f"attn_mask: got {given}, expected an array, boolean (True = may attend) or float (added to the scores)"
        )
    check_broadcast("attn_mask", attn_mask, scores_shape)
    return attn_mask.astype(dtype) if attn_mask.dtype.kind == "f" else attn_mask


def summed_to(shape: tuple[int, ...], dx: Array) -> Array:
    """The gradient of what was repeated along some axes is the sum over them.  dx: what `shape` broadcast to"""
    new = dx.ndim - len(shape)
    repeated = [new + axis for axis, size in enumerate(shape) if size == 1]
    return dx.sum(axis=(*range(new), *repeated)).reshape(shape)
