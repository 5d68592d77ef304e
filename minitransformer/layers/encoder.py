"""Section 3.1: the encoder, a stack of equal layers, each reading what the one below it wrote."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_truth
from minitransformer.layers.encoder_layer import (
    Config,
    EncoderLayer,
    PostNormCache,
    PreNormCache,
    encoder_layer,
    encoder_layer_backward,
    init_encoder_layer,
)
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)

Array = np.ndarray


class Encoder(NamedTuple):
    layers: tuple[EncoderLayer, ...]
    norm: LayerNorm | None = (
        None  # after the last layer; a pre-norm stack needs it, a post-norm stack ends with one anyway
    )


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
) -> Encoder:
    """final_norm: after the last layer, where pre-norm layers need one."""
    check_integer("n_layers", n_layers, minimum=0)
    check_truth("final_norm", final_norm)
    layers = tuple(init_encoder_layer(d_model, h, d_ff, rng, dtype) for _ in range(n_layers))
    return Encoder(layers, init_layer_norm(d_model, dtype) if final_norm else None)


def encoder(
    x: Array,
    weights: Encoder,
    config: Config,
    mask: Array | None = None,
    bias: Array | None = None,
    rng: np.random.Generator | None = None,
    norm_eps: float | None = None,
) -> tuple[Array, EncoderCache]:
    """x_0 = x,  x_n = EncoderLayer_n(x_{n-1})  (3.1), then the final norm if there is one.

    x: (..., L, d_model) -> (..., L, d_model); every layer gets the same mask and bias, as in `multi_head`.
    norm_eps: eps of the final norm, if it differs from `config.eps`, that of all the other norms.
    """
    x_n = x
    layer_caches = []
    for layer in weights.layers:
        x_n, layer_cache = encoder_layer(x_n, layer, config, mask, bias, rng)
        layer_caches.append(layer_cache)
    if weights.norm is None:
        return x_n, EncoderCache(tuple(layer_caches), None)
    y, norm_cache = layer_norm(x_n, weights.norm, config.eps if norm_eps is None else norm_eps)
    return y, EncoderCache(tuple(layer_caches), norm_cache)


def encoder_backward(dy: Array, cache: EncoderCache) -> tuple[Array, Encoder]:
    """Back through the norm, then through the layers from the last to the first. -> dx, dweights"""
    if cache.norm is None:
        dx_n, dnorm = dy, None
    else:
        dx_n, dnorm = layer_norm_backward(dy, cache.norm)
    dlayers = []
    for layer_cache in reversed(cache.layers):
        dx_n, dlayer = encoder_layer_backward(dx_n, layer_cache)
        dlayers.append(dlayer)
    return dx_n, Encoder(tuple(reversed(dlayers)), dnorm)
