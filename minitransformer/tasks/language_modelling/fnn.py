"""Section 2.1.3: the feed-forward neural language model (FNNLM) on the ladder."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import log_softmax
from minitransformer.layers.embedding import Embedding
from minitransformer.models.fnn_lm import FnnLM, fnn_lm, fnn_lm_backward, init_fnn_lm
from minitransformer.tasks.language_modelling.kind import FIRST, Kind, Rng, Training, nats_of_targets
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.loop import LossAndGradient, NextBatch, Plan

Array = np.ndarray

AT_ONCE = 4096  # words that are predicted in one pass when a text is read


class FnnSettings(NamedTuple):
    n: int = 6  # it sees n - 1 words
    d: int = 32  # of a word's vector
    d_hidden: int = 256
    B: int = 1024
    peak: float = 2e-3
    decay: float = 0.1
    warmup: int = 100
    steps: int = 5000


def init(ids: Array, V: int, settings: FnnSettings, rng: Rng) -> FnnLM:
    if settings.n > FIRST:
        raise ValueError(f"n: got {settings.n}, expected at most {FIRST}, so that all words have a history")
    return init_fnn_lm(V, settings.n, settings.d, settings.d_hidden, rng)


def plan(settings: FnnSettings, weights: FnnLM) -> Plan:
    decay = decay_of_matrices(weights, settings.decay)
    return Plan(peak=settings.peak, warmup=settings.warmup, floor=0.02, decay=decay, beta2=0.99)


def next_batch(ids: Array, settings: FnnSettings) -> NextBatch:
    """B places of the text."""

    def batch(number: int, rng: Rng) -> Array:
        starts = rng.integers(0, len(ids) - settings.n + 1, settings.B)
        return ids[starts[:, None] + np.arange(settings.n)].astype(np.int64)  # (B, n)

    return batch


def loss_and_gradient(weights: FnnLM, settings: FnnSettings) -> LossAndGradient:
    def step(runs: Array, carry: None, rng: Rng, n: int | None = None) -> tuple[float, FnnLM, None]:
        logits, cache = fnn_lm(runs[:, :-1], weights)
        loss, loss_cache = cross_entropy(logits, runs[:, -1], n=n)
        return loss, fnn_lm_backward(cross_entropy_backward(1.0, loss_cache), cache), None

    return step


def costs(ids: Array, weights: FnnLM, settings: FnnSettings) -> Array:
    runs = np.lib.stride_tricks.sliding_window_view(ids[FIRST - settings.n + 1 :], settings.n)
    found = []
    for i in range(0, len(runs), AT_ONCE):
        some = runs[i : i + AT_ONCE].astype(np.int64)
        log_p, _ = log_softmax(fnn_lm(some[:, :-1], weights)[0])
        found.append(nats_of_targets(log_p, some[:, -1]))
    return np.concatenate(found)


def read(ids: Array, state: Any, weights: FnnLM, settings: FnnSettings) -> tuple[Array, Array]:
    """The state is the last n - 1 words, or as many as have been read.

    The model cannot do without n - 1 words. Where there are fewer, the mean of all words' vectors stands for each that
    is missing: nothing is known about it.
    """
    joined = ids if state is None else np.concatenate([state, ids])
    history = joined[-(settings.n - 1) :]
    n_missing = settings.n - 1 - len(history)
    if n_missing == 0:
        logits, _ = fnn_lm(history, weights)
        return logits, history
    E = weights.embedding.E
    with_mean = Embedding(np.concatenate([E, E.mean(axis=0, keepdims=True)]))  # (V + 1, d)
    padded = np.concatenate([np.full(n_missing, len(E)), history])
    logits, _ = fnn_lm(padded, weights._replace(embedding=with_mean))
    return logits, history


FNN = Kind(
    "fnn",
    "2.1.3",
    FnnSettings(),
    init,
    costs,
    read,
    Training(plan, lambda w, s: None, next_batch, len, loss_and_gradient),
)
