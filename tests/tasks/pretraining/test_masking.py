"""Masking (3.3.1): 15% of the words, of which 80% become [MASK], 10% another word, 10% stay."""

import math

import numpy as np
from hypothesis import given
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.data.word_pieces import MASK, N_SPECIAL
from minitransformer.tasks.pretraining.masking import mask_words

V = 1000


def within_five_standard_errors(count, n, p):
    return abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p))


def test_statistics():
    """Over a million words each share is within five standard errors of what the paper says."""
    rng = np.random.default_rng(0)
    ids = rng.integers(N_SPECIAL, V, (1000, 1000))
    masked = mask_words(ids, V, rng)
    n = len(masked.places)
    assert n > 10**5
    assert within_five_standard_errors(n, ids.size, 0.15)
    seen = masked.ids.reshape(-1)[masked.places]
    assert within_five_standard_errors((seen == MASK).sum(), n, 0.8)
    same = 0.1 + 0.1 / (V - N_SPECIAL)  # a word that is drawn may be the one that stood there
    assert within_five_standard_errors((seen == masked.targets).sum(), n, same)
    others = seen[(seen != MASK) & (seen != masked.targets)]
    assert within_five_standard_errors(len(others), n, 0.1 - 0.1 / (V - N_SPECIAL))


def test_every_word_is_drawn_as_often_as_any_other():
    """Of 995 words each is drawn about as often, and no special token ever."""
    rng = np.random.default_rng(1)
    ids = np.full((2000, 1000), N_SPECIAL)
    masked = mask_words(ids, V, rng)
    seen = masked.ids.reshape(-1)[masked.places]
    drawn = seen[(seen != MASK) & (seen != N_SPECIAL)]
    counts = np.bincount(drawn, minlength=V)
    assert counts[:N_SPECIAL].sum() == 0
    expected = len(drawn) / (V - N_SPECIAL - 1)
    assert abs(counts[N_SPECIAL + 1 :] - expected).max() < 6 * math.sqrt(expected)


@given(seeds)
def test_special_tokens_are_never_chosen_and_never_drawn(seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 12, (4, 50))
    masked = mask_words(ids, 12, rng)
    special = ids < N_SPECIAL
    assert_array_equal(masked.ids[special], ids[special])
    changed = masked.ids != ids
    assert set(np.flatnonzero(changed)) <= set(masked.places)
    assert ((masked.ids[changed] == MASK) | (masked.ids[changed] >= N_SPECIAL)).all()


@given(seeds)
def test_targets_are_the_words_that_stood_there(seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, V, (3, 40))
    masked = mask_words(ids, V, rng)
    assert_array_equal(masked.targets, ids.reshape(-1)[masked.places])
    unchosen = np.delete(np.arange(ids.size), masked.places)
    assert_array_equal(masked.ids.reshape(-1)[unchosen], ids.reshape(-1)[unchosen])
