"""PyTorch's `nn.TransformerDecoderLayer` (section 3.2), and its stack of them, `nn.TransformerDecoder`."""

from collections.abc import Mapping

import numpy as np

from minitransformer.checks import check_rng
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
    batch_first,
    check_batch,
    check_dout,
    check_sequence,
    own_order,
    score_mask,
)
from minitransformer.nn.feed_forward import feed_forward_from_named, name_feed_forward, uniform_feed_forward
from minitransformer.nn.layer import Layer
from minitransformer.nn.layer_norm import LayerNorm, layer_norm_from_named, name_layer_norm
from minitransformer.nn.module import Named, prefix, under
from minitransformer.nn.multihead_attention import multi_head_from_named, name_multi_head, uniform_multi_head
from minitransformer.nn.stack import Stack

Array = np.ndarray


class TransformerDecoderLayer(Layer):
    """Self-attention, attention to the memory and feed-forward network, each with dropout, residual and layer norm."""

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, PostNormDecoderCache | PreNormDecoderCache]:
        """tgt: (L_t, B, d_model), memory: (L_s, B, d_model), both without B for no batch -> out: the shape of tgt.

        tgt_mask: (L_t, L_t) or (B*nhead, L_t, L_t); memory_mask: (L_t, L_s) or (B*nhead, L_t, L_s);
        tgt_key_padding_mask: (B, L_t); memory_key_padding_mask: (B, L_s); both without B for no batch. That no position
        sees a later one is the caller's tgt_mask: `tgt_is_causal` only asserts that it is the causal one, and
        `memory_is_causal` that memory_mask is. True: may NOT attend, as in PyTorch. `rng` switches dropout on.
        """
        x, m = target_and_memory(tgt, memory, self.d_model, self.batch_first)
        check_rng(rng)
        masks = decoder_masks(
            x,
            m,
            self.config.h,
            (tgt_mask, tgt_key_padding_mask, tgt_is_causal),
            (memory_mask, memory_key_padding_mask, memory_is_causal),
        )
        y, cache = decoder_layer(x, m, self.weights, self.config, masks, rng)
        return own_order(y, self.batch_first), cache

    def backward(
        self, dout: Array, cache: PostNormDecoderCache | PreNormDecoderCache
    ) -> tuple[tuple[Array, Array], Named]:
        """-> (dtgt, dmemory), grads"""
        check_dout(dout, cache.self_attention.query.x, self.batch_first, self.d_model)
        dx, dm, dweights = decoder_layer_backward(batch_first(dout, self.batch_first), cache)
        return (own_order(dx, self.batch_first), own_order(dm, self.batch_first)), self.named(dweights)

    def all_named(self, weights: DecoderLayer) -> Named:
        return (
            prefix("self_attn", name_multi_head(weights.self_attention))
            | prefix("multihead_attn", name_multi_head(weights.cross_attention))
            | name_feed_forward(weights.feed_forward)
            | prefix("norm1", name_layer_norm(weights.norm1))
            | prefix("norm2", name_layer_norm(weights.norm2))
            | prefix("norm3", name_layer_norm(weights.norm3))
        )

    def from_named(self, arrays: Mapping[str, Array]) -> DecoderLayer:
        return DecoderLayer(
            self_attention=multi_head_from_named(under("self_attn", arrays)),
            norm1=layer_norm_from_named(under("norm1", arrays)),
            cross_attention=multi_head_from_named(under("multihead_attn", arrays)),
            norm2=layer_norm_from_named(under("norm2", arrays)),
            feed_forward=feed_forward_from_named(arrays),
            norm3=layer_norm_from_named(under("norm3", arrays)),
        )

    def draw(self, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> DecoderLayer:
        d_model = self.d_model
        return DecoderLayer(
            self_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
            norm1=init_layer_norm(d_model, dtype),
            cross_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
            norm2=init_layer_norm(d_model, dtype),
            feed_forward=uniform_feed_forward(d_model, d_ff, rng, dtype),
            norm3=init_layer_norm(d_model, dtype),
        )


class TransformerDecoder(Stack):
    """A stack of `num_layers` layers, which all start as copies of `decoder_layer`, and a final `norm` if given."""

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: LayerNorm | None = None):
        if not isinstance(decoder_layer, TransformerDecoderLayer):
            raise TypeError(f"decoder_layer: got {type(decoder_layer).__name__}, expected a TransformerDecoderLayer")
        super().__init__(decoder_layer, num_layers, norm, Decoder)

    def forward(
        self,
        tgt: Array,
        memory: Array,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, DecoderCache]:
        """As TransformerDecoderLayer.forward; every layer gets the same memory and the same masks."""
        x, m = target_and_memory(tgt, memory, self.d_model, self.batch_first)
        check_rng(rng)
        masks = decoder_masks(
            x,
            m,
            self.config.h,
            (tgt_mask, tgt_key_padding_mask, tgt_is_causal),
            (memory_mask, memory_key_padding_mask, memory_is_causal),
        )
        y, cache = decoder(x, m, self.weights, self.config, masks, rng)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: DecoderCache) -> tuple[tuple[Array, Array], Named]:
        """-> (dtgt, dmemory), grads"""
        check_dout(dout, cache.layers[0].self_attention.query.x, self.batch_first, self.d_model)
        dx, dm, dweights = decoder_backward(batch_first(dout, self.batch_first), cache)
        return (own_order(dx, self.batch_first), own_order(dm, self.batch_first)), self.named(dweights)


def target_and_memory(tgt: Array, memory: Array, d_model: int, already: bool) -> tuple[Array, Array]:
    """Both, batch-first. They must be sequences of `d_model` features, and of one batch."""
    check_sequence("tgt", tgt, d_model, already)
    check_sequence("memory", memory, d_model, already)
    check_batch("memory", memory, "tgt", tgt, already)
    return batch_first(tgt, already), batch_first(memory, already)


def decoder_masks(x: Array, memory: Array, h: int, of_tgt: tuple, of_memory: tuple) -> Masks:
    """PyTorch's masks as the package's. of_tgt, of_memory: mask, key padding mask, and whether the mask is causal."""
    tgt_names = ("tgt_mask", "tgt_key_padding_mask", "tgt_is_causal")
    memory_names = ("memory_mask", "memory_key_padding_mask", "memory_is_causal")
    return Masks(
        target=score_mask(x, x, h, **dict(zip(tgt_names, of_tgt, strict=True))),
        memory=score_mask(x, memory, h, **dict(zip(memory_names, of_memory, strict=True))),
    )
