"""What each model must offer to be trained for translation, kept, compared, and asked to translate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.decoding.beam_search import Reorder, Step
from minitransformer.tree import Tree

Array = np.ndarray
Rng = np.random.Generator


class Kind(NamedTuple):
    """A kind of model. Its `settings` are a NamedTuple of numbers and names, such as a checkpoint can hold.

    start(source, lengths, longest, weights, settings) -> a decoder's state that has read the sources, (N, L_s), and
    will write `longest` words at most; step(weights, settings) and `reorder` are what `beam_search` takes.
    """

    name: str
    settings: Any  # what is used if nothing else is said
    pads_at_start: bool  # of a source: the words come last
    init: Callable[[int, int, Any, Rng], Any]  # (V_s, V_t, settings, rng) -> weights
    loss_and_gradient: Callable[..., tuple[float, Tree]]  # (batch, weights, settings, rng, n), n as in `loop.train`
    start: Callable[[Array, Array, int, Any, Any], Any]
    step: Callable[[Any, Any], Step]
    reorder: Reorder
