"""What Hypothesis draws: sizes that all differ, seeds for random arrays, numbers for algebra, masks."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray

seeds = st.integers(0, 2**32 - 1)
numbers = st.floats(-8, 8, allow_subnormal=False)
rates = st.sampled_from([0.1, 0.3, 0.7])


class Sizes(NamedTuple):
    """Pairwise different, d_model included, so that no axis can be taken for another."""

    B: int
    h: int
    L_q: int
    L_k: int
    d_k: int
    d_v: int
    d_ff: int

    @property
    def d_model(self) -> int:
        return self.h * self.d_k


# B, h, L_q, ... are the numbers 2 to 8 in any order; d_model = h d_k must not equal one of them again.
sizes = st.permutations(range(2, 9)).map(Sizes._make).filter(lambda s: s.d_model not in s)


def matrices(max_rows: int = 5, max_columns: int = 6) -> st.SearchStrategy[Array]:
    """Small matrices of plain numbers, for algebra."""
    shapes = st.tuples(st.integers(1, max_rows), st.integers(1, max_columns))
    return shapes.flatmap(
        lambda shape: st.lists(numbers, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
            lambda values: np.array(values).reshape(shape)
        )
    )


def random_mask(rng: np.random.Generator, *shape: int, empty_row: bool = True) -> Array:
    """A boolean mask; with `empty_row`, the first query is fully masked, every other one may attend to a key."""
    mask = rng.random(shape) < 0.6
    mask[..., 0] = True
    if empty_row:
        mask[..., 0, :] = False
    return mask


def mask_of_numbers(rng: np.random.Generator, *shape: int, empty_row: bool = True) -> Array:
    """Such a mask as numbers to add to the scores: -infinity where a query may not attend, random ones elsewhere."""
    return np.where(random_mask(rng, *shape, empty_row=empty_row), rng.standard_normal(shape), -np.inf)
