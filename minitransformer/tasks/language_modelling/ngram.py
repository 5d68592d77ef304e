"""Section 2.1.2: the n-gram model on the ladder."""

import math
from typing import Any, NamedTuple

import numpy as np

from minitransformer.models.ngram import MOST_CODES, NGram, count_ngrams, ngram_costs, ngram_probability
from minitransformer.tasks.language_modelling.kind import FIRST, Kind, Rng

Array = np.ndarray


class NGramSettings(NamedTuple):
    """Order 8 with Kneser-Ney is the best on the Python reference."""

    n: int = 8
    smoothing: str = "Kneser-Ney"
    k: float = 0.1  # of add-k


def init(ids: Array, V: int, settings: NGramSettings, rng: Rng) -> NGram:
    if settings.n > FIRST:
        raise ValueError(f"n: got {settings.n}, expected at most {FIRST}, so that all words have a history")
    if V**settings.n > MOST_CODES:
        most = int(math.log(MOST_CODES) / math.log(V))
        raise ValueError(f"n: got {settings.n}, too large for {V} words, expected at most {most} (--set n={most})")
    return count_ngrams(ids, V, settings.n, settings.smoothing, settings.k)


def costs(ids: Array, model: NGram, settings: NGramSettings) -> Array:
    return ngram_costs(ids[FIRST - settings.n + 1 :], model)


def read(ids: Array, state: Any, model: NGram, settings: NGramSettings) -> tuple[Array, Array]:
    """The state is the last n - 1 words, or as many as have been read."""
    joined = ids if state is None else np.concatenate([state, ids])
    history = joined[max(0, len(joined) - (model.n - 1)) :]
    with np.errstate(divide="ignore"):  # of maximum likelihood: log 0 is -infinity
        logits = np.log(ngram_probability(model, history[None, :], np.arange(model.V)))
    return logits, history


NGRAM = Kind("ngram", "2.1.2", NGramSettings(), init, costs, read)
