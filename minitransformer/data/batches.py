"""Batches of ids: windows of a text, each position's target the word after it; rows of unequal length, padded."""

from collections.abc import Sequence, Sized

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


def padded(rows: Sequence[Array], filler: int, at_start: bool = False) -> Array:
    """Rows of unequal length as one array.  -> (B, the longest)"""
    longest = max(map(len, rows))
    whole = np.full((len(rows), longest), filler)
    for row, words in zip(whole, rows, strict=True):
        place = slice(longest - len(words), None) if at_start else slice(len(words))
        row[place] = words
    return whole
