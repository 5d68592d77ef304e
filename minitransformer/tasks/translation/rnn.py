"""Sections 2.2.2 and 6.1: the recurrent encoder-decoder on the task, which has one state for all of a sentence."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import log_softmax
from minitransformer.layers.lstm import State
from minitransformer.models.rnn_encoder_decoder import (
    RnnEncoderDecoder,
    init_rnn_encoder_decoder,
    read_source,
    rnn_encoder_decoder,
    rnn_encoder_decoder_backward,
    write_target,
)
from minitransformer.tasks.translation.batches import Batch
from minitransformer.tasks.translation.kind import Kind, Rng
from minitransformer.tree import tree_map

Array = np.ndarray


class RnnSettings(NamedTuple):
    d: int = 64  # of a word's vector
    d_h: int = 192
    label_smoothing: float = 0.1
    B: int = 64
    warmup: int = 1000
    steps: int = 5000


def init(V_s: int, V_t: int, s: RnnSettings, rng: Rng) -> RnnEncoderDecoder:
    return init_rnn_encoder_decoder(V_s, V_t, s.d, s.d_h, rng)


def loss_and_gradient(
    batch: Batch, weights: RnnEncoderDecoder, s: RnnSettings, rng: Rng, n: int | None = None
) -> tuple[float, RnnEncoderDecoder]:
    logits, cache = rnn_encoder_decoder(batch.source, batch.inputs, weights, batch.lengths)
    loss, loss_cache = cross_entropy(logits, batch.targets, s.label_smoothing, n=n)
    return loss, rnn_encoder_decoder_backward(cross_entropy_backward(1.0, loss_cache), cache)


def start(source: Array, lengths: Array, longest: int, weights: RnnEncoderDecoder, s: RnnSettings) -> State:
    return read_source(source, weights, lengths)[0]


def step(weights: RnnEncoderDecoder, s: RnnSettings) -> Any:
    def write_word(words: Array, state: State) -> tuple[Array, State]:
        logits, _, cache, _ = write_target(words[:, None], state, weights)
        log_p, _ = log_softmax(logits[:, 0])
        return log_p, cache.last

    return write_word


def reorder(state: State, places: Array) -> State:
    return tree_map(lambda array: array[places], state)


RNN = Kind("rnn", RnnSettings(), True, init, loss_and_gradient, start, step, reorder)
