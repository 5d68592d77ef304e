"""Section 3.1.1: token embedding, the table that turns tokens into vectors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_ids, check_shape, check_start
from minitransformer.shapes import check

Array = np.ndarray


class Embedding(NamedTuple):
    E: Array  # (V, d)


class EmbeddingCache(NamedTuple):
    ids: Array  # (...), integers
    weights: Embedding


def init_embedding(V: int, d: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Embedding:
    """Standard normal, the size of the positional encoding (sines), so that neither drowns the other."""
    check_start(rng, dtype, V=V, d=d)
    return Embedding(rng.standard_normal((V, d)).astype(dtype))


def embedding(ids: Array, weights: Embedding) -> tuple[Array, EmbeddingCache]:
    """x_i = E[w_i]: row w_i of the table, the same as a one-hot row vector times E.

    ids: (...) integers in [0, V) -> x: (..., d)
    """
    check("weights.E: V d", weights.E)
    check_ids("ids", ids, len(weights.E))
    return weights.E[ids], EmbeddingCache(ids, weights)


def embedding_backward(dx: Array, cache: EmbeddingCache) -> Embedding:
    """dE_w = sum of dx_i over all positions i with w_i = w: a token that occurs twice gets both gradients.

    From x_ic = sum_w [w_i = w] E_wc. (`dE[ids] += dx` would keep only the last of them.) The rows are sorted by token,
    and each run of one token is added up. The ids themselves have no gradient.
    """
    E = cache.weights.E
    check_shape("dx", dx, (*cache.ids.shape, E.shape[-1]))
    flat_ids = cache.ids.reshape(-1)
    order = np.argsort(flat_ids, kind="stable")
    sorted_dx = dx.reshape(-1, E.shape[-1])[order]
    tokens, run_starts = np.unique(flat_ids[order], return_index=True)
    dE = np.zeros_like(E)
    dE[tokens] = np.add.reduceat(sorted_dx, run_starts, axis=0)
    return Embedding(dE)
