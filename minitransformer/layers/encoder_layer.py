"""Sections 3.1 and 5: one encoder layer, self-attention and feed-forward network, each with residual and norm."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_positive, check_rate, check_truth, check_type
from minitransformer.equations.activations import RELU
from minitransformer.equations.dropout import dropping
from minitransformer.equations.op import Op
from minitransformer.layers.add_norm import AddNormCache, add_norm, add_norm_backward, residual, residual_backward
from minitransformer.layers.feed_forward import (
    FeedForward,
    FeedForwardCache,
    feed_forward,
    feed_forward_backward,
    init_feed_forward,
)
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)
from minitransformer.layers.multi_head import (
    MultiHead,
    MultiHeadCache,
    init_multi_head,
    multi_head,
    multi_head_backward,
)
from minitransformer.layers.past import Past
from minitransformer.shapes import check

Array = np.ndarray


class EncoderLayer(NamedTuple):
    self_attention: MultiHead
    norm1: LayerNorm
    feed_forward: FeedForward
    norm2: LayerNorm


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of a layer besides its weights; keyword-only, so that more can be added."""

    h: int  # number of heads: the h that the weights were made for, which their shapes do not tell
    dropout: float = 0.0  # probability that a number is dropped, in [0, 1)
    activation: Op = RELU
    norm_first: bool = False  # False: post-norm, as in the text; True: pre-norm, as in GPT-2
    eps: float = 1e-5  # of the layer norms
    final_eps: float | None = None  # of the norm after the last layer, where it differs
    rotary: bool = False  # queries and keys of self-attention are turned by their positions (`equations/rotary.py`)
    alibi: bool = False  # scores fall with the distance (`equations/alibi.py`): in GPT, the only model that reads it

    def __post_init__(self) -> None:
        """Checked here, once, and not in every layer."""
        check_integer("h", self.h, minimum=1)
        check_rate("dropout", self.dropout)
        check_type("activation", self.activation, Op)
        check_truth("norm_first", self.norm_first)
        check_positive("eps", self.eps)
        check_truth("rotary", self.rotary)
        check_truth("alibi", self.alibi)
        if self.rotary and self.alibi:
            raise ValueError("alibi: got True with rotary=True, expected one of the two")
        if self.final_eps is not None:
            check_positive("final_eps", self.final_eps)


def check_no_alibi(config: Config) -> None:
    """Of a model that would not read it: the mask by distances is causal, and GPT makes it."""
    if config.alibi:
        raise ValueError("config.alibi: got True, expected False: only GPT reads it")


class PostNormCache(NamedTuple):
    self_attention: MultiHeadCache
    add_norm1: AddNormCache
    feed_forward: FeedForwardCache
    add_norm2: AddNormCache


class PreNormCache(NamedTuple):
    norm1: LayerNormCache
    self_attention: MultiHeadCache
    residual1: Array | None
    norm2: LayerNormCache
    feed_forward: FeedForwardCache
    residual2: Array | None


def init_encoder_layer(
    d_model: int, h: int, d_ff: int, rng: np.random.Generator, dtype: DTypeLike = np.float32, h_kv: int | None = None
) -> EncoderLayer:
    return EncoderLayer(
        init_multi_head(d_model, h, rng, dtype, h_kv),
        init_layer_norm(d_model, dtype),
        init_feed_forward(d_model, d_ff, rng, dtype),
        init_layer_norm(d_model, dtype),
    )


def encoder_layer(
    x: Array,
    weights: EncoderLayer,
    config: Config,
    mask: Array | None = None,
    rng: np.random.Generator | None = None,
    past: Past | None = None,
) -> tuple[Array, PostNormCache | PreNormCache]:
    """One encoder layer, in post-norm or pre-norm as `config.norm_first` says.

    x: (..., L, d_model) -> y: (..., L, d_model); mask and past as in `multi_head`; `rng=None` means evaluation.
    """
    if config.norm_first:
        return pre_norm_encoder_layer(x, weights, config, mask, rng, past)
    return post_norm_encoder_layer(x, weights, config, mask, rng, past)


def encoder_layer_backward(dy: Array, cache: PostNormCache | PreNormCache) -> tuple[Array, EncoderLayer]:
    """The backward of the form that made this cache. -> dx, dweights"""
    if isinstance(cache, PreNormCache):
        return pre_norm_encoder_layer_backward(dy, cache)
    return post_norm_encoder_layer_backward(dy, cache)


def post_norm_encoder_layer(
    x: Array,
    weights: EncoderLayer,
    config: Config,
    mask: Array | None = None,
    rng: np.random.Generator | None = None,
    past: Past | None = None,
) -> tuple[Array, PostNormCache]:
    """u = LayerNorm(x + MultiHead(x, x, x)),  y = LayerNorm(u + FFN(u))  (3.1.2 to 3.1.4, section 5)."""
    check("weights.norm1.gamma: d_model, x: ... L d_model", weights.norm1.gamma, x)
    drop = dropping(config.dropout, rng)
    a, attention_cache = multi_head(x, x, x, weights.self_attention, config.h, mask, drop, past, config.rotary)
    u, add_norm1_cache = add_norm(x, a, weights.norm1, config.eps, drop)
    f, feed_forward_cache = feed_forward(u, weights.feed_forward, config.activation, drop)
    y, add_norm2_cache = add_norm(u, f, weights.norm2, config.eps, drop)
    return y, PostNormCache(attention_cache, add_norm1_cache, feed_forward_cache, add_norm2_cache)


def post_norm_encoder_layer_backward(dy: Array, cache: PostNormCache) -> tuple[Array, EncoderLayer]:
    """The forward, read from the bottom up; where a value was used twice, its gradients add."""
    du_around, df, dnorm2 = add_norm_backward(dy, cache.add_norm2)
    du_through, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    du = du_around + du_through  # u went around the feed-forward network and through it
    dx_around, da, dnorm1 = add_norm_backward(du, cache.add_norm1)
    dx_q, dx_k, dx_v, dself_attention = multi_head_backward(da, cache.self_attention)
    dx = dx_around + dx_q + dx_k + dx_v  # x went around the attention, and into it as query, key and value
    return dx, EncoderLayer(dself_attention, dnorm1, dfeed_forward, dnorm2)


def pre_norm_encoder_layer(
    x: Array,
    weights: EncoderLayer,
    config: Config,
    mask: Array | None = None,
    rng: np.random.Generator | None = None,
    past: Past | None = None,
) -> tuple[Array, PreNormCache]:
    """n = LayerNorm(x), u = x + MultiHead(n, n, n),  y = u + FFN(LayerNorm(u))  (Xiong et al. 2020; not in the text).

    Nothing stands on the path around the sublayers, so gradients reach the first layer undamped.
    """
    check("weights.norm1.gamma: d_model, x: ... L d_model", weights.norm1.gamma, x)
    drop = dropping(config.dropout, rng)
    n1, norm1_cache = layer_norm(x, weights.norm1, config.eps)
    a, attention_cache = multi_head(n1, n1, n1, weights.self_attention, config.h, mask, drop, past, config.rotary)
    u, residual1_cache = residual(x, a, drop)
    n2, norm2_cache = layer_norm(u, weights.norm2, config.eps)
    f, feed_forward_cache = feed_forward(n2, weights.feed_forward, config.activation, drop)
    y, residual2_cache = residual(u, f, drop)
    return y, PreNormCache(
        norm1_cache, attention_cache, residual1_cache, norm2_cache, feed_forward_cache, residual2_cache
    )


def pre_norm_encoder_layer_backward(dy: Array, cache: PreNormCache) -> tuple[Array, EncoderLayer]:
    """The forward, read from the bottom up; where a value was used twice, its gradients add."""
    du_around, df = residual_backward(dy, cache.residual2)
    dn2, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    du_through, dnorm2 = layer_norm_backward(dn2, cache.norm2)
    du = du_around + du_through  # u went around norm and feed-forward network, and through them
    dx_around, da = residual_backward(du, cache.residual1)
    dn_q, dn_k, dn_v, dself_attention = multi_head_backward(da, cache.self_attention)
    dn1 = dn_q + dn_k + dn_v  # n1 was query, key and value
    dx_through, dnorm1 = layer_norm_backward(dn1, cache.norm1)
    dx = dx_around + dx_through  # x went around norm and attention, and through them
    return dx, EncoderLayer(dself_attention, dnorm1, dfeed_forward, dnorm2)
