"""Sections 2.2.2 and 3.2: the Transformer, from a source sequence to a target sequence by attention alone."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_ids, check_lengths, check_tokens, check_truth
from minitransformer.equations.attention import causal_mask, padding_mask
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward, dropping
from minitransformer.equations.positional_encoding import add_positions, add_positions_backward
from minitransformer.layers.decoder import Decoder, DecoderCache, decoder, decoder_backward, init_decoder
from minitransformer.layers.decoder_layer import Masks
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import Config, check_no_alibi
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.tied_output import TiedOutputCache, tied_output, tied_output_backward

Array = np.ndarray


class Transformer(NamedTuple):
    source: Embedding  # E: (V_s, d_model)
    target: Embedding | None  # E: (V_t, d_model); None: the source's, for languages that share a vocabulary
    encoder: Encoder
    decoder: Decoder
    output: Linear | None  # W: (d_model, V_t); None: tied to the target's E


class EmbedTokensCache(NamedTuple):
    embedding: EmbeddingCache
    m: Array | None  # (..., L, d_model), dropout's mask


class TransformerCache(NamedTuple):
    source: EmbedTokensCache
    encoder: EncoderCache
    target: EmbedTokensCache
    decoder: DecoderCache
    output: LinearCache | TiedOutputCache
    shared: bool  # one table for both languages


def init_transformer(
    V_s: int,
    V_t: int | None,
    n_layers: int,
    d_model: int,
    h: int,
    d_ff: int,
    rng: np.random.Generator,
    tied: bool = True,
    final_norms: bool = False,
    dtype: DTypeLike = np.float32,
) -> Transformer:
    """n_layers of encoder and as many of decoder. V_t=None: source and target share one vocabulary and one table.

    tied: the target's table scores the tokens, too (Vaswani et al. 2017 share all three). final_norms: after the last
    layer of each stack, where pre-norm layers need one.
    """
    check_truth("tied", tied)

    def table(V: int) -> Embedding:  # of order 1/sqrt(d_model), as `embed_tokens` expects
        E = init_embedding(V, d_model, rng, dtype).E
        return Embedding(E * E.dtype.type(d_model**-0.5))

    return Transformer(
        table(V_s),
        None if V_t is None else table(V_t),
        init_encoder(n_layers, d_model, h, d_ff, rng, dtype, final_norms),
        init_decoder(n_layers, d_model, h, d_ff, rng, dtype, final_norms),
        None if tied else init_linear(d_model, V_s if V_t is None else V_t, rng, dtype),
    )


def target_table(weights: Transformer) -> Embedding:
    """The target's own table, or the one that both languages share."""
    return weights.source if weights.target is None else weights.target


def embed_tokens(
    ids: Array, weights: Embedding, drop: Dropout = NO_DROPOUT, start: int = 0
) -> tuple[Array, EmbedTokensCache]:
    """x = dropout(sqrt(d_model) E[w] + P)  (3.1.1; Vaswani et al. 2017, 3.4).

    ids: (..., L) -> x: (..., L, d_model), at the positions from `start` on. A table that also scores tokens has numbers
    of order 1/sqrt(d_model): the factor brings them up to the size of the sines.
    """
    check_ids("ids", ids, len(weights.E), ndim=1)
    E, embedding_cache = embedding(ids, weights)  # (..., L, d_model)
    scaled = E * math.sqrt(E.shape[-1])
    summed, _ = add_positions(scaled, start)
    x, m = dropout(summed, drop)
    return x, EmbedTokensCache(embedding_cache, m)


def embed_tokens_backward(dx: Array, cache: EmbedTokensCache) -> Embedding:
    """The forward, read from the bottom up. The ids have no gradient."""
    dsummed = dropout_backward(dx, cache.m)
    dscaled = add_positions_backward(dsummed, None)
    dE = dscaled * math.sqrt(dx.shape[-1])
    return embedding_backward(dE, cache.embedding)


def source_mask(source: Array, lengths: Array | None) -> Array | None:
    """Whoever looks at the source, looks at its tokens, not at the padding.  -> (..., 1, L_s)"""
    if lengths is None:
        return None
    check_lengths(lengths, source)
    return padding_mask(lengths, source.shape[-1])


def transformer(
    source: Array,
    target: Array,
    weights: Transformer,
    config: Config,
    lengths: Array | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Array, TransformerCache]:
    """logits_i scores every token as the next after w_1, ..., w_i of the target, given the whole source.

    source: (..., L_s) and target: (..., L_t) integers; lengths: (...), how many tokens of each source are no padding
    -> logits: (..., L_t, V_t). In training the target is the right translation from a start token on (teacher forcing),
    and one pass predicts every next token. Padding at a target's end needs no mask: no token before it sees it.
    """
    check_no_alibi(config)
    check_tokens("source", source, len(weights.source.E))
    check_tokens("target", target, len(target_table(weights).E))
    drop = dropping(config.dropout, rng)
    mask = source_mask(source, lengths)  # (..., 1, L_s)
    x, source_cache = embed_tokens(source, weights.source, drop)  # (..., L_s, d_model)
    memory, encoder_cache = encoder(x, weights.encoder, config, mask, rng)  # (..., L_s, d_model)
    z, target_cache = embed_tokens(target, target_table(weights), drop)  # (..., L_t, d_model)
    masks = Masks(target=causal_mask(target.shape[-1]), memory=mask)
    y, decoder_cache = decoder(z, memory, weights.decoder, config, masks, rng)  # (..., L_t, d_model)
    if weights.output is None:
        logits, output_cache = tied_output(y, target_table(weights))
    else:
        logits, output_cache = linear(y, weights.output)
    shared = weights.target is None
    return logits, TransformerCache(source_cache, encoder_cache, target_cache, decoder_cache, output_cache, shared)


def transformer_backward(dlogits: Array, cache: TransformerCache) -> Transformer:
    """The forward, read from the bottom up: the decoder's gradient reaches the encoder by way of the memory alone.

    A table gets a gradient from each use: where source tokens come in, where target tokens do, where they go out.
    """
    if isinstance(cache.output, TiedOutputCache):
        dy, dtable_out = tied_output_backward(dlogits, cache.output)  # (..., L_t, d_model)
        doutput = None
    else:
        dy, doutput = linear_backward(dlogits, cache.output)
        dtable_out = None
    dz, dmemory, ddecoder = decoder_backward(dy, cache.decoder)
    dtable_in = embed_tokens_backward(dz, cache.target)
    dx, dencoder = encoder_backward(dmemory, cache.encoder)
    dsource = embed_tokens_backward(dx, cache.source)
    dtarget = dtable_in if dtable_out is None else Embedding(dtable_in.E + dtable_out.E)
    if cache.shared:
        return Transformer(Embedding(dsource.E + dtarget.E), None, dencoder, ddecoder, doutput)
    return Transformer(dsource, dtarget, dencoder, ddecoder, doutput)
