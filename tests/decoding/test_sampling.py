"""Writing by drawing one word after the other (3.4.1)."""

import itertools
import math

import numpy as np
import pytest
from assertions import refuses

from minitransformer.decoding.sampling import sample

LOGITS = np.log(np.array([0.5, 0.3, 0.2], np.float32))


def same_everywhere(ids):
    """A model that always gives the same distribution."""
    return np.tile(LOGITS, (len(ids), 1))


def draw(n, seed=0, **kwargs):
    words = sample(same_everywhere, np.array([0]), 4, np.random.default_rng(seed), **kwargs)
    return np.array(list(itertools.islice(words, n)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_words_are_drawn_as_often_as_the_softmax_says(temperature):
    """softmax(logits / temperature): each frequency within 5 standard deviations."""
    n = 20_000
    p = np.array([0.5, 0.3, 0.2]) ** (1 / temperature)
    p /= p.sum()
    frequencies = np.bincount(draw(n, temperature=temperature), minlength=3) / n
    assert (np.abs(frequencies - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


def test_temperature_is_1_by_default():
    assert draw(50).tolist() == draw(50, temperature=1.0).tolist()


def test_a_cold_model_takes_the_likeliest_word():
    assert set(draw(50, temperature=1e-3).tolist()) == {0}


def test_the_seed_decides():
    """The same seed writes the same text."""
    assert draw(50).tolist() == draw(50).tolist()
    assert draw(50).tolist() != draw(50, seed=1).tolist()


def test_each_word_joins_the_context_and_the_oldest_leaves_it():
    """The model sees the last `context` ids, the prompt's and its own."""
    seen = []

    def count_up(ids):
        """After i comes i + 1, for sure."""
        seen.append(ids.tolist())
        return np.where(np.arange(10) == ids[:, None] + 1, 0.0, -np.inf)

    words = sample(count_up, np.array([0, 1, 2, 3]), 3, np.random.default_rng(0))
    assert list(itertools.islice(words, 3)) == [4, 5, 6]
    assert seen == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]


def test_only_the_last_position_speaks():
    """The other rows of logits predict words that are already there."""

    def last_row_says_2(ids):
        logits = np.full((len(ids), 3), -math.inf)
        logits[:, 0] = 0
        logits[-1] = [-math.inf, -math.inf, 0]
        return logits

    words = sample(last_row_says_2, np.array([0, 0]), 5, np.random.default_rng(0))
    assert list(itertools.islice(words, 4)) == [2, 2, 2, 2]


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)

    def first(prompt, context=4, rng=rng, temperature=1.0):
        return next(sample(same_everywhere, prompt, context, rng, temperature))

    with refuses(ValueError, "prompt: got shape (0,), expected one axis with at least one id"):
        first(np.empty(0, int))
    with refuses(ValueError, "prompt: got shape (1, 2), expected one axis with at least one id"):
        first(np.array([[1, 2]]))
    with refuses(TypeError, "prompt: got list, expected an array of integers"):
        first([1])
    with refuses(ValueError, "context: got 0, expected 1 or more"):
        first(np.array([1]), context=0)
    with refuses(ValueError, "temperature: got 0, expected a finite number above 0"):
        first(np.array([1]), temperature=0)
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        first(np.array([1]), rng=0)
