"""What PyTorch's `nn.TransformerEncoder` and `nn.TransformerDecoder` share: equal layers, and a final norm if given."""

from collections.abc import Mapping

import numpy as np

from minitransformer.checks import check_integer
from minitransformer.layers.decoder import Decoder
from minitransformer.layers.decoder_layer import DecoderLayer
from minitransformer.layers.encoder import Encoder
from minitransformer.layers.encoder_layer import Config, EncoderLayer
from minitransformer.nn.layer_norm import LayerNorm, layer_norm_from_named, name_layer_norm
from minitransformer.nn.module import Module, Named, prefix, under
from minitransformer.tree import tree_map

Array = np.ndarray


class Stack(Module):
    """`num_layers` layers under the names `layers.0`, `layers.1`, ..., and a final `norm`."""

    config: Config
    batch_first: bool
    norm_eps: float
    weights: Encoder | Decoder

    def start(self, layer: Module, num_layers: int, norm: LayerNorm | None, kind: type[Encoder | Decoder]) -> None:
        """All layers start as copies of `layer`, and the final norm, if there is one, as a copy of `norm`."""
        if norm is not None and not isinstance(norm, LayerNorm):
            raise TypeError(f"norm: got {type(norm).__name__}, expected a LayerNorm or None")
        check_integer("num_layers", num_layers, minimum=1)
        self.config = layer.config
        self.batch_first = layer.batch_first
        self.norm_eps = layer.config.eps if norm is None else norm.eps
        layers = tuple(tree_map(np.copy, layer.weights) for _ in range(num_layers))
        self.weights = kind(layers, None if norm is None else tree_map(np.copy, norm.weights))

    def name_layer(self, weights: EncoderLayer | DecoderLayer) -> Named:
        """The weights of one layer under PyTorch's names."""
        raise NotImplementedError

    def layer_from_named(self, arrays: Mapping[str, Array]) -> EncoderLayer | DecoderLayer:
        """The inverse of `name_layer`."""
        raise NotImplementedError

    def named(self, weights: Encoder | Decoder) -> Named:
        named = {}
        for i, layer in enumerate(weights.layers):
            named |= prefix(f"layers.{i}", self.name_layer(layer))
        if weights.norm is not None:
            named |= prefix("norm", name_layer_norm(weights.norm))
        return named

    def from_named(self, arrays: Mapping[str, Array]) -> Encoder | Decoder:
        indices = range(len(self.weights.layers))
        layers = tuple(self.layer_from_named(under(f"layers.{i}", arrays)) for i in indices)
        norm = None if self.weights.norm is None else layer_norm_from_named(under("norm", arrays))
        return self.weights._replace(layers=layers, norm=norm)
