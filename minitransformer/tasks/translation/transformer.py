"""Sections 2.2.2 and 6.1: the Transformer on the task."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.decoding.decoder_cache import Decoding, decode_step, prefill, reorder
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import log_softmax
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.transformer import Transformer, init_transformer, transformer, transformer_backward
from minitransformer.tasks.translation.batches import Batch
from minitransformer.tasks.translation.kind import Kind, Rng

Array = np.ndarray


class TransformerSettings(NamedTuple):
    n_layers: int = 2  # of the encoder, and of the decoder
    d_model: int = 64
    h: int = 4
    d_ff: int = 256
    rate: float = 0.0  # of dropout
    norm_first: bool = False
    tied: bool = True
    label_smoothing: float = 0.1
    B: int = 64
    warmup: int = 1000
    steps: int = 5000


def config(s: TransformerSettings) -> Config:
    return Config(h=s.h, dropout=s.rate, norm_first=s.norm_first)


def init(V_s: int, V_t: int, s: TransformerSettings, rng: Rng) -> Transformer:
    return init_transformer(V_s, V_t, s.n_layers, s.d_model, s.h, s.d_ff, rng, s.tied, final_norms=s.norm_first)


def loss_and_gradient(
    batch: Batch, weights: Transformer, s: TransformerSettings, rng: Rng, n: int | None = None
) -> tuple[float, Transformer]:
    logits, cache = transformer(batch.source, batch.inputs, weights, config(s), batch.lengths, rng)
    loss, loss_cache = cross_entropy(logits, batch.targets, s.label_smoothing, n=n)
    return loss, transformer_backward(cross_entropy_backward(1.0, loss_cache), cache)


def start(source: Array, lengths: Array, longest: int, weights: Transformer, s: TransformerSettings) -> Decoding:
    return prefill(source, weights, config(s), longest, lengths)


def step(weights: Transformer, s: TransformerSettings) -> Any:
    def next_token(tokens: Array, decoding: Decoding) -> tuple[Array, Decoding]:
        logits, longer, _ = decode_step(tokens, decoding, weights, config(s))
        log_p, _ = log_softmax(logits)
        return log_p, longer

    return next_token


TRANSFORMER = Kind("transformer", TransformerSettings(), False, init, loss_and_gradient, start, step, reorder)
