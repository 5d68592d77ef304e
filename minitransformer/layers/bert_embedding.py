"""Section 3.3: what BERT reads, at each position the sum of three vectors: of the token, the position, the segment."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_ids, check_start
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_backward
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.embedding import Embedding, EmbeddingCache, embedding, embedding_backward, init_embedding
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)
from minitransformer.layers.learned_positions import (
    LearnedPositions,
    LearnedPositionsCache,
    learned_positions,
    learned_positions_backward,
)
from minitransformer.shapes import check

Array = np.ndarray

SEGMENTS = 2  # the first sentence, or the question; the second one, or what is asked about


class BertEmbedding(NamedTuple):
    tokens: Embedding  # E: (V, d_model)
    positions: LearnedPositions  # P: (context, d_model)
    segments: Embedding  # E: (2, d_model)
    norm: LayerNorm


class BertEmbeddingCache(NamedTuple):
    tokens: EmbeddingCache
    positions: LearnedPositionsCache
    segments: EmbeddingCache
    norm: LayerNormCache
    m: Array | None  # (..., L, d_model), dropout's mask


def init_bert_embedding(
    V: int, context: int, d_model: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> BertEmbedding:
    """Tokens of standard deviation 1/sqrt(d_model), since the same table scores them.

    The learned positions start as the sines and cosines of 4.3, as large as the tokens: attention finds neighbours with
    them from the start, which it has to before it can guess a token from them. Segments start a tenth as large:
    otherwise what the positions of one segment share would hide that a token in the other segment is the same.
    """
    check_start(rng, dtype, V=V, context=context, d_model=d_model)
    E, S = (init_embedding(n, d_model, rng, dtype).E for n in (V, SEGMENTS))
    size = E.dtype.type(d_model**-0.5)
    P = (math.sqrt(2 / d_model) * positional_encoding(context, d_model)).astype(dtype)
    return BertEmbedding(
        Embedding(E * size), LearnedPositions(P), Embedding(S * (size / 10)), init_layer_norm(d_model, dtype)
    )


def bert_embedding(
    ids: Array,
    segments: Array,
    weights: BertEmbedding,
    eps: float = 1e-12,
    drop: Dropout = NO_DROPOUT,
) -> tuple[Array, BertEmbeddingCache]:
    """x_i = dropout(LayerNorm(E[w_i] + P_i + S[s_i]))  (Devlin et al. 2019, figure 2).

    ids: (..., L) integers in [0, V); segments: (..., L), 0 or 1 -> x: (..., L, d_model)
    """
    check("weights.tokens.E: V d_model, weights.segments.E: two d_model", weights.tokens.E, weights.segments.E)
    check_ids("ids", ids, len(weights.tokens.E), ndim=1)
    check_segments(segments, ids)
    E, tokens_cache = embedding(ids, weights.tokens)  # (..., L, d_model)
    at_position, positions_cache = learned_positions(E, weights.positions)
    S, segments_cache = embedding(segments, weights.segments)
    normed, norm_cache = layer_norm(at_position + S, weights.norm, eps)
    x, m = dropout(normed, drop)
    return x, BertEmbeddingCache(tokens_cache, positions_cache, segments_cache, norm_cache, m)


def bert_embedding_backward(dx: Array, cache: BertEmbeddingCache) -> BertEmbedding:
    """The forward, read from the bottom up: the sum hands the same gradient to each of its terms."""
    dnormed = dropout_backward(dx, cache.m)
    dsum, dnorm = layer_norm_backward(dnormed, cache.norm)
    dsegments = embedding_backward(dsum, cache.segments)
    dE, dpositions = learned_positions_backward(dsum, cache.positions)
    dtokens = embedding_backward(dE, cache.tokens)
    return BertEmbedding(dtokens, dpositions, dsegments, dnorm)


def check_segments(segments: Array, ids: Array) -> None:
    """0 or 1 for each of the ids."""
    check_ids("segments", segments, SEGMENTS)
    if segments.shape != ids.shape:
        raise ValueError(f"segments: got shape {segments.shape}, expected {ids.shape}, the shape of ids")
