"""What PyTorch's `nn.TransformerEncoder` and `nn.TransformerDecoder` share: equal layers, and a final norm if given."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from minitransformer.checks import check_integer
from minitransformer.layers.decoder import Decoder
from minitransformer.layers.encoder import Encoder
from minitransformer.nn.layer import Layer
from minitransformer.nn.layer_norm import LayerNorm
from minitransformer.nn.module import Module, Named, prefix, under, without_weights
from minitransformer.tree import tree_map

Array = np.ndarray


class Stack(Module):
    """`num_layers` layers under the names `layers.0`, `layers.1`, ..., and a final `norm`."""

    def __init__(self, layer: Layer, num_layers: int, norm: LayerNorm | None, kind: type[Encoder | Decoder]):
        """All layers start as copies of `layer`, and the final norm, if there is one, as a copy of `norm`."""
        check_integer("num_layers", num_layers, minimum=1)
        check_final_norm(norm, layer.d_model)
        self.layer = without_weights(layer)
        self.norm = None if norm is None else without_weights(norm)
        self.d_model = layer.d_model
        self.config = dataclasses.replace(layer.config, final_eps=None if norm is None else norm.eps)
        self.batch_first = layer.batch_first
        layers = tuple(tree_map(np.copy, layer.weights) for _ in range(num_layers))
        self.weights: Encoder | Decoder = kind(layers, None if norm is None else tree_map(np.copy, norm.weights))

    def all_named(self, weights: Encoder | Decoder) -> Named:
        named = {}
        for i, layer in enumerate(weights.layers):
            named |= prefix(f"layers.{i}", self.layer.named(layer))
        if self.norm is not None:
            named |= prefix("norm", self.norm.named(weights.norm))
        return named

    def from_named(self, arrays: Mapping[str, Array]) -> Encoder | Decoder:
        indices = range(len(self.weights.layers))
        layers = tuple(self.layer.from_named(under(f"layers.{i}", arrays)) for i in indices)
        norm = None if self.norm is None else self.norm.from_named(under("norm", arrays))
        return self.weights._replace(layers=layers, norm=norm)


def check_final_norm(norm: LayerNorm | None, d_model: int) -> None:
    """`norm` must be a LayerNorm over the `d_model` features of a position, or None."""
    if norm is None:
        return
    if not isinstance(norm, LayerNorm):
        raise TypeError(f"norm: got {type(norm).__name__}, expected a LayerNorm or None")
    if norm.normalized_shape != (d_model,):
        raise ValueError(f"norm: got normalized_shape {norm.normalized_shape}, expected {(d_model,)}")
