"""PyTorch's `nn.MultiheadAttention` (section 4.2)."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_heads, check_integer, check_rate, check_rng, check_truth
from minitransformer.equations.blockwise_attention import attention_weights
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.linear import Linear as LinearWeights
from minitransformer.layers.multi_head import MultiHead, MultiHeadCache, multi_head, multi_head_backward
from minitransformer.nn.appended_rows import (
    append_positions,
    append_positions_backward,
    append_rows,
    append_rows_backward,
)
from minitransformer.nn.boundary import (
    batch_first,
    check_dout,
    check_fellows,
    check_sequence,
    own_order,
    score_mask,
)
from minitransformer.nn.linear import linear_from_named, name_linear, uniform_linear
from minitransformer.nn.module import Module, Named, bias_or_zeros, floating, generator, prefix, under

Array = np.ndarray


class AttentionWeights(NamedTuple):
    projections: MultiHead
    bias_k: Array  # (1, embed_dim), appended to K, with add_bias_kv, else (0, embed_dim)
    bias_v: Array  # the same for V


class MultiheadAttention(Module):
    """Multi-head attention (4.2) with d_k = d_v = embed_dim / num_heads; key and value may have widths of their own."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        """add_bias_kv: one more key and value, learned, the same for all; add_zero_attn: one more of zeros."""
        check_integer("embed_dim", embed_dim, minimum=1)
        check_heads(num_heads, "embed_dim", embed_dim, name="num_heads")
        check_rate("dropout", dropout)
        for name, switch in (
            ("bias", bias),
            ("add_bias_kv", add_bias_kv),
            ("add_zero_attn", add_zero_attn),
            ("batch_first", batch_first),
        ):
            check_truth(name, switch)
        d_key = embed_dim if kdim is None else kdim
        d_value = embed_dim if vdim is None else vdim
        check_integer("kdim", d_key, minimum=1)
        check_integer("vdim", d_value, minimum=1)
        self.num_heads = num_heads
        self.dropout = dropout
        self.has_bias = bool(bias)
        self.n_zeros = int(add_zero_attn)
        self.batch_first = batch_first
        self.weights = uniform_attention(embed_dim, d_key, d_value, int(add_bias_kv), generator(rng), floating(dtype))

    def __call__(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Array, Array | None]:
        """-> (out, attention weights), as in PyTorch: hence the `[0]` in section 5's code.

        The weights are (B, L_q, L_k), the mean over the heads, or (B, h, L_q, L_k) with average_attn_weights=False;
        appended keys come last in L_k.
        """
        check_truth("need_weights", need_weights)
        check_truth("average_attn_weights", average_attn_weights)
        out, cache = self.forward(query, key, value, key_padding_mask, attn_mask, is_causal)
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
        is_causal: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, MultiHeadCache]:
        """query: (L_q, B, embed_dim), key: (L_k, B, kdim), value: (L_k, B, vdim) -> out: (L_q, B, embed_dim).

        Without a batch, (L, d). key_padding_mask: (B, L_k); attn_mask: (L_q, L_k) or (B*h, L_q, L_k);
        `is_causal` asserts that it is the causal one. A boolean mask has True where a query may NOT attend, PyTorch's
        convention and the opposite of `equations/`: pass ~causal_mask(L). Numbers are added to the scores.
        """
        projections, bias_k, bias_v = self.weights
        for name, x, projection in (
            ("query", query, projections.query),
            ("key", key, projections.key),
            ("value", value, projections.value),
        ):
            check_sequence(name, x, len(projection.W), self.batch_first)
        check_rng(rng)
        x_q, x_k, x_v = (batch_first(x, self.batch_first) for x in (query, key, value))
        check_fellows(x_q, x_k, x_v)
        K_rows, V_rows = (with_zeros(rows, self.n_zeros) for rows in (bias_k, bias_v))
        n, h = len(K_rows), self.num_heads
        mask = score_mask(x_q, x_k, h, n, attn_mask=attn_mask, key_padding_mask=key_padding_mask, is_causal=is_causal)
        x_k_more, x_v_more = (append_positions(x, n) for x in (x_k, x_v))
        weights = append_rows(projections, K_rows, V_rows)
        out, cache = multi_head(x_q, x_k_more, x_v_more, weights, h, mask, Dropout(self.dropout, rng))
        return own_order(out, self.batch_first), cache

    def backward(self, dout: Array, cache: MultiHeadCache) -> tuple[tuple[Array, Array, Array], Named]:
        """-> (dquery, dkey, dvalue), grads"""
        check_dout(dout, cache.query.x, self.batch_first, len(self.weights.projections.output.b))
        dx_q, dx_k_more, dx_v_more, dweights = multi_head_backward(batch_first(dout, self.batch_first), cache)
        n_learned = len(self.weights.bias_k)
        n = n_learned + self.n_zeros
        dx_k, dx_v = (append_positions_backward(dx, n) for dx in (dx_k_more, dx_v_more))
        dprojections, dK_rows, dV_rows = append_rows_backward(dweights, n)
        dbias_k, dbias_v = dK_rows[:n_learned], dV_rows[:n_learned]  # the others are zeros, which are constants
        dquery, dkey, dvalue = (own_order(dx, self.batch_first) for dx in (dx_q, dx_k, dx_v))
        return (dquery, dkey, dvalue), self.named(AttentionWeights(dprojections, dbias_k, dbias_v))

    def all_named(self, weights: AttentionWeights) -> Named:
        projections, bias_k, bias_v = weights
        if len(bias_k) == 0:
            return name_multi_head(projections)
        return name_multi_head(projections) | {"bias_k": bias_k[None], "bias_v": bias_v[None]}

    def from_named(self, arrays: Mapping[str, Array]) -> AttentionWeights:
        projections = multi_head_from_named(arrays)
        if "bias_k" not in arrays:
            none = np.zeros((0, len(projections.key.b)), projections.key.W.dtype)
            return AttentionWeights(projections, none, none)
        return AttentionWeights(projections, arrays["bias_k"][0], arrays["bias_v"][0])


def with_zeros(rows: Array, n: int) -> Array:
    """`rows` and `n` rows of zeros after them, as PyTorch orders them."""
    return np.concatenate([rows, np.zeros((n, rows.shape[-1]), rows.dtype)])


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
    weight = named["out_proj.weight"]
    biases = np.split(bias_or_zeros(named, "in_proj_bias", 3 * len(weight), weight.dtype), 3)
    inputs = [LinearWeights(weight.T, b) for weight, b in zip(projections, biases, strict=True)]
    return MultiHead(*inputs, linear_from_named(under("out_proj", named)))


def uniform_attention(
    d_model: int, d_key: int, d_value: int, n_learned: int, rng: np.random.Generator, dtype: np.dtype
) -> AttentionWeights:
    """`uniform_multi_head`, and appended rows that are normal with variance 1/d_model (Glorot's, for such a row)."""
    projections = uniform_multi_head(d_model, d_key, d_value, rng, dtype)
    bias_k, bias_v = rng.normal(0, 1 / math.sqrt(d_model), (2, n_learned, d_model)).astype(dtype)
    return AttentionWeights(projections, bias_k, bias_v)


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
