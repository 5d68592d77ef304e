"""What encoder and decoder have in common: equal layers, and a norm after the last of them where there is one."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_truth
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)

Array = np.ndarray
Layer = TypeVar("Layer")


def init_stack(
    init_layer: Callable[[], Layer], n_layers: int, d_model: int, dtype: DTypeLike, final_norm: bool
) -> tuple[tuple[Layer, ...], LayerNorm | None]:
    """final_norm: after the last layer, where pre-norm layers need one; a post-norm layer ends with a norm anyway."""
    check_integer("n_layers", n_layers, minimum=0)
    check_truth("final_norm", final_norm)
    layers = tuple(init_layer() for _ in range(n_layers))
    return layers, init_layer_norm(d_model, dtype) if final_norm else None


def last_norm(x: Array, weights: LayerNorm | None, config: Config) -> tuple[Array, LayerNormCache | None]:
    """y = LayerNorm(x), or x if there is no norm.  x: (..., L, d_model) -> y: (..., L, d_model)"""
    if weights is None:
        return x, None
    return layer_norm(x, weights, config.eps if config.final_eps is None else config.final_eps)


def last_norm_backward(dy: Array, cache: LayerNormCache | None) -> tuple[Array, LayerNorm | None]:
    """-> dx, dweights"""
    return (dy, None) if cache is None else layer_norm_backward(dy, cache)
