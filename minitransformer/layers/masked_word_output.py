"""Section 3.3.1: BERT's guess of a masked word, scored with the vectors that embed the words."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.arguments import check_rank, check_shape, check_start, check_type
from minitransformer.equations.pair import Pair
from minitransformer.equations.rows import column_sum
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.tied_output import TiedOutputCache, tied_output, tied_output_backward

Array = np.ndarray


class MaskedWordOutput(NamedTuple):
    transform: Linear  # W: (d_model, d_model)
    norm: LayerNorm
    b: Array  # (V,)


class MaskedWordOutputCache(NamedTuple):
    transform: LinearCache
    activation: Pair
    activation_cache: Any
    norm: LayerNormCache
    output: TiedOutputCache


def init_masked_word_output(
    V: int, d_model: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> MaskedWordOutput:
    check_start(rng, dtype, V=V, d_model=d_model)
    return MaskedWordOutput(
        init_linear(d_model, d_model, rng, dtype), init_layer_norm(d_model, dtype), np.zeros(V, dtype)
    )


def masked_word_output(
    y: Array, weights: MaskedWordOutput, words: Embedding, activation: Pair, eps: float = 1e-12
) -> tuple[Array, MaskedWordOutputCache]:
    """logits = LayerNorm(GELU(y W + b)) E^T + b_V  (Devlin et al. 2019).

    y: (..., d_model), what the encoder has at masked places -> logits: (..., V). words: the table E of the embedding.
    """
    check_rank("words.E", words.E, 2)
    check_shape("weights.b", weights.b, (len(words.E),))
    check_type("activation", activation, Pair)
    z, transform_cache = linear(y, weights.transform)  # (..., d_model)
    hidden, activation_cache = activation.forward(z)
    t, norm_cache = layer_norm(hidden, weights.norm, eps)
    scores, output_cache = tied_output(t, words)  # (..., V)
    logits = scores + weights.b
    return logits, MaskedWordOutputCache(transform_cache, activation, activation_cache, norm_cache, output_cache)


def masked_word_output_backward(
    dlogits: Array, cache: MaskedWordOutputCache
) -> tuple[Array, MaskedWordOutput, Embedding]:
    """The forward, read from the bottom up. -> dy, dweights, dwords

    dwords is one of the two gradients of E: the other comes from where E embeds the input, and the caller adds them.
    """
    db = column_sum(dlogits)
    dt, dwords = tied_output_backward(dlogits, cache.output)
    dhidden, dnorm = layer_norm_backward(dt, cache.norm)
    dz = cache.activation.backward(dhidden, cache.activation_cache)
    dy, dtransform = linear_backward(dz, cache.transform)
    return dy, MaskedWordOutput(dtransform, dnorm, db), dwords
