"""Section 4.3's alternative (BERT and GPT, 3.3 and 3.4): a learned vector for each position, added to the word's."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_rank, check_start, check_width

Array = np.ndarray


class LearnedPositions(NamedTuple):
    P: Array  # (context, d)


class LearnedPositionsCache(NamedTuple):
    L: int
    weights: LearnedPositions


def init_learned_positions(
    context: int, d: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> LearnedPositions:
    """Small at first (standard deviation 0.02, as in GPT-2): what a word means counts before where it stands."""
    check_start(rng, dtype, context=context, d=d)
    return LearnedPositions((0.02 * rng.standard_normal((context, d))).astype(dtype))


def learned_positions(E: Array, weights: LearnedPositions) -> tuple[Array, LearnedPositionsCache]:
    """x_i = E_i + P_i.  E: (..., L, d) -> (..., L, d), with L at most `context`: beyond it there is no vector."""
    check_rank("weights.P", weights.P, 2)
    context, d = weights.P.shape
    check_width("E", E, d, ndim=2)
    L = E.shape[-2]
    if context < L:
        raise ValueError(f"E: got {L} positions, expected at most {context}, for which there are vectors")
    return E + weights.P[:L], LearnedPositionsCache(L, weights)


def learned_positions_backward(dx: Array, cache: LearnedPositionsCache) -> tuple[Array, LearnedPositions]:
    """dE = dx, and dP_i = sum of dx_i over the batch, whose sequences share P_i; 0 where no word stood.

    -> dE, dweights
    """
    d = cache.weights.P.shape[-1]
    check_width("dx", dx, d, ndim=2)
    if dx.shape[-2] != cache.L:
        raise ValueError(f"dx: got shape {dx.shape}, expected {cache.L} positions before the last axis")
    dP = np.zeros_like(cache.weights.P)
    dP[: cache.L] = dx.reshape(-1, *dx.shape[-2:]).sum(axis=0)
    return dx, LearnedPositions(dP)
