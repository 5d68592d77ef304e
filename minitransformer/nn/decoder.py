"""PyTorch's `nn.TransformerDecoderLayer` (section 3.2), and its stack of them, `nn.TransformerDecoder`."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_rng, check_truth
from minitransformer.layers.decoder import Decoder, DecoderCache, decoder, decoder_backward
from minitransformer.layers.decoder_layer import (
    DecoderLayer,
    Masks,
    PostNormDecoderCache,
    PreNormDecoderCache,
    decoder_layer,
    decoder_layer_backward,
)
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.nn.boundary import (
    attention_masks,
    batch_first,
    check_batch,
    check_dout,
    check_sequence,
    own_order,
)
from minitransformer.nn.feed_forward import feed_forward_from_named, name_feed_forward, uniform_feed_forward
from minitransformer.nn.layer_config import layer_config
from minitransformer.nn.layer_norm import LayerNorm, layer_norm_from_named, name_layer_norm
from minitransformer.nn.module import Module, Named, floating, generator, prefix, under
from minitransformer.nn.multihead_attention import multi_head_from_named, name_multi_head, uniform_multi_head
from minitransformer.nn.stack import Stack

Array = np.ndarray


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the memory and feed-forward network, each with dropout, residual and layer norm."""

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
        self.weights = uniform_decoder_layer(d_model, dim_feedforward, generator(rng), floating(dtype))

    def __call__(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
    ) -> Array:
        return self.forward(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)[0]

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, PostNormDecoderCache | PreNormDecoderCache]:
        """tgt: (L_t, B, d_model), memory: (L_s, B, d_model), both without B for no batch -> out: the shape of tgt.

        tgt_mask: (L_t, L_t) or (B*nhead, L_t, L_t); memory_mask: (L_t, L_s) or (B*nhead, L_t, L_s);
        tgt_key_padding_mask: (B, L_t); memory_key_padding_mask: (B, L_s); both without B for no batch. That no position
        sees a later one is the caller's tgt_mask. `rng` switches dropout on.
        """
        check_target_and_memory(tgt, memory, len(self.weights.norm1.gamma), self.batch_first)
        check_rng(rng)
        x, m = batch_first(tgt, self.batch_first), batch_first(memory, self.batch_first)
        given = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        masks = decoder_masks(*given, x, m, self.config.h)
        y, cache = decoder_layer(x, m, self.weights, self.config, masks, rng)
        return own_order(y, self.batch_first), cache

    def backward(
        self, dout: Array, cache: PostNormDecoderCache | PreNormDecoderCache
    ) -> tuple[tuple[Array, Array], Named]:
        """-> (dtgt, dmemory), grads"""
        check_dout(dout, cache.self_attention.query.x, self.batch_first, len(self.weights.norm1.gamma))
        dx, dm, dweights = decoder_layer_backward(batch_first(dout, self.batch_first), cache)
        return (own_order(dx, self.batch_first), own_order(dm, self.batch_first)), self.named(dweights)

    def named(self, weights: DecoderLayer) -> Named:
        return name_decoder_layer(weights)

    def from_named(self, arrays: Mapping[str, Array]) -> DecoderLayer:
        return decoder_layer_from_named(arrays)


class TransformerDecoder(Stack):
    """A stack of `num_layers` layers, which all start as copies of `decoder_layer`, and a final `norm` if given."""

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: LayerNorm | None = None):
        if not isinstance(decoder_layer, TransformerDecoderLayer):
            raise TypeError(f"decoder_layer: got {type(decoder_layer).__name__}, expected a TransformerDecoderLayer")
        self.start(decoder_layer, num_layers, norm, Decoder)

    def __call__(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
    ) -> Array:
        return self.forward(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)[0]

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, DecoderCache]:
        """As TransformerDecoderLayer.forward; every layer gets the same memory and the same masks."""
        check_target_and_memory(tgt, memory, len(self.weights.layers[0].norm1.gamma), self.batch_first)
        check_rng(rng)
        x, m = batch_first(tgt, self.batch_first), batch_first(memory, self.batch_first)
        given = (tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask)
        masks = decoder_masks(*given, x, m, self.config.h)
        y, cache = decoder(x, m, self.weights, self.config, masks, rng, self.norm_eps)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: DecoderCache) -> tuple[tuple[Array, Array], Named]:
        """-> (dtgt, dmemory), grads"""
        check_dout(
            dout, cache.layers[0].self_attention.query.x, self.batch_first, len(self.weights.layers[0].norm1.gamma)
        )
        dx, dm, dweights = decoder_backward(batch_first(dout, self.batch_first), cache)
        return (own_order(dx, self.batch_first), own_order(dm, self.batch_first)), self.named(dweights)

    def name_layer(self, weights: DecoderLayer) -> Named:
        return name_decoder_layer(weights)

    def layer_from_named(self, arrays: Mapping[str, Array]) -> DecoderLayer:
        return decoder_layer_from_named(arrays)


def check_target_and_memory(tgt: Array, memory: Array, d_model: int, already: bool) -> None:
    """Both must be sequences of `d_model` features, and of one batch."""
    check_sequence("tgt", tgt, d_model, already)
    check_sequence("memory", memory, d_model, already)
    check_batch("memory", memory, "tgt", tgt, already)


def decoder_masks(
    tgt_mask: Array | None,
    memory_mask: Array | None,
    tgt_key_padding_mask: Array | None,
    memory_key_padding_mask: Array | None,
    x: Array,
    memory: Array,
    h: int,
) -> Masks:
    """PyTorch's masks for x ([B,] L_t, d_model) and memory ([B,] L_s, d_model), of which only the shape is read."""
    target, target_bias = attention_masks(tgt_mask, tgt_key_padding_mask, ("tgt_mask", "tgt_key_padding_mask"), x, x, h)
    memory_keep, memory_bias = attention_masks(
        memory_mask, memory_key_padding_mask, ("memory_mask", "memory_key_padding_mask"), x, memory, h
    )
    return Masks(target, memory_keep, target_bias, memory_bias)


def name_decoder_layer(weights: DecoderLayer) -> Named:
    return (
        prefix("self_attn", name_multi_head(weights.self_attention))
        | prefix("multihead_attn", name_multi_head(weights.cross_attention))
        | name_feed_forward(weights.feed_forward)
        | prefix("norm1", name_layer_norm(weights.norm1))
        | prefix("norm2", name_layer_norm(weights.norm2))
        | prefix("norm3", name_layer_norm(weights.norm3))
    )


def decoder_layer_from_named(named: Mapping[str, Array]) -> DecoderLayer:
    return DecoderLayer(
        self_attention=multi_head_from_named(under("self_attn", named)),
        norm1=layer_norm_from_named(under("norm1", named)),
        cross_attention=multi_head_from_named(under("multihead_attn", named)),
        norm2=layer_norm_from_named(under("norm2", named)),
        feed_forward=feed_forward_from_named(named),
        norm3=layer_norm_from_named(under("norm3", named)),
    )


def uniform_decoder_layer(d_model: int, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> DecoderLayer:
    return DecoderLayer(
        self_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
        norm1=init_layer_norm(d_model, dtype),
        cross_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
        norm2=init_layer_norm(d_model, dtype),
        feed_forward=uniform_feed_forward(d_model, d_ff, rng, dtype),
        norm3=init_layer_norm(d_model, dtype),
    )
