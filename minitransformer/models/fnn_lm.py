"""Section 2.1.3: the feed-forward neural language model (FNNLM; Bengio et al. 2003)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_ids, check_integer
from minitransformer.equations.activations import tanh, tanh_backward
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.shapes import check

Array = np.ndarray


class FnnLM(NamedTuple):
    embedding: Embedding  # E: (V, d)
    hidden: Linear  # W: ((n-1)*d, d_hidden)
    output: Linear  # W: (d_hidden, V)


class FnnLMCache(NamedTuple):
    embedding: EmbeddingCache
    hidden: LinearCache
    activation: Array  # (..., d_hidden)
    output: LinearCache


def init_fnn_lm(
    V: int, n: int, d: int, d_hidden: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> FnnLM:
    """An n-gram model in that it sees n - 1 tokens; n is 2 or more."""
    check_integer("n", n, minimum=2)
    return FnnLM(
        init_embedding(V, d, rng, dtype),
        init_linear((n - 1) * d, d_hidden, rng, dtype),
        init_linear(d_hidden, V, rng, dtype),
    )


def fnn_lm(histories: Array, weights: FnnLM) -> tuple[Array, FnnLMCache]:
    """logits = tanh([E[w_{i-n+1}]; ...; E[w_{i-1}]] W_1 + b_1) W_2 + b_2, whose softmax is P(w_i | the n - 1 before).

    histories: (..., n - 1) integers in [0, V) -> logits: (..., V). Where an n-gram model knows only the histories that
    it has counted, this one knows tokens by their vectors: what it learns of one history holds for similar ones.
    """
    check("weights.embedding.E: V d", weights.embedding.E)
    V, d = weights.embedding.E.shape
    check_ids("histories", histories, V, ndim=1)
    n_tokens = len(weights.hidden.W) // d
    if histories.shape[-1] != n_tokens:
        raise ValueError(f"histories: got shape {histories.shape}, expected {n_tokens} tokens on the last axis")
    vectors, embedding_cache = embedding(histories, weights.embedding)
    joined = vectors.reshape(*histories.shape[:-1], n_tokens * d)
    z, hidden_cache = linear(joined, weights.hidden)  # (..., d_hidden)
    hidden, activation_cache = tanh(z)
    logits, output_cache = linear(hidden, weights.output)  # (..., V)
    return logits, FnnLMCache(embedding_cache, hidden_cache, activation_cache, output_cache)


def fnn_lm_backward(dlogits: Array, cache: FnnLMCache) -> FnnLM:
    """The forward, read from the bottom up. The ids have no gradient."""
    dhidden, doutput = linear_backward(dlogits, cache.output)  # (..., d_hidden)
    dz = tanh_backward(dhidden, cache.activation)
    djoined, dhidden_weights = linear_backward(dz, cache.hidden)
    d = cache.embedding.weights.E.shape[-1]
    dvectors = djoined.reshape(*cache.embedding.ids.shape, d)
    dembedding = embedding_backward(dvectors, cache.embedding)
    return FnnLM(dembedding, dhidden_weights, doutput)
