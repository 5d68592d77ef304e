"""Windows of a text as inputs and targets of a language model: each position's target is the word after it."""

from collections.abc import Sized

import numpy as np

Array = np.ndarray


def random_windows(ids: Array, context: int, B: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """B windows from random places.  ids: (n,) -> inputs, targets: (B, context), targets one position further on."""
    check_long_enough(ids, context)
    starts = rng.integers(0, len(ids) - context, B)
    windows = ids[starts[:, None] + np.arange(context + 1)].astype(np.int64)  # (B, context + 1)
    return windows[:, :-1], windows[:, 1:]


def check_long_enough(part: Sized, context: int) -> None:
    """A part of a text, as characters or ids, must be longer than one window's inputs."""
    if len(part) <= context:
        raise ValueError(f"text: got a part of {len(part)} characters, expected more than {context} for one window")
