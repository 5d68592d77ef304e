"""The training loop: batch, loss, backward, clip, Adam; one record a step, so that the caller decides what to show."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.training.adam import adam, clip_by_global_norm, init_adam
from minitransformer.tree import Tree, concatenate

Array = np.ndarray


class Step(NamedTuple):
    step: int  # from 1
    loss: float
    norm: float  # of the gradient, before clipping
    rate: float


def train(
    flat_weights: Array,
    loss_and_gradient: Callable[[Any], tuple[float, Tree]],
    batches: Iterable[Any],
    rate_at: Callable[[int], float],
    clip: float = 1.0,
) -> Iterator[Step]:
    """One step for each batch. A caller may stop at any step: the weights are then those after that step.

    flat_weights: all weights of the model as one array, of which the model's weights are views (`tree.flatten`); they
    change in place. loss_and_gradient(batch) -> the loss and a tree of gradients. rate_at(step) -> learning rate, where
    step counts from 0.
    """
    keep_memory()
    state = init_adam(flat_weights)
    for step, batch in enumerate(batches):
        loss, gradients = loss_and_gradient(batch)
        gradient, norm = clip_by_global_norm(concatenate(gradients), clip)
        rate = rate_at(step)
        state = adam(flat_weights, gradient, state, rate)
        yield Step(step + 1, float(loss), norm, rate)


def keep_memory() -> None:
    """Allocate and free one large array, which glibc takes as a sign to keep freed memory of up to that size.

    Else it would return each step's arrays to the system, and ask for them anew, page by page, at the next step.
    """
    np.empty(32 * 2**20 - 65536, np.uint8)
