"""Windows of a text as inputs and targets of a language model: each position's target is the word after it."""

from collections.abc import Iterator

import numpy as np

Array = np.ndarray


def random_windows(ids: Array, context: int, B: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """B windows from random places.  ids: (n,) -> inputs, targets: (B, context), targets one position further on."""
    check_long_enough(ids, context)
    starts = rng.integers(0, len(ids) - context, B)
    windows = ids[starts[:, None] + np.arange(context + 1)]  # (B, context + 1)
    return windows[:, :-1], windows[:, 1:]


def consecutive_windows(ids: Array, context: int, B: int) -> Iterator[tuple[Array, Array]]:
    """All windows that lie side by side, B at a time (the last batch may have fewer); the rest is dropped."""
    check_long_enough(ids, context)
    starts = np.arange(0, len(ids) - context, context)
    for i in range(0, len(starts), B):
        windows = ids[starts[i : i + B, None] + np.arange(context + 1)]
        yield windows[:, :-1], windows[:, 1:]


def check_long_enough(ids: Array, context: int) -> None:
    if len(ids) <= context:
        raise ValueError(
            f"text: got {len(ids)} characters in one part of it, expected more than {context}, the context"
        )
