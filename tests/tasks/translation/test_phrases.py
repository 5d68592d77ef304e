"""Number and date phrases: which are drawn, and which are kept for the test."""

import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from minitransformer.data.number_words import chinese_number, english_number
from minitransformer.tasks.translation import phrases
from minitransformer.tasks.translation.phrases import (
    LONGER,
    MOST_DIGITS,
    SIDES,
    TEST,
    TRAINING,
    VALIDATION,
    all_words,
    draw,
    draw_longer,
    draw_number,
    number_pair,
    side_of,
)


def test_the_example_of_the_task():
    pair = number_pair(12_345_678)
    assert pair.chinese == "一千二百三十四万五千六百七十八"
    assert pair.english == "twelve million three hundred forty-five thousand six hundred seventy-eight"


@given(seeds)
def test_no_test_phrase_is_ever_drawn_to_learn_from(seed):
    """Each phrase belongs to one side for ever; a draw of one side has that side's phrases alone."""
    rng = np.random.default_rng(seed)
    for side in SIDES:
        assert {side_of(pair) for pair in draw(side, 20, rng)} == {side}


def test_a_twentieth_is_for_validation_and_another_for_the_test():
    """Within five standard errors, over the first 20,000 numbers."""
    sides = [side_of(number_pair(n)) for n in range(20_000)]
    for side in (VALIDATION, TEST):
        assert abs(sides.count(side) / 20_000 - 0.05) < 5 * (0.05 * 0.95 / 20_000) ** 0.5


def test_numbers_of_all_lengths_and_dates_are_drawn():
    """Dates in one of five; short and long numbers, none with more digits than there may be; zeros often."""
    pairs = draw(TRAINING, 4000, np.random.default_rng(0))
    dates = [pair for pair in pairs if pair.chinese.endswith("日")]
    assert abs(len(dates) / 4000 - phrases.DATES) < 5 * (0.2 * 0.8 / 4000) ** 0.5
    words = {english_number(n) for n in range(10)}
    assert {pair.english for pair in pairs} & words
    assert max(len(pair.chinese) for pair in pairs) <= len(chinese_number(10**MOST_DIGITS - 1))
    assert sum("零" in pair.chinese for pair in pairs) > 500


@given(seeds, st.integers(1, 16))
def test_a_number_has_as_many_digits_as_were_asked_for(seed, n):
    number = draw_number(np.random.default_rng(seed), n, n)
    assert len(str(number)) == n


def test_longer_numbers_are_longer_than_any_to_learn_from():
    for pair in draw_longer(50, np.random.default_rng(0)):
        assert "trillion" in pair.english or "quadrillion" in pair.english
    assert LONGER[0] == MOST_DIGITS + 1


@given(seeds)
def test_every_word_is_known(seed):
    """The vocabularies, made from a list of phrases, have every character and every word of what may be drawn."""
    rng = np.random.default_rng(seed)
    drawn = [*draw(TRAINING, 20, rng), *draw_longer(20, rng)]
    for language in ("chinese", "english"):
        known = {c for pair in all_words() for c in split(getattr(pair, language))}
        assert {c for pair in drawn for c in split(getattr(pair, language))} <= known


def split(text):
    return text.replace("-", " ").split() if text.isascii() else list(text)


def test_dates_are_dates():
    """Drawn over all years, from the first to the last day."""
    days = [phrases.draw_date(np.random.default_rng(i)) for i in range(2000)]
    assert min(days) < datetime.date(1010, 1, 1) and max(days) > datetime.date(2990, 1, 1)
