"""PyTorch's `nn.MultiheadAttention` (section 4.2)."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_heads, check_integer, check_rate, check_rng, check_truth
from minitransformer.equations.blockwise_attention import attention_weights
from minitransformer.layers.linear import Linear as LinearWeights
from minitransformer.layers.multi_head import MultiHead, MultiHeadCache, multi_head, multi_head_backward
from minitransformer.nn.boundary import (
    attention_masks,
    batch_first,
    check_dout,
    check_fellows,
    check_sequence,
    own_order,
)
from minitransformer.nn.linear import linear_from_named, name_linear, uniform_linear
from minitransformer.nn.module import Module, Named, floating, generator, prefix, under

Array = np.ndarray


class MultiheadAttention(Module):
    """Multi-head attention (4.2) with d_k = d_v = embed_dim / num_heads; key and value may have widths of their own."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        check_integer("embed_dim", embed_dim, minimum=1)
        check_heads(num_heads, "embed_dim", embed_dim, name="num_heads")
        check_rate("dropout", dropout)
        check_truth("batch_first", batch_first)
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        d_key = embed_dim if kdim is None else kdim
        d_value = embed_dim if vdim is None else vdim
        check_integer("kdim", d_key, minimum=1)
        check_integer("vdim", d_value, minimum=1)
        self.weights = uniform_multi_head(embed_dim, d_key, d_value, generator(rng), floating(dtype))

    def __call__(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
    ) -> tuple[Array, Array | None]:
        """-> (out, attention weights), as in PyTorch: hence the `[0]` in section 5's code.

        The weights are (B, L_q, L_k), the mean over the heads, or (B, h, L_q, L_k) with average_attn_weights=False.
        """
        check_truth("need_weights", need_weights)
        check_truth("average_attn_weights", average_attn_weights)
        out, cache = self.forward(query, key, value, key_padding_mask, attn_mask)
        if not need_weights:
            return out, None
        alpha = attention_weights(cache.attention)  # ([B,] h, L_q, L_k)
        return out, alpha.mean(axis=-3) if average_attn_weights else alpha

    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        attn_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, MultiHeadCache]:
        """query: (L_q, B, embed_dim), key: (L_k, B, kdim), value: (L_k, B, vdim) -> out: (L_q, B, embed_dim).

        Without a batch, (L, d). key_padding_mask: (B, L_k); attn_mask: (L_q, L_k) or (B*h, L_q, L_k).
        """
        for name, x, weights in (
            ("query", query, self.weights.query),
            ("key", key, self.weights.key),
            ("value", value, self.weights.value),
        ):
            check_sequence(name, x, len(weights.W), self.batch_first)
        check_rng(rng)
        x_q, x_k, x_v = (batch_first(x, self.batch_first) for x in (query, key, value))
        check_fellows(x_q, x_k, x_v)
        names = ("attn_mask", "key_padding_mask")
        mask, bias = attention_masks(attn_mask, key_padding_mask, names, x_q, x_k, self.num_heads)
        out, cache = multi_head(x_q, x_k, x_v, self.weights, self.num_heads, mask, bias, self.dropout, rng)
        return own_order(out, self.batch_first), cache

    def backward(self, dout: Array, cache: MultiHeadCache) -> tuple[tuple[Array, Array, Array], Named]:
        """-> (dquery, dkey, dvalue), grads"""
        check_dout(dout, cache.query.x, self.batch_first, len(self.weights.output.b))
        *dx, dweights = multi_head_backward(batch_first(dout, self.batch_first), cache)
        dquery, dkey, dvalue = (own_order(d, self.batch_first) for d in dx)
        return (dquery, dkey, dvalue), self.named(dweights)

    def named(self, weights: MultiHead) -> Named:
        return name_multi_head(weights)

    def from_named(self, arrays: Mapping[str, Array]) -> MultiHead:
        return multi_head_from_named(arrays)


def name_multi_head(weights: MultiHead) -> Named:
    """The three input projections as one matrix of 3*embed_dim rows, or as three where their inputs' widths differ."""
    query, key, value, output = weights
    in_proj_bias = np.concatenate([query.b, key.b, value.b])
    if query.W.shape == key.W.shape == value.W.shape:
        in_proj = {"in_proj_weight": np.concatenate([query.W, key.W, value.W], axis=1).T}
    else:
        in_proj = {"q_proj_weight": query.W.T, "k_proj_weight": key.W.T, "v_proj_weight": value.W.T}
    return in_proj | {"in_proj_bias": in_proj_bias} | prefix("out_proj", name_linear(output))


def multi_head_from_named(named: Mapping[str, Array]) -> MultiHead:
    if "in_proj_weight" in named:
        projections = np.split(named["in_proj_weight"], 3)
    else:
        projections = [named["q_proj_weight"], named["k_proj_weight"], named["v_proj_weight"]]
    biases = np.split(named["in_proj_bias"], 3)
    inputs = [LinearWeights(weight.T, b) for weight, b in zip(projections, biases, strict=True)]
    return MultiHead(*inputs, linear_from_named(under("out_proj", named)))


def uniform_multi_head(d_model: int, d_key: int, d_value: int, rng: np.random.Generator, dtype: np.dtype) -> MultiHead:
    """Glorot's uniform bounds for the projections (for the three as one matrix, where they are one); all biases 0."""
    rows = 3 * d_model if d_model == d_key == d_value else d_model
    zeros = np.zeros(d_model, dtype)

    def projection(d_in: int) -> LinearWeights:
        limit = math.sqrt(6 / (d_in + rows))
        return LinearWeights(rng.uniform(-limit, limit, (d_in, d_model)).astype(dtype), zeros.copy())

    query, key, value = (projection(d_in) for d_in in (d_model, d_key, d_value))
    output = uniform_linear(d_model, d_model, rng, dtype)
    return MultiHead(query, key, value, output._replace(b=zeros.copy()))
