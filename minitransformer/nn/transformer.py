"""PyTorch's `nn.Transformer` (section 2.2.2): an encoder and a decoder, both with a final norm."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer
from minitransformer.equations.op import Op
from minitransformer.layers.decoder import Decoder, DecoderCache
from minitransformer.layers.encoder import Encoder, EncoderCache
from minitransformer.nn.boundary import check_batch, check_sequence
from minitransformer.nn.decoder import TransformerDecoder, TransformerDecoderLayer
from minitransformer.nn.encoder import TransformerEncoder, TransformerEncoderLayer
from minitransformer.nn.layer_norm import LayerNorm
from minitransformer.nn.module import Module, Named, floating, generator, prefix, under

Array = np.ndarray


class TransformerWeights(NamedTuple):
    encoder: Encoder
    decoder: Decoder


class TransformerCache(NamedTuple):
    encoder: EncoderCache
    decoder: DecoderCache


class Transformer(Module):
    """`encoder` reads the source, `decoder` reads the target and the encoder's output; each is a module of its own."""

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable | Op = "relu",
        custom_encoder: None = None,
        custom_decoder: None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        """As for TransformerEncoderLayer; rng draws the initial weights (by default a fresh, unseeded generator)."""
        for name, custom in (("custom_encoder", custom_encoder), ("custom_decoder", custom_decoder)):
            if custom is not None:
                raise TypeError(f"{name}: got {type(custom).__name__}, expected None: its backward would not be known")
        check_integer("num_encoder_layers", num_encoder_layers, minimum=1)
        check_integer("num_decoder_layers", num_decoder_layers, minimum=1)
        rng = generator(rng)
        arguments = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        switches = {"batch_first": batch_first, "norm_first": norm_first, "bias": bias}
        encoder_layer = TransformerEncoderLayer(*arguments, **switches, dtype=dtype, rng=rng)
        decoder_layer = TransformerDecoderLayer(*arguments, **switches, dtype=dtype, rng=rng)
        norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.encoder = TransformerEncoder(encoder_layer, num_encoder_layers, norm)
        self.decoder = TransformerDecoder(decoder_layer, num_decoder_layers, norm)
        self.config = self.encoder.config
        self.batch_first = batch_first
        self.load_state_dict(xavier_uniform(self.state_dict(), rng))

    @property
    def weights(self) -> TransformerWeights:
        """Those of `encoder` and `decoder`, which keep them."""
        return TransformerWeights(self.encoder.weights, self.decoder.weights)

    @weights.setter
    def weights(self, weights: TransformerWeights) -> None:
        self.encoder.weights, self.decoder.weights = weights

    def forward(
        self,
        src: Array,
        tgt: Array,
        src_mask: Array | None = None,
        tgt_mask: Array | None = None,
        memory_mask: Array | None = None,
        src_key_padding_mask: Array | None = None,
        tgt_key_padding_mask: Array | None = None,
        memory_key_padding_mask: Array | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
        *,
        rng: np.random.Generator | None = None,
    ) -> tuple[Array, TransformerCache]:
        """src: (L_s, B, d_model), tgt: (L_t, B, d_model), both without B for no batch -> out: the shape of tgt.

        src_mask: (L_s, L_s), tgt_mask: (L_t, L_t), memory_mask: (L_t, L_s), or each with a first axis of B*nhead;
        src_key_padding_mask and memory_key_padding_mask: (B, L_s), tgt_key_padding_mask: (B, L_t). As in PyTorch, none
        follows from another: that the decoder sees no padding of the source is memory_key_padding_mask, and that no
        position sees a later one is tgt_mask; `src_is_causal` and its like only assert that a mask is the causal
        one. True: may NOT attend, as in PyTorch. `rng` switches dropout on.
        """
        check_sequence("src", src, self.encoder.d_model, self.batch_first)
        check_sequence("tgt", tgt, self.encoder.d_model, self.batch_first)
        check_batch("tgt", tgt, "src", src, self.batch_first)
        of_src = {"src_mask": src_mask, "src_key_padding_mask": src_key_padding_mask, "src_is_causal": src_is_causal}
        memory, encoder_cache = self.encoder.encode(src, of_src, rng)
        out, decoder_cache = self.decoder.forward(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
            rng=rng,
        )
        return out, TransformerCache(encoder_cache, decoder_cache)

    def backward(self, dout: Array, cache: TransformerCache) -> tuple[tuple[Array, Array], Named]:
        """-> (dsrc, dtgt), grads.  The gradient reaches the source through the memory alone."""
        (dtgt, dmemory), decoder_grads = self.decoder.backward(dout, cache.decoder)
        dsrc, encoder_grads = self.encoder.backward(dmemory, cache.encoder)
        return (dsrc, dtgt), prefix("encoder", encoder_grads) | prefix("decoder", decoder_grads)

    def all_named(self, weights: TransformerWeights) -> Named:
        return prefix("encoder", self.encoder.named(weights.encoder)) | prefix(
            "decoder", self.decoder.named(weights.decoder)
        )

    def from_named(self, arrays: Mapping[str, Array]) -> TransformerWeights:
        return TransformerWeights(
            self.encoder.from_named(under("encoder", arrays)), self.decoder.from_named(under("decoder", arrays))
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, dtype: DTypeLike = np.float32) -> Array:
        """PyTorch's causal mask: -inf where the key is later than the query, else 0.  -> (sz, sz)"""
        check_integer("sz", sz, minimum=0)
        return np.triu(np.full((sz, sz), -np.inf, floating(dtype)), k=1)


def xavier_uniform(named: Named, rng: np.random.Generator) -> Named:
    """Each matrix (d_out, d_in) drawn anew within +-sqrt(6 / (d_in + d_out)) (Glorot, Bengio 2010); vectors stay.

    As in PyTorch's nn.Transformer: the three input projections count as one matrix of 3*d_model rows, and the layers
    of a stack, copies of one, keep equal biases.
    """

    def draw(array: Array) -> Array:
        limit = math.sqrt(6 / sum(array.shape))
        return rng.uniform(-limit, limit, array.shape).astype(array.dtype)

    return {name: draw(array) if array.ndim == 2 else array for name, array in named.items()}
