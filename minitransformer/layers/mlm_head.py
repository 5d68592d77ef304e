"""Section 3.3.1: BERT's guess of a masked token, scored with the vectors that embed the tokens."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_start, check_type
from minitransformer.equations.op import Op
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
from minitransformer.shapes import check

Array = np.ndarray


class MLMHead(NamedTuple):
    transform: Linear  # W: (d_model, d_model)
    norm: LayerNorm
    b: Array  # (V,)


class MLMHeadCache(NamedTuple):
    transform: LinearCache
    activation: Op
    activation_cache: Any
    norm: LayerNormCache
    output: TiedOutputCache


def init_mlm_head(V: int, d_model: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> MLMHead:
    check_start(rng, dtype, V=V, d_model=d_model)
    return MLMHead(init_linear(d_model, d_model, rng, dtype), init_layer_norm(d_model, dtype), np.zeros(V, dtype))


def mlm_head(
    y: Array, weights: MLMHead, embedding: Embedding, activation: Op, eps: float = 1e-12
) -> tuple[Array, MLMHeadCache]:
    """logits = LayerNorm(GELU(y W + b)) E^T + b_V  (Devlin et al. 2019).

    y: (..., d_model), what the encoder has at masked positions -> logits: (..., V). embedding: the table E.
    """
    check("embedding.E: V d_model, weights.b: V", embedding.E, weights.b)
    check_type("activation", activation, Op)
    z, transform_cache = linear(y, weights.transform)  # (..., d_model)
    hidden, activation_cache = activation.forward(z)
    t, norm_cache = layer_norm(hidden, weights.norm, eps)
    scores, output_cache = tied_output(t, embedding)  # (..., V)
    logits = scores + weights.b
    return logits, MLMHeadCache(transform_cache, activation, activation_cache, norm_cache, output_cache)


def mlm_head_backward(dlogits: Array, cache: MLMHeadCache) -> tuple[Array, MLMHead, Embedding]:
    """The forward, read from the bottom up. -> dy, dweights, dembedding

    dembedding is one of two gradients of E: the other comes from where E embeds the input, and the caller adds them.
    """
    db = column_sum(dlogits)
    dt, dembedding = tied_output_backward(dlogits, cache.output)
    dhidden, dnorm = layer_norm_backward(dt, cache.norm)
    dz = cache.activation.backward(dhidden, cache.activation_cache)
    dy, dtransform = linear_backward(dz, cache.transform)
    return dy, MLMHead(dtransform, dnorm, db), dembedding
