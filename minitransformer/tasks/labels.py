"""Section 2.3.2: so many labelled examples, drawn from all that there are."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def shuffled(rows: Sequence[Any], seed: int) -> list[Any]:
    """In an order that is the same on every machine."""
    return [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]


def drawn(rows: Sequence[Any], labels: int | None, seed: int) -> list[Any]:
    """`labels` of the rows, all of them with None. Raises ValueError for more labels than there are."""
    if labels is not None and not 1 <= labels <= len(rows):
        raise ValueError(f"labels: got {labels}, expected 1 to {len(rows)}")
    return shuffled(rows, seed)[:labels]
