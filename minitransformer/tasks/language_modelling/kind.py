"""What every language model of the ladder must offer, to be trained, compared, kept, and asked to write."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.training.loop import Count, LossAndGradient, NextBatch, Plan

Array = np.ndarray
Rng = np.random.Generator

FIRST = 32  # characters at the start of a text that no model is judged by, so that all have read something


class Kind(NamedTuple):
    """A kind of model. Its `settings` are a NamedTuple of numbers and names, such as a checkpoint can hold.

    costs(ids, weights, settings): (n,) -> (n - FIRST,), what each word from the one with number FIRST on costs, in
    nats, -log P(w_i | w_1, ..., w_{i-1}), as far back as the model can see.

    read(ids, state, weights, settings): reads on from `state` (None: from nothing) -> the logits (V,) of the word that
    comes next, and the state then.
    """

    name: str
    section: str  # of the text
    settings: Any  # what is used if nothing else is said
    init: Callable[[Array, int, Any, Rng], Any]  # (training ids, V, settings, rng) -> weights
    costs: Callable[[Array, Any, Any], Array]
    read: Callable[[Array, Any, Any, Any], tuple[Array, Any]]
    training: "Training | None" = None  # None: counting was all


class Training(NamedTuple):
    """How a model learns by gradient descent."""

    plan: Callable[[Any, Any], Plan]  # (settings, weights) -> all but how long
    carry: Callable[[Any, Any], Any]  # (weights, settings) -> what it remembers before the first window
    next_batch: Callable[[Array, Any], NextBatch]  # (training ids, settings)
    count: Count  # the number of targets in a batch
    loss_and_gradient: Callable[[Any, Any], LossAndGradient]  # (weights, settings)


def n_targets(batch: tuple[Array, Array]) -> int:
    """In windows, every position has a target.  batch: inputs and targets, (B, L) each"""
    return batch[1].size


def nats_of_targets(log_p: Array, targets: Array) -> Array:
    """-log P of each target.  log_p: (..., V), targets: (...) -> (...)"""
    return -np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
