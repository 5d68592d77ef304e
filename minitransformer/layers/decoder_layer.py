"""Section 3.2: one decoder layer, masked self-attention, encoder-decoder attention and feed-forward network.

Each of the three sublayers has its residual and norm. The encoder's output is called memory: it is what the decoder
layer reads the source from, as keys and values, while the queries come from what has been written so far.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.equations.dropout import dropping
from minitransformer.layers.add_norm import AddNormCache, add_norm, add_norm_backward, residual, residual_backward
from minitransformer.layers.encoder_layer import Config
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


class DecoderLayer(NamedTuple):
    self_attention: MultiHead
    norm1: LayerNorm
    cross_attention: MultiHead
    norm2: LayerNorm
    feed_forward: FeedForward
    norm3: LayerNorm


class Masks(NamedTuple):
    """Who may attend to whom: `target` among the decoder's own positions, `memory` from them to the encoder's.

    Each as in `multi_head`.
    """

    target: Array | None = None  # broadcasts against (..., L_t, L_t)
    memory: Array | None = None  # broadcasts against (..., L_t, L_s)


class DecoderPast(NamedTuple):
    """Keys and values of before: of the decoder's own positions, and of the encoder's, all of which are there."""

    target: Past
    memory: Past


WITHOUT_PAST = (
    "weights.norm1.gamma: d_model, weights.cross_attention.key.W: d_memory d_heads, "
    "x: ... L_t d_model, memory: ... L_s d_memory"
)
WITH_PAST = WITHOUT_PAST.replace("L_s", "L_s?")  # all of the memory is in the past: nothing in it is new
NO_MASKS = Masks()
NO_PAST = DecoderPast(None, None)


class PostNormDecoderCache(NamedTuple):
    self_attention: MultiHeadCache
    add_norm1: AddNormCache
    cross_attention: MultiHeadCache
    add_norm2: AddNormCache
    feed_forward: FeedForwardCache
    add_norm3: AddNormCache


class PreNormDecoderCache(NamedTuple):
    norm1: LayerNormCache
    self_attention: MultiHeadCache
    residual1: Array | None
    norm2: LayerNormCache
    cross_attention: MultiHeadCache
    residual2: Array | None
    norm3: LayerNormCache
    feed_forward: FeedForwardCache
    residual3: Array | None


def init_decoder_layer(
    d_model: int, h: int, d_ff: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> DecoderLayer:
    return DecoderLayer(
        init_multi_head(d_model, h, rng, dtype),
        init_layer_norm(d_model, dtype),
        init_multi_head(d_model, h, rng, dtype),
        init_layer_norm(d_model, dtype),
        init_feed_forward(d_model, d_ff, rng, dtype),
        init_layer_norm(d_model, dtype),
    )


def decoder_layer(
    x: Array,
    memory: Array,
    weights: DecoderLayer,
    config: Config,
    masks: Masks = NO_MASKS,
    rng: np.random.Generator | None = None,
    past: DecoderPast = NO_PAST,
) -> tuple[Array, PostNormDecoderCache | PreNormDecoderCache]:
    """One decoder layer, in post-norm or pre-norm as `config.norm_first` says.

    x: (..., L_t, d_model), memory: (..., L_s, d_model) -> y: (..., L_t, d_model). That no position sees a later one is
    the caller's mask: `Masks(target=causal_mask(L_t))`. `rng=None` means evaluation. past: as in `multi_head`; memory
    is then (..., 0, d_model), for there is nothing new in it.
    """
    if config.norm_first:
        return pre_norm_decoder_layer(x, memory, weights, config, masks, rng, past)
    return post_norm_decoder_layer(x, memory, weights, config, masks, rng, past)


def decoder_layer_backward(
    dy: Array, cache: PostNormDecoderCache | PreNormDecoderCache
) -> tuple[Array, Array, DecoderLayer]:
    """The backward of the form that made this cache. -> dx, dmemory, dweights"""
    if isinstance(cache, PreNormDecoderCache):
        return pre_norm_decoder_layer_backward(dy, cache)
    return post_norm_decoder_layer_backward(dy, cache)


def post_norm_decoder_layer(
    x: Array,
    memory: Array,
    weights: DecoderLayer,
    config: Config,
    masks: Masks = NO_MASKS,
    rng: np.random.Generator | None = None,
    past: DecoderPast = NO_PAST,
) -> tuple[Array, PostNormDecoderCache]:
    """Three sublayers, each with residual and norm, y = LayerNorm(x + sublayer(x)), as in 3.1.4:

        u = LayerNorm(x + MultiHead(x, x, x))              masked self-attention (3.2.1)
        v = LayerNorm(u + MultiHead(u, memory, memory))    encoder-decoder attention (3.2.2)
        y = LayerNorm(v + FFN(v))

    x: (..., L_t, d_model), memory: (..., L_s, d_model) -> y: (..., L_t, d_model)
    """
    check(WITHOUT_PAST if past is NO_PAST else WITH_PAST, weights.norm1.gamma, weights.cross_attention.key.W, x, memory)
    drop = dropping(config.dropout, rng)
    a, self_attention_cache = multi_head(
        x, x, x, weights.self_attention, config.h, masks.target, drop, past.target, config.rotary
    )
    u, add_norm1_cache = add_norm(x, a, weights.norm1, config.eps, drop)  # (..., L_t, d_model)
    c, cross_attention_cache = multi_head(
        u, memory, memory, weights.cross_attention, config.h, masks.memory, drop, past.memory
    )  # c: (..., L_t, d_model)
    v, add_norm2_cache = add_norm(u, c, weights.norm2, config.eps, drop)
    f, feed_forward_cache = feed_forward(v, weights.feed_forward, config.activation, drop)
    y, add_norm3_cache = add_norm(v, f, weights.norm3, config.eps, drop)
    return y, PostNormDecoderCache(
        self_attention_cache,
        add_norm1_cache,
        cross_attention_cache,
        add_norm2_cache,
        feed_forward_cache,
        add_norm3_cache,
    )


def post_norm_decoder_layer_backward(dy: Array, cache: PostNormDecoderCache) -> tuple[Array, Array, DecoderLayer]:
    """The forward, read from the bottom up; where a value was used twice, its gradients add.

    -> dx, dmemory, dweights
    """
    dv_around, df, dnorm3 = add_norm_backward(dy, cache.add_norm3)
    dv_through, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    dv = dv_around + dv_through  # v went around the feed-forward network and through it
    du_around, dc, dnorm2 = add_norm_backward(dv, cache.add_norm2)
    du_q, dmemory_k, dmemory_v, dcross_attention = multi_head_backward(dc, cache.cross_attention)
    dmemory = dmemory_k + dmemory_v  # (..., L_s, d_model); memory was key and value
    du = du_around + du_q  # u went around the encoder-decoder attention, and into it as query alone
    dx_around, da, dnorm1 = add_norm_backward(du, cache.add_norm1)
    dx_q, dx_k, dx_v, dself_attention = multi_head_backward(da, cache.self_attention)
    dx = dx_around + dx_q + dx_k + dx_v  # x went around the self-attention, and into it as query, key and value
    return dx, dmemory, DecoderLayer(dself_attention, dnorm1, dcross_attention, dnorm2, dfeed_forward, dnorm3)


def pre_norm_decoder_layer(
    x: Array,
    memory: Array,
    weights: DecoderLayer,
    config: Config,
    masks: Masks = NO_MASKS,
    rng: np.random.Generator | None = None,
    past: DecoderPast = NO_PAST,
) -> tuple[Array, PreNormDecoderCache]:
    """Three sublayers, each with the norm before it and nothing on the path around it (Xiong et al. 2020):

        u = x + MultiHead(n1, n1, n1)             with n1 = LayerNorm(x)
        v = u + MultiHead(n2, memory, memory)     with n2 = LayerNorm(u)
        y = v + FFN(n3)                           with n3 = LayerNorm(v)

    x: (..., L_t, d_model), memory: (..., L_s, d_model) -> y: (..., L_t, d_model). The memory is not
    normalized here: a pre-norm encoder ends with a norm of its own.
    """
    check(WITHOUT_PAST if past is NO_PAST else WITH_PAST, weights.norm1.gamma, weights.cross_attention.key.W, x, memory)
    drop = dropping(config.dropout, rng)
    n1, norm1_cache = layer_norm(x, weights.norm1, config.eps)
    a, self_attention_cache = multi_head(
        n1, n1, n1, weights.self_attention, config.h, masks.target, drop, past.target, config.rotary
    )
    u, residual1_cache = residual(x, a, drop)
    n2, norm2_cache = layer_norm(u, weights.norm2, config.eps)
    c, cross_attention_cache = multi_head(
        n2, memory, memory, weights.cross_attention, config.h, masks.memory, drop, past.memory
    )  # c: (..., L_t, d_model)
    v, residual2_cache = residual(u, c, drop)
    n3, norm3_cache = layer_norm(v, weights.norm3, config.eps)
    f, feed_forward_cache = feed_forward(n3, weights.feed_forward, config.activation, drop)
    y, residual3_cache = residual(v, f, drop)
    return y, PreNormDecoderCache(
        norm1_cache,
        self_attention_cache,
        residual1_cache,
        norm2_cache,
        cross_attention_cache,
        residual2_cache,
        norm3_cache,
        feed_forward_cache,
        residual3_cache,
    )


def pre_norm_decoder_layer_backward(dy: Array, cache: PreNormDecoderCache) -> tuple[Array, Array, DecoderLayer]:
    """The forward, read from the bottom up; where a value was used twice, its gradients add.

    -> dx, dmemory, dweights
    """
    dv_around, df = residual_backward(dy, cache.residual3)
    dn3, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    dv_through, dnorm3 = layer_norm_backward(dn3, cache.norm3)
    dv = dv_around + dv_through  # v went around norm and feed-forward network, and through them
    du_around, dc = residual_backward(dv, cache.residual2)
    dn2, dmemory_k, dmemory_v, dcross_attention = multi_head_backward(dc, cache.cross_attention)
    dmemory = dmemory_k + dmemory_v  # (..., L_s, d_model); memory was key and value
    du_through, dnorm2 = layer_norm_backward(dn2, cache.norm2)
    du = du_around + du_through  # u went around norm and encoder-decoder attention, and into them as query
    dx_around, da = residual_backward(du, cache.residual1)
    dn_q, dn_k, dn_v, dself_attention = multi_head_backward(da, cache.self_attention)
    dn1 = dn_q + dn_k + dn_v  # n1 was query, key and value
    dx_through, dnorm1 = layer_norm_backward(dn1, cache.norm1)
    dx = dx_around + dx_through  # x went around norm and self-attention, and through them
    return dx, dmemory, DecoderLayer(dself_attention, dnorm1, dcross_attention, dnorm2, dfeed_forward, dnorm3)
