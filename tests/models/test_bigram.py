"""The bigram model (2.1.2), with the smoothing that sparsity (2.1.3) asks for."""

import itertools
import math

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minitransformer.models.bigram import bigram_log_probabilities, bigram_loss, count_bigrams

texts = st.lists(st.integers(0, 4), min_size=2, max_size=40).map(np.array)
smoothing = st.sampled_from([0.1, 1.0])


def by_the_book(ids, V, k):
    """log (count(w_{i-1}, w_i) + k) / (count(w_{i-1}) + k V), counted pair by pair."""
    pairs = list(itertools.pairwise(ids))
    firsts = list(ids[:-1])
    return [[math.log((pairs.count((i, j)) + k) / (firsts.count(i) + k * V)) for j in range(V)] for i in range(V)]


@given(texts, smoothing)
def test_bigram_log_probabilities_are_the_equation(ids, k):
    """Rows are the word before, columns the word after."""
    bigram = count_bigrams(ids, 5, k)
    assert bigram.counts.sum() == len(ids) - 1
    assert_allclose(bigram_log_probabilities(bigram), by_the_book(ids.tolist(), 5, k), rtol=1e-12)


@given(texts, smoothing)
def test_each_row_is_a_distribution(ids, k):
    """Also that of a word that was never seen, where it is uniform."""
    p = np.exp(bigram_log_probabilities(count_bigrams(ids, 6, k)))
    assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert_allclose(p[5], 1 / 6, rtol=1e-12)


@given(texts, texts, smoothing)
def test_the_loss_is_the_mean_over_neighbours(ids, other, k):
    """-(1/n) sum log P(w_i | w_{i-1}), of a text other than the one that was counted."""
    bigram = count_bigrams(ids, 5, k)
    log_p = by_the_book(ids.tolist(), 5, k)
    costs = [-log_p[i][j] for i, j in itertools.pairwise(other)]
    assert bigram_loss(other, bigram) == pytest.approx(sum(costs) / len(costs), rel=1e-12)


@given(texts, st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_only_the_word_before_matters(ids, before, w, first):
    """Markov assumption: what a word costs after `before` does not depend on what stood earlier."""
    bigram = count_bigrams(ids, 5)
    alone = bigram_loss(np.array([before, w]), bigram)
    assert 2 * bigram_loss(np.array([first, before, w]), bigram) - bigram_loss(
        np.array([first, before]), bigram
    ) == pytest.approx(alone, rel=1e-9)


def test_no_other_probabilities_make_the_counted_text_cheaper():
    """Counting is maximum likelihood: with little smoothing, the loss is the text's conditional entropy."""
    ids = np.array([0, 1, 0, 1, 0, 2] * 50)
    entropy = (2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(3)) / 2  # after 0 comes 1 or 2; after 1 and 2 always 0
    assert bigram_loss(ids, count_bigrams(ids, 3, k=1e-9)) == pytest.approx(entropy, rel=0.01)


def test_an_unseen_pair_is_possible():
    """Without smoothing it would cost infinitely much."""
    assert math.isfinite(bigram_loss(np.array([2, 2]), count_bigrams(np.array([0, 1]), 3)))


def test_small_integers_do_not_overflow():
    """ids of 8 bits and a vocabulary whose square has more."""
    assert count_bigrams(np.array([199, 198], np.uint8), 200).counts[199, 198] == 1


def test_bad_input_is_refused():
    with refuses(ValueError, "ids: got values from 0 to 3, expected 0 to 2"):
        count_bigrams(np.array([0, 3]), 3)
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        count_bigrams(np.array([0.0]), 3)
    with refuses(ValueError, "V: got 0, expected 1 or more"):
        count_bigrams(np.array([0, 0]), 0)
    with refuses(ValueError, "k: got 0, expected a finite number above 0"):
        count_bigrams(np.array([0, 0]), 1, 0)
    bigram = count_bigrams(np.array([0, 1]), 2)
    with refuses(ValueError, "ids: got values from 0 to 2, expected 0 to 1"):
        bigram_loss(np.array([0, 2]), bigram)
    with refuses(ValueError, "ids: got 1 of them, expected 2 or more, so that there are neighbours"):
        bigram_loss(np.array([0]), bigram)
