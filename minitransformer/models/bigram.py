"""Section 2.1.2: the bigram model, which predicts each word from the one before it alone."""

from typing import NamedTuple

import numpy as np

from minitransformer.arguments import check_ids, check_integer, check_positive

Array = np.ndarray


class Bigram(NamedTuple):
    counts: Array  # (V, V), how often word j followed word i
    k: float  # added to every count


def count_bigrams(ids: Array, V: int, k: float = 0.1) -> Bigram:
    """Count every pair of neighbours in `ids`: (n,) integers in [0, V).

    k > 0 is added to every count (add-k smoothing), for the sparsity that 2.1.3 speaks of: most pairs never occur in
    the training text, and a probability of 0 for one of them would make any text that has it impossible.
    """
    check_integer("V", V, least=1)
    check_ids("ids", ids, V)
    check_positive("k", k)
    pairs = ids[:-1].astype(np.int64) * V + ids[1:]
    counts = np.bincount(pairs, minlength=V * V).reshape(V, V)
    return Bigram(counts, k)


def bigram_log_probabilities(bigram: Bigram) -> Array:
    """log P(w_i | w_{i-1}) = log (count(w_{i-1}, w_i) + k) / (count(w_{i-1}) + k V)  (2.1.2).  -> (V, V), rows w_{i-1}

    The Markov assumption, P(w_i | w_1, ..., w_{i-1}) ~ P(w_i | w_{i-1}), is that a table of V x V numbers is the model.
    """
    smoothed = bigram.counts + bigram.k
    return np.log(smoothed) - np.log(smoothed.sum(axis=1, keepdims=True))


def bigram_loss(ids: Array, bigram: Bigram) -> float:
    """-(1/n) sum_i log P(w_i | w_{i-1}) over the n neighbours in `ids`, in nats."""
    check_ids("ids", ids, len(bigram.counts))
    if len(ids) < 2:
        raise ValueError(f"ids: got {len(ids)} of them, expected 2 or more, so that there are neighbours")
    log_p = bigram_log_probabilities(bigram)
    return float(-log_p[ids[:-1], ids[1:]].mean())
