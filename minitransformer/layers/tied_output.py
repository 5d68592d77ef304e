"""Sections 3.3 and 3.4: a tied output, which scores each token with the vector that embeds it (Press, Wolf 2017)."""

from typing import NamedTuple

import numpy as np

from minitransformer.layers.embedding import Embedding
from minitransformer.shapes import check

Array = np.ndarray


class TiedOutputCache(NamedTuple):
    y: Array  # (..., d)
    weights: Embedding


def tied_output(y: Array, weights: Embedding) -> tuple[Array, TiedOutputCache]:
    """logits_w = y . E_w for every token w: the better y points where E_w does, the likelier the token.

    y: (..., d) -> logits: (..., V)
    """
    check("weights.E: V d, y: ... d", weights.E, y)
    V, d = weights.E.shape
    rows = y.reshape(-1, d)
    scores = rows.dot(weights.E.T)  # (N, V)
    return scores.reshape(*y.shape[:-1], V), TiedOutputCache(y, weights)


def tied_output_backward(dlogits: Array, cache: TiedOutputCache) -> tuple[Array, Embedding]:
    """dy = dlogits E,  dE = dlogits^T y, a linear map without bias whose W is E^T. -> dy, dweights

    This is one of two gradients of E: the other comes from where E embeds the input, and the caller adds them.
    """
    y, weights = cache
    V, d = weights.E.shape
    check("y: ... d, weights.E: V d, dlogits: ... V", y, weights.E, dlogits)  # else rows might be in another order
    dscores = dlogits.reshape(-1, V)
    drows = dscores @ weights.E  # (N, d)
    dE = dscores.T @ y.reshape(-1, d)  # (V, d)
    return drows.reshape(y.shape), Embedding(dE)
