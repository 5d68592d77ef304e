"""Section 5's `TransformerEncoderLayer`, and PyTorch's stack of them, `nn.TransformerEncoder`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_rng, check_truth
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward
from minitransformer.layers.encoder_layer import (
    EncoderLayer,
    PostNormCache,
    PreNormCache,
    encoder_layer,
    encoder_layer_backward,
)
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.nn.boundary import attention_masks, batch_first, check_dout, check_sequence, own_order
from minitransformer.nn.feed_forward import feed_forward_from_named, name_feed_forward, uniform_feed_forward
from minitransformer.nn.layer_config import layer_config
from minitransformer.nn.layer_norm import LayerNorm, layer_norm_from_named, name_layer_norm
from minitransformer.nn.module import Module, Named, floating, generator, prefix, under
from minitransformer.nn.multihead_attention import multi_head_from_named, name_multi_head, uniform_multi_head
from minitransformer.nn.stack import Stack

Array = np.ndarray


class TransformerEncoderLayer(Module):
    """Section 5's class: self-attention and feed-forward network, each with dropout, residual and layer norm."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        """activation: "relu" or "gelu"; rng draws the initial weights (by default a fresh, unseeded generator)."""
        self.config = layer_config(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, norm_first)
        check_truth("batch_first", batch_first)
        self.batch_first = batch_first
        self.weights = uniform_encoder_layer(d_model, dim_feedforward, generator(rng), floating(dtype))

    def __call__(self, src: Array, src_mask: Array | None = None, src_key_padding_mask: Array | None = None) -> Array:
        return self.forward(src, src_mask, src_key_padding_mask)[0]

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, PostNormCache | PreNormCache]:
        """src: (L, B, d_model), or (L, d_model) without a batch -> out: the same shape.

        src_mask: (L, L) or (B*nhead, L, L); src_key_padding_mask: (B, L), or (L,) without a batch. `rng` switches
        dropout on.
        """
        check_sequence("src", src, len(self.weights.norm1.gamma), self.batch_first)
        check_rng(rng)
        x = batch_first(src, self.batch_first)
        mask, bias = encoder_masks(src_mask, src_key_padding_mask, "src_mask", x, self.config.h)
        y, cache = encoder_layer(x, self.weights, self.config, mask, bias, rng)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: PostNormCache | PreNormCache) -> tuple[Array, Named]:
        """-> dsrc, grads"""
        check_dout(dout, cache.self_attention.query.x, self.batch_first, len(self.weights.norm1.gamma))
        dx, dweights = encoder_layer_backward(batch_first(dout, self.batch_first), cache)
        return own_order(dx, self.batch_first), self.named(dweights)

    def named(self, weights: EncoderLayer) -> Named:
        return name_encoder_layer(weights)

    def from_named(self, arrays: Mapping[str, Array]) -> EncoderLayer:
        return encoder_layer_from_named(arrays)


class TransformerEncoder(Stack):
    """A stack of `num_layers` layers, which all start as copies of `encoder_layer`, and a final `norm` if given."""

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: LayerNorm | None = None):
        if not isinstance(encoder_layer, TransformerEncoderLayer):
            raise TypeError(f"encoder_layer: got {type(encoder_layer).__name__}, expected a TransformerEncoderLayer")
        self.start(encoder_layer, num_layers, norm, Encoder)

    def __call__(self, src: Array, mask: Array | None = None, src_key_padding_mask: Array | None = None) -> Array:
        return self.forward(src, mask, src_key_padding_mask)[0]

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, EncoderCache]:
        """As TransformerEncoderLayer.forward; `mask` (PyTorch's name here) is every layer's src_mask."""
        check_sequence("src", src, len(self.weights.layers[0].norm1.gamma), self.batch_first)
        check_rng(rng)
        x = batch_first(src, self.batch_first)
        keep, bias = encoder_masks(mask, src_key_padding_mask, "mask", x, self.config.h)
        y, cache = encoder(x, self.weights, self.config, keep, bias, rng, self.norm_eps)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: EncoderCache) -> tuple[Array, Named]:
        """-> dsrc, grads"""
        check_dout(
            dout, cache.layers[0].self_attention.query.x, self.batch_first, len(self.weights.layers[0].norm1.gamma)
        )
        dx, dweights = encoder_backward(batch_first(dout, self.batch_first), cache)
        return own_order(dx, self.batch_first), self.named(dweights)

    def name_layer(self, weights: EncoderLayer) -> Named:
        return name_encoder_layer(weights)

    def layer_from_named(self, arrays: Mapping[str, Array]) -> EncoderLayer:
        return encoder_layer_from_named(arrays)


def encoder_masks(
    attn_mask: Array | None, padding_mask: Array | None, attn_name: str, x: Array, h: int
) -> tuple[Array | None, Array | None]:
    """PyTorch's masks for x ([B,] L, d_model) as the package's (mask, bias)."""
    return attention_masks(attn_mask, padding_mask, (attn_name, "src_key_padding_mask"), x, x, h)


def name_encoder_layer(weights: EncoderLayer) -> Named:
    return (
        prefix("self_attn", name_multi_head(weights.self_attention))
        | name_feed_forward(weights.feed_forward)
        | prefix("norm1", name_layer_norm(weights.norm1))
        | prefix("norm2", name_layer_norm(weights.norm2))
    )


def encoder_layer_from_named(named: Mapping[str, Array]) -> EncoderLayer:
    return EncoderLayer(
        self_attention=multi_head_from_named(under("self_attn", named)),
        norm1=layer_norm_from_named(under("norm1", named)),
        feed_forward=feed_forward_from_named(named),
        norm2=layer_norm_from_named(under("norm2", named)),
    )


def uniform_encoder_layer(d_model: int, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> EncoderLayer:
    return EncoderLayer(
        self_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
        norm1=init_layer_norm(d_model, dtype),
        feed_forward=uniform_feed_forward(d_model, d_ff, rng, dtype),
        norm2=init_layer_norm(d_model, dtype),
    )
