"""Section 2.1.3: the recurrent language model (RNNLM) on the ladder, trained by truncated backpropagation."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import log_softmax
from minitransformer.models.rnn_lm import RnnLM, init_rnn_lm, rnn_lm, rnn_lm_backward, rnn_lm_start
from minitransformer.tasks.language_modelling.kind import FIRST, Kind, Rng, Training, n_targets, nats_of_targets
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.loop import LossAndGradient, NextBatch, Plan

Array = np.ndarray

AT_ONCE = 512  # words that are read in one pass


class RnnSettings(NamedTuple):
    cell: str = "elman"  # or "lstm"
    d: int = 32  # of a word's vector
    d_h: int = 256
    context: int = 64  # words that gradients go back over
    B: int = 32  # places of the text that are read side by side
    peak: float = 2e-3
    decay: float = 0.1
    warmup: int = 100
    steps: int = 4000


def init(ids: Array, V: int, settings: RnnSettings, rng: Rng) -> RnnLM:
    return init_rnn_lm(V, settings.d, settings.d_h, rng, settings.cell)


def plan(settings: RnnSettings, weights: RnnLM) -> Plan:
    decay = decay_of_matrices(weights, settings.decay)
    return Plan(peak=settings.peak, warmup=settings.warmup, floor=0.02, decay=decay, beta2=0.99)


def carry(weights: RnnLM, settings: RnnSettings) -> Any:
    return rnn_lm_start((settings.B,), weights)


def next_batch(ids: Array, settings: RnnSettings) -> NextBatch:
    """The text as B lines of equal length, read side by side, window after window; at their end, from the start again.

    Each window begins where the last one ended, which is why the state can be carried over. (At the start of another
    round the state is that of the end, as if the text were a ring.)
    """
    L = settings.context
    length = (len(ids) - 1) // settings.B
    n_windows = length // L
    if n_windows == 0:
        needed = settings.B * L
        raise ValueError(f"text: got {len(ids)} words for training, expected more than {needed}, B times context")
    line_starts = np.arange(settings.B)[:, None] * length

    def batch(number: int, rng: Rng) -> tuple[Array, Array]:
        first = (number % n_windows) * L
        windows = ids[line_starts + first + np.arange(L + 1)].astype(np.int64)  # (B, L + 1)
        return windows[:, :-1], windows[:, 1:]

    return batch


def loss_and_gradient(weights: RnnLM, settings: RnnSettings) -> LossAndGradient:
    def step(batch: tuple[Array, Array], state: Any, rng: Rng, n: int | None = None) -> tuple[float, RnnLM, Any]:
        inputs, targets = batch
        logits, cache = rnn_lm(inputs, state, weights)
        loss, loss_cache = cross_entropy(logits, targets, n=n)
        return loss, rnn_lm_backward(cross_entropy_backward(1.0, loss_cache), cache), cache.recurrent.last

    return step


def costs(ids: Array, weights: RnnLM, settings: RnnSettings) -> Array:
    """From the first word to the last, the state carried over all of them."""
    state = rnn_lm_start((1,), weights)
    found = []
    for i in range(0, len(ids) - 1, AT_ONCE):
        window = ids[i : i + AT_ONCE + 1].astype(np.int64)
        logits, cache = rnn_lm(window[None, :-1], state, weights)
        state = cache.recurrent.last
        log_p, _ = log_softmax(logits[0])
        found.append(nats_of_targets(log_p, window[1:]))
    return np.concatenate(found)[FIRST - 1 :]


def read(ids: Array, state: Any, weights: RnnLM, settings: RnnSettings) -> tuple[Array, Any]:
    before = rnn_lm_start((1,), weights) if state is None else state
    logits, cache = rnn_lm(ids[None, :], before, weights)
    return logits[0, -1], cache.recurrent.last


RNN = Kind(
    "rnn", "2.1.3", RnnSettings(), init, costs, read, Training(plan, carry, next_batch, n_targets, loss_and_gradient)
)
