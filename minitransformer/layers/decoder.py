"""Section 3.2: the decoder, a stack of equal layers, each of which reads the same memory, the encoder's output."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.layers.decoder_layer import (
    NO_MASKS,
    NO_PAST,
    DecoderLayer,
    DecoderPast,
    Masks,
    PostNormDecoderCache,
    PreNormDecoderCache,
    decoder_layer,
    decoder_layer_backward,
    init_decoder_layer,
)
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import LayerNorm, LayerNormCache
from minitransformer.layers.stack import init_stack, last_norm, last_norm_backward

Array = np.ndarray


class Decoder(NamedTuple):
    layers: tuple[DecoderLayer, ...]
    norm: LayerNorm | None = None  # after the last layer


class DecoderCache(NamedTuple):
    memory: Array  # (..., L_s, d_model)
    layers: tuple[PostNormDecoderCache | PreNormDecoderCache, ...]
    norm: LayerNormCache | None


def init_decoder(
    n_layers: int,
    d_model: int,
    h: int,
    d_ff: int,
    rng: np.random.Generator,
    dtype: DTypeLike = np.float32,
    final_norm: bool = False,
) -> Decoder:
    """final_norm: as in `init_stack`."""
    return Decoder(
        *init_stack(lambda: init_decoder_layer(d_model, h, d_ff, rng, dtype), n_layers, d_model, dtype, final_norm)
    )


def decoder(
    x: Array,
    memory: Array,
    weights: Decoder,
    config: Config,
    masks: Masks = NO_MASKS,
    rng: np.random.Generator | None = None,
    past: tuple[DecoderPast, ...] | None = None,
) -> tuple[Array, DecoderCache]:
    """x_0 = x,  x_n = DecoderLayer_n(x_{n-1}, memory)  (3.2), then the final norm if there is one.

    x: (..., L_t, d_model), memory: (..., L_s, d_model) -> (..., L_t, d_model); every layer gets the same masks, and a
    past of its own.
    """
    pasts = past or (NO_PAST,) * len(weights.layers)
    x_n = x
    layer_caches = []
    for layer, past_n in zip(weights.layers, pasts, strict=True):
        x_n, layer_cache = decoder_layer(x_n, memory, layer, config, masks, rng, past_n)
        layer_caches.append(layer_cache)
    y, norm_cache = last_norm(x_n, weights.norm, config)
    return y, DecoderCache(memory, tuple(layer_caches), norm_cache)


def decoder_backward(dy: Array, cache: DecoderCache) -> tuple[Array, Array, Decoder]:
    """Back through the norm, then through the layers from the last to the first. -> dx, dmemory, dweights

    The memory went into every layer: its gradient is the sum over all of them.
    """
    dx_n, dnorm = last_norm_backward(dy, cache.norm)
    dmemory = np.zeros_like(cache.memory)
    dlayers = []
    for layer_cache in reversed(cache.layers):
        dx_n, dmemory_n, dlayer = decoder_layer_backward(dx_n, layer_cache)
        dmemory = dmemory + dmemory_n
        dlayers.append(dlayer)
    return dx_n, dmemory, Decoder(tuple(reversed(dlayers)), dnorm)
