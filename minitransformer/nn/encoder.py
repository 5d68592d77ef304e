"""Section 5's `TransformerEncoderLayer`, and PyTorch's stack of them, `nn.TransformerEncoder`."""

from collections.abc import Mapping

import numpy as np

from minitransformer.checks import check_rng
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward
from minitransformer.layers.encoder_layer import (
    EncoderLayer,
    PostNormCache,
    PreNormCache,
    encoder_layer,
    encoder_layer_backward,
)
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.nn.boundary import (
    batch_first,
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


class TransformerEncoderLayer(Layer):
    """Section 5's class: self-attention and feed-forward network, each with dropout, residual and layer norm."""

    def forward(
        self,
        src: Array,
        src_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, PostNormCache | PreNormCache]:
        """src: (L, B, d_model), or (L, d_model) without a batch -> out: the same shape.

        src_mask: (L, L) or (B*nhead, L, L); `is_causal` asserts that it is the causal one. src_key_padding_mask:
        (B, L), or (L,) without a batch. True: may NOT attend, as in PyTorch. `rng` switches dropout on.
        """
        check_sequence("src", src, self.d_model, self.batch_first)
        check_rng(rng)
        x = batch_first(src, self.batch_first)
        given = {"src_mask": src_mask, "src_key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        mask = score_mask(x, x, self.config.h, **given)
        y, cache = encoder_layer(x, self.weights, self.config, mask, rng)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: PostNormCache | PreNormCache) -> tuple[Array, Named]:
        """-> dsrc, grads"""
        check_dout(dout, cache.self_attention.query.x, self.batch_first, self.d_model)
        dx, dweights = encoder_layer_backward(batch_first(dout, self.batch_first), cache)
        return own_order(dx, self.batch_first), self.named(dweights)

    def all_named(self, weights: EncoderLayer) -> Named:
        return (
            prefix("self_attn", name_multi_head(weights.self_attention))
            | name_feed_forward(weights.feed_forward)
            | prefix("norm1", name_layer_norm(weights.norm1))
            | prefix("norm2", name_layer_norm(weights.norm2))
        )

    def from_named(self, arrays: Mapping[str, Array]) -> EncoderLayer:
        return EncoderLayer(
            self_attention=multi_head_from_named(under("self_attn", arrays)),
            norm1=layer_norm_from_named(under("norm1", arrays)),
            feed_forward=feed_forward_from_named(arrays),
            norm2=layer_norm_from_named(under("norm2", arrays)),
        )

    def draw(self, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> EncoderLayer:
        d_model = self.d_model
        return EncoderLayer(
            self_attention=uniform_multi_head(d_model, d_model, d_model, rng, dtype),
            norm1=init_layer_norm(d_model, dtype),
            feed_forward=uniform_feed_forward(d_model, d_ff, rng, dtype),
            norm2=init_layer_norm(d_model, dtype),
        )


class TransformerEncoder(Stack):
    """A stack of `num_layers` layers, which all start as copies of `encoder_layer`, and a final `norm` if given."""

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: LayerNorm | None = None):
        if not isinstance(encoder_layer, TransformerEncoderLayer):
            raise TypeError(f"encoder_layer: got {type(encoder_layer).__name__}, expected a TransformerEncoderLayer")
        super().__init__(encoder_layer, num_layers, norm, Encoder)

    def forward(
        self,
        src: Array,
        mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        is_causal: bool | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, EncoderCache]:
        """As TransformerEncoderLayer.forward; `mask` (PyTorch's name here) is every layer's src_mask."""
        given = {"mask": mask, "src_key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
        return self.encode(src, given, rng)

    def encode(
        self, src: Array, given: dict[str, Array | bool | None], rng: np.random.Generator | None
    ) -> tuple[Array, EncoderCache]:
        """`forward`, with what `score_mask` takes under the caller's names."""
        check_sequence("src", src, self.d_model, self.batch_first)
        check_rng(rng)
        x = batch_first(src, self.batch_first)
        mask = score_mask(x, x, self.config.h, **given)
        y, cache = encoder(x, self.weights, self.config, mask, rng)
        return own_order(y, self.batch_first), cache

    def backward(self, dout: Array, cache: EncoderCache) -> tuple[Array, Named]:
        """-> dsrc, grads"""
        check_dout(dout, cache.layers[0].self_attention.query.x, self.batch_first, self.d_model)
        dx, dweights = encoder_backward(batch_first(dout, self.batch_first), cache)
        return own_order(dx, self.batch_first), self.named(dweights)
