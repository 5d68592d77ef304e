"""What makes a point a good one to check a gradient at: sizes that all differ, loud weights, masks with empty rows.

What hides a wrong gradient is a special point: a batch of one, square matrices, gains of 1, biases of 0, p = 0.5.
"""

from collections.abc import Callable

import numpy as np

from minitransformer.tree import Tree, tree_map

Array = np.ndarray
Rng = np.random.Generator

B, h, L_q, L_k, d_k, d_v = 2, 3, 5, 7, 4, 6
d_model, d_ff = 12, 10
RATE = 0.3


def loud(weights: Tree, rng: Rng) -> Tree:
    """The same tree with random numbers of order 0.5: no bias is 0, no gain is 1, and no softmax saturates."""
    return tree_map(lambda array: 0.5 * rng.standard_normal(array.shape), weights)


def one(backward: Callable) -> Callable:
    """A backward that returns one gradient, as one that returns a tuple."""
    return lambda dy, cache: (backward(dy, cache),)


def holey_mask(rng: Rng) -> Array:
    """A random mask with the first query fully masked."""
    mask = rng.random((B, L_q, L_k)) < 0.6
    mask[:, 0, :] = False
    mask[:, 1:, 0] = True
    return mask


def holey_numbers(rng: Rng) -> Array:
    """The same as numbers to add to the scores, one set for all sequences: -infinity where the mask is False."""
    return np.where(holey_mask(rng)[0], rng.standard_normal((L_q, L_k)), -np.inf)


def queries_and_keys(rng: Rng, d_q: int = d_k) -> tuple[Array, Array]:
    return rng.standard_normal((B, L_q, d_q)), rng.standard_normal((B, L_k, d_k))
