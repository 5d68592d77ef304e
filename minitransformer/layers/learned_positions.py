"""Section 4.3's alternative (BERT and GPT, 3.3 and 3.4): a learned vector for each position, added to the token's."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_integer, check_shape, check_start
from minitransformer.shapes import check

Array = np.ndarray


class LearnedPositions(NamedTuple):
    P: Array  # (context, d)


class LearnedPositionsCache(NamedTuple):
    start: int
    shape: tuple[int, ...]  # of E
    weights: LearnedPositions


def init_learned_positions(
    context: int, d: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> LearnedPositions:
    """Small at first (standard deviation 0.02, as in GPT-2): what a token means counts before where it stands."""
    check_start(rng, dtype, context=context, d=d)
    return LearnedPositions((0.02 * rng.standard_normal((context, d))).astype(dtype))


def learned_positions(E: Array, weights: LearnedPositions, start: int = 0) -> tuple[Array, LearnedPositionsCache]:
    """x_i = E_i + P_i, with i from `start` on.

    E: (..., L, d) -> (..., L, d), with start + L at most `context`: beyond it there is no vector.
    """
    check("weights.P: context d, E: ... L d", weights.P, E)
    check_integer("start", start, minimum=0)
    context, end = len(weights.P), start + E.shape[-2]
    if context < end:
        raise ValueError(f"E: got {end} positions, expected at most {context}, for which there are vectors")
    return E + weights.P[start:end], LearnedPositionsCache(start, E.shape, weights)


def learned_positions_backward(dx: Array, cache: LearnedPositionsCache) -> tuple[Array, LearnedPositions]:
    """dE = dx, and dP_i = sum of dx_i over the batch, whose sequences share P_i; 0 where no token stood.

    -> dE, which is dx itself and shares its memory, and dweights
    """
    start, shape, weights = cache
    check_shape("dx", dx, shape)
    dP = np.zeros_like(weights.P)
    dP[start : start + shape[-2]] = dx.reshape(-1, *dx.shape[-2:]).sum(axis=0)
    return dx, LearnedPositions(dP)
