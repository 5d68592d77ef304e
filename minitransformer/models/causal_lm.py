"""Section 3.4.1: a causal language model predicts each next word from all the words before it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.arguments import check_ids
from minitransformer.equations.masks import causal_mask
from minitransformer.equations.positional_encoding import add_positions, add_positions_backward
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward

Array = np.ndarray


class CausalLM(NamedTuple):
    embedding: Embedding
    encoder: Encoder
    output: Linear  # W: (d_model, V)


class CausalLMCache(NamedTuple):
    embedding: EmbeddingCache
    encoder: EncoderCache
    output: LinearCache


def init_causal_lm(
    V: int, n_layers: int, d_model: int, h: int, d_ff: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> CausalLM:
    return CausalLM(
        init_embedding(V, d_model, rng, dtype),
        init_encoder(n_layers, d_model, h, d_ff, rng, dtype),
        init_linear(d_model, V, rng, dtype),
    )


def causal_lm(
    ids: Array, weights: CausalLM, config: Config, rng: np.random.Generator | None = None
) -> tuple[Array, CausalLMCache]:
    """logits_i scores every word as the one after w_1, ..., w_i: softmax(logits_i) = P(w_{i+1} | w_1, ..., w_i).

    ids: (..., L) integers in [0, V) -> logits: (..., L, V). Embedding plus positions (3.1.1), encoder layers under a
    causal mask (3.2.1), projection onto the vocabulary. One pass predicts the next word at every position.
    """
    check_ids("ids", ids, len(weights.embedding.E), ndim=1)
    E, embedding_cache = embedding(ids, weights.embedding)  # (..., L, d_model)
    x, _ = add_positions(E)
    mask = causal_mask(ids.shape[-1])  # (L, L)
    y, encoder_cache = encoder(x, weights.encoder, config, mask, rng=rng)
    logits, output_cache = linear(y, weights.output)  # (..., L, V)
    return logits, CausalLMCache(embedding_cache, encoder_cache, output_cache)


def causal_lm_backward(dlogits: Array, cache: CausalLMCache) -> CausalLM:
    """The forward, read from the bottom up. The ids have no gradient."""
    dy, doutput = linear_backward(dlogits, cache.output)  # (..., L, d_model)
    dx, dencoder = encoder_backward(dy, cache.encoder)
    dE = add_positions_backward(dx, None)
    dembedding = embedding_backward(dE, cache.embedding)
    return CausalLM(dembedding, dencoder, doutput)
