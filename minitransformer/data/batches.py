"""Batches of ids: windows of a text, each position's target the word after it; rows of unequal length, padded."""

from collections.abc import Sequence, Sized

import numpy as np

from minitransformer.checks import check_generator, check_ids, check_integer, check_row, check_truth, check_type

Array = np.ndarray


def random_windows(ids: Array, context: int, B: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """B windows from random places.  ids: (n,) -> inputs, targets: (B, context), targets one position further on."""
    check_row("ids", ids)
    check_integer("B", B, minimum=1)
    check_generator(rng)
    check_long_enough(ids, context)
    starts = rng.integers(0, len(ids) - context, B)
    windows = ids[starts[:, None] + np.arange(context + 1)].astype(np.int64)  # (B, context + 1)
    return windows[:, :-1], windows[:, 1:]


def check_long_enough(part: Sized, context: int) -> None:
    """A part of a text, as characters or ids, must be longer than one window's inputs."""
    check_integer("context", context, minimum=1)
    if len(part) <= context:
        raise ValueError(f"text: got a part of {len(part)} characters, expected more than {context} for one window")


def padded(rows: Sequence[Array], filler: int, at_start: bool = False) -> Array:
    """Rows of unequal length as one array.  -> (B, the longest)"""
    check_type("rows", rows, Sequence)
    if len(rows) == 0:
        raise ValueError("rows: got none, expected at least one")
    for row in rows:
        check_ids("rows", np.asarray(row), size=None, ndim=1)
    check_integer("filler", filler, minimum=-(2**63))
    check_truth("at_start", at_start)
    longest = max(map(len, rows))
    whole = np.full((len(rows), longest), int(filler))
    for row, words in zip(whole, rows, strict=True):
        place = slice(longest - len(words), None) if at_start else slice(len(words))
        row[place] = words
    return whole
