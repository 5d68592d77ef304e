"""Section 3.3: BERT, an encoder that reads a text, or a pair of texts, from both sides at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_lengths, check_tokens, check_truth
from minitransformer.equations.attention import padding_mask
from minitransformer.equations.dropout import dropping
from minitransformer.layers.bert_embedding import (
    BertEmbedding,
    BertEmbeddingCache,
    bert_embedding,
    bert_embedding_backward,
    init_bert_embedding,
)
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import Config, check_no_alibi
from minitransformer.layers.mimetic_initialization import mimetic_encoder

Array = np.ndarray


class Bert(NamedTuple):
    """What every task has in common. The heads on top of it are in `bert_pretraining.py` and in its neighbours."""

    embedding: BertEmbedding
    layers: Encoder


class BertCache(NamedTuple):
    embedding: BertEmbeddingCache
    layers: EncoderCache


def init_bert(
    V: int,
    context: int,
    n_layers: int,
    d_model: int,
    h: int,
    d_ff: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    final_norm: bool = False,
    looking: bool = False,
) -> Bert:
    """context: the longest input, for whose positions vectors are learned.

    final_norm: after the last layer, as a pre-norm stack needs it; looking: with the heads of `mimetic_initialization`.
    """
    check_truth("looking", looking)
    embedding = init_bert_embedding(V, context, d_model, rng, dtype)
    layers = init_encoder(n_layers, d_model, h, d_ff, rng, dtype, final_norm)
    return Bert(embedding, mimetic_encoder(layers, h, rng) if looking else layers)


def bert(
    ids: Array,
    segments: Array,
    lengths: Array | None,
    weights: Bert,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[Array, BertCache]:
    """y_i, what is known about position i from the whole input, the tokens before it and those after it.

    ids, segments: (..., L); lengths: (...), how many tokens of each sequence are no padding, None: all
    -> y: (..., L, d_model). Unlike GPT there is no causal mask; so it cannot generate text, but it sees both
    sides of each position.
    """
    check_tokens("ids", ids, len(weights.embedding.tokens.E))
    check_no_alibi(config)
    if lengths is not None:
        check_lengths(lengths, ids)
    mask = None if lengths is None else padding_mask(lengths, ids.shape[-1])  # (..., 1, L)
    x, embedding_cache = bert_embedding(ids, segments, weights.embedding, config.eps, dropping(config.dropout, rng))
    y, layers_cache = encoder(x, weights.layers, config, mask, rng)  # (..., L, d_model)
    return y, BertCache(embedding_cache, layers_cache)


def bert_backward(dy: Array, cache: BertCache) -> Bert:
    """The forward, read from the bottom up. Tokens and segments have no gradient, their vectors have."""
    dx, dlayers = encoder_backward(dy, cache.layers)
    dembedding = bert_embedding_backward(dx, cache.embedding)
    return Bert(dembedding, dlayers)
