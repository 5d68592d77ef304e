"""The word that stood most often between the same neighbours: a guess without a model (3.3.1)."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.data.word_pieces import MASK, N_SPECIAL
from minitransformer.tasks.pretraining.neighbours import WIDTHS, count, guess

V = 9
# How many words before and after, in the order in which they are asked: those on both sides tell most.
ORDER = {
    1: [(1, 1), (0, 1), (1, 0), (0, 0)],
    2: [(2, 2), (1, 2), (2, 1), (1, 1), (0, 2), (2, 0), (0, 1), (1, 0), (0, 0)],
}


def by_counting(texts, row, place, width):
    """Look through all texts for the same neighbours; of equally frequent words the first."""
    for left, right in ORDER[width]:
        if place < left or place + right >= len(row):
            continue
        wanted = (*row[place - left : place], *row[place + 1 : place + 1 + right])
        found = Counter()
        for text in texts:
            for i in range(left, len(text) - right):
                if (*text[i - left : i], *text[i + 1 : i + 1 + right]) == wanted:
                    found[text[i]] += 1
        if found:
            return min(found, key=lambda word: (-found[word], word))
    return None


@given(seeds, st.sampled_from(WIDTHS), st.integers(1, 40))
def test_it_is_the_most_frequent_word_of_the_widest_context_that_occurs(seed, width, n):
    """As counted one by one; with masks among the neighbours, which no text has, and at the ends of a row.

    Beyond the ends of a row there is nothing; for the test the texts do without the word that stands there instead.
    """
    rng = np.random.default_rng(seed)
    texts = [rng.integers(N_SPECIAL, V - 1, rng.integers(1, n + 1)) for _ in range(4)]
    texts.append(rng.integers(N_SPECIAL, V - 1, 5))  # one is long enough for the widest context
    ids = rng.integers(N_SPECIAL, V - 1, (3, 7))
    places = np.flatnonzero(rng.random(21) < 0.4)
    ids.reshape(-1)[places] = MASK
    found = guess(ids, places, count(texts, V, width), V)
    lists = [text.tolist() for text in texts]
    assert found.tolist() == [by_counting(lists, ids[p // 7].tolist(), p % 7, width) for p in places]


def test_an_example():
    """Between 5 and 7 most often 6; after 5 most often 8; with no neighbour that was ever seen, what is frequent."""
    texts = [np.array([5, 6, 7, 5, 6, 7, 5, 8, 8]), np.array([5, 8, 5, 8, 8, 8])]
    tables = count(texts, V, 1)
    ids = np.array([[5, MASK, 7], [5, MASK, MASK], [MASK, MASK, MASK]])
    assert_array_equal(guess(ids, np.array([1, 4, 7]), tables, V), [6, 8, 8])


def test_no_place_no_guess():
    assert guess(np.full((2, 3), 5), np.zeros(0, np.int64), count([np.arange(5)], V, 2), V).shape == (0,)
