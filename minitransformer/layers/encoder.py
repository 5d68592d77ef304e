"""Section 3.1: the encoder, a stack of equal layers, each reading what the one below it wrote."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.layers.encoder_layer import (
    Config,
    EncoderLayer,
    PostNormCache,
    PreNormCache,
    encoder_layer,
    encoder_layer_backward,
    init_encoder_layer,
)
from minitransformer.layers.layer_norm import LayerNorm, LayerNormCache
from minitransformer.layers.past import Past
from minitransformer.layers.stack import init_stack, last_norm, last_norm_backward

Array = np.ndarray


class Encoder(NamedTuple):
    layers: tuple[EncoderLayer, ...]
    norm: LayerNorm | None = None  # after the last layer


class EncoderCache(NamedTuple):
    layers: tuple[PostNormCache | PreNormCache, ...]
    norm: LayerNormCache | None


def init_encoder(
    n_layers: int,
    d_model: int,
    h: int,
    d_ff: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    final_norm: bool = False,
    h_kv: int | None = None,
) -> Encoder:
    """final_norm: as in `init_stack`; h_kv: as in `init_multi_head`."""
    return Encoder(
        *init_stack(
            lambda: init_encoder_layer(d_model, h, d_ff, rng, dtype, h_kv), n_layers, d_model, dtype, final_norm
        )
    )


def encoder(
    x: Array,
    weights: Encoder,
    config: Config,
    mask: Array | None = None,
    rng: np.random.Generator | None = None,
    past: tuple[Past, ...] | None = None,
) -> tuple[Array, EncoderCache]:
    """x_0 = x,  x_n = EncoderLayer_n(x_{n-1})  (3.1), then the final norm if there is one.

    x: (..., L, d_model) -> (..., L, d_model); every layer gets the same mask, as in `multi_head`, and a past of
    its own.
    """
    pasts = past or (None,) * len(weights.layers)
    x_n = x
    layer_caches = []
    for layer, past_n in zip(weights.layers, pasts, strict=True):
        x_n, layer_cache = encoder_layer(x_n, layer, config, mask, rng, past_n)
        layer_caches.append(layer_cache)
    y, norm_cache = last_norm(x_n, weights.norm, config)
    return y, EncoderCache(tuple(layer_caches), norm_cache)


def encoder_backward(dy: Array, cache: EncoderCache) -> tuple[Array, Encoder]:
    """Back through the norm, then through the layers from the last to the first. -> dx, dweights"""
    dx_n, dnorm = last_norm_backward(dy, cache.norm)
    dlayers = []
    for layer_cache in reversed(cache.layers):
        dx_n, dlayer = encoder_layer_backward(dx_n, layer_cache)
        dlayers.append(dlayer)
    return dx_n, Encoder(tuple(reversed(dlayers)), dnorm)
