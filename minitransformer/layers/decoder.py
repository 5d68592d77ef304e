"""Section 3.2: the decoder, a stack of equal layers, each of which reads the same memory, the encoder's output."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_truth
from minitransformer.layers.decoder_layer import (
    NO_MASKS,
    DecoderLayer,
    Masks,
    PostNormDecoderCache,
    PreNormDecoderCache,
    decoder_layer,
    decoder_layer_backward,
    init_decoder_layer,
)
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)

Array = np.ndarray


class Decoder(NamedTuple):
    layers: tuple[DecoderLayer, ...]
    norm: LayerNorm | None = None  # after the last layer, where pre-norm layers need one


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
    """final_norm: after the last layer, where pre-norm layers need one."""
    check_integer("n_layers", n_layers, minimum=0)
    check_truth("final_norm", final_norm)
    layers = tuple(init_decoder_layer(d_model, h, d_ff, rng, dtype) for _ in range(n_layers))
    return Decoder(layers, init_layer_norm(d_model, dtype) if final_norm else None)


def decoder(
    x: Array,
    memory: Array,
    weights: Decoder,
    config: Config,
    masks: Masks = NO_MASKS,
    rng: np.random.Generator | None = None,
    norm_eps: float | None = None,
) -> tuple[Array, DecoderCache]:
    """x_0 = x,  x_n = DecoderLayer_n(x_{n-1}, memory)  (3.2), then the final norm if there is one.

    x: (..., L_t, d_model), memory: (..., L_s, d_model) -> (..., L_t, d_model); every layer gets the same masks.
    norm_eps: eps of the final norm, if it differs from `config.eps`, that of all the other norms.
    """
    x_n = x
    layer_caches = []
    for layer in weights.layers:
        x_n, layer_cache = decoder_layer(x_n, memory, layer, config, masks, rng)
        layer_caches.append(layer_cache)
    if weights.norm is None:
        return x_n, DecoderCache(memory, tuple(layer_caches), None)
    y, norm_cache = layer_norm(x_n, weights.norm, config.eps if norm_eps is None else norm_eps)
    return y, DecoderCache(memory, tuple(layer_caches), norm_cache)


def decoder_backward(dy: Array, cache: DecoderCache) -> tuple[Array, Array, Decoder]:
    """Back through the norm, then through the layers from the last to the first. -> dx, dmemory, dweights

    The memory went into every layer: its gradient is the sum over all of them.
    """
    if cache.norm is None:
        dx_n, dnorm = dy, None
    else:
        dx_n, dnorm = layer_norm_backward(dy, cache.norm)
    dmemory = np.zeros_like(cache.memory)
    dlayers = []
    for layer_cache in reversed(cache.layers):
        dx_n, dmemory_n, dlayer = decoder_layer_backward(dx_n, layer_cache)
        dmemory = dmemory + dmemory_n
        dlayers.append(dlayer)
    return dx_n, dmemory, Decoder(tuple(reversed(dlayers)), dnorm)
