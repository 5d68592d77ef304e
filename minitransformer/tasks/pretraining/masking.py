"""Section 3.3.1: which words are masked, and what stands in their place."""

from typing import NamedTuple

import numpy as np

from minitransformer.data.word_pieces import MASK, N_SPECIAL

Array = np.ndarray

CHOSEN = 0.15  # of the words
MASKED, EXCHANGED = 0.8, 0.1  # of those that are chosen; the others stay as they are


class Masked(NamedTuple):
    ids: Array  # like the ids that were given
    places: Array  # (n,), of the chosen words, counted through the whole batch row by row
    targets: Array  # (n,), the words that stood there


def mask_words(ids: Array, V: int, rng: np.random.Generator) -> Masked:
    """Each word is chosen with probability 0.15; of these 80% become [MASK], 10% any word, 10% stay.

    (Devlin et al. 2019, 3.1: with [MASK] alone the model would learn nothing about words that are there, and when it is
    fine-tuned there are no masks.) Special tokens are never chosen, and never drawn.  ids: (...), integers in [0, V)
    """
    chosen = (ids >= N_SPECIAL) & (rng.random(ids.shape) < CHOSEN)
    fate = rng.random(ids.shape)
    drawn = rng.integers(N_SPECIAL, V, ids.shape)
    seen = np.where(fate < MASKED, MASK, np.where(fate < MASKED + EXCHANGED, drawn, ids))
    places = np.flatnonzero(chosen)
    return Masked(np.where(chosen, seen, ids), places, ids.reshape(-1)[places])
