"""The best answer that can be cut out of a text (3.5.1): the best pair of start and end, or none."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from minitransformer.decoding.best_span import best_span


def by_search(scores, allowed, longest):
    """(start, end, score) of the first best pair, by looking at every one."""
    n = len(allowed)
    pairs = [(i, j) for i in range(n) for j in range(i, n) if allowed[i] and allowed[j] and j - i < longest]
    if not pairs:
        return None
    i, j = max(pairs, key=lambda pair: scores[0, pair[0]] + scores[1, pair[1]])  # of several the first
    return i, j, scores[0, i] + scores[1, j] - (scores[0, 0] + scores[1, 0])


@st.composite
def cases(draw, always_whole=False):
    """Scores of a text; whole numbers, which are often equal, or any."""
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(1, 9))
    scores = (
        rng.integers(-2, 3, (2, n)).astype(float)
        if always_whole or draw(st.booleans())
        else rng.standard_normal((2, n))
    )
    return scores, rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])), draw(st.integers(1, n + 2))


@given(cases())
def test_it_is_the_best_of_all_pairs(case):
    """Of equally good ones the first."""
    assert best_span(*case) == (None if (found := by_search(*case)) is None else pytest.approx(found, abs=1e-12))


@given(cases(always_whole=True))
def test_of_equally_good_pairs_the_first_is_taken(case):
    """Whole numbers add up exactly, so that here nothing is approximate."""
    assert best_span(*case) == by_search(*case)


@given(cases())
def test_it_keeps_to_the_rules(case):
    """Start and end are positions of the text, in this order, and not farther apart than may be."""
    scores, allowed, longest = case
    span = best_span(scores, allowed, longest)
    if span is None:
        assert not allowed.any()
    else:
        assert allowed[span.start] and allowed[span.end]
        assert 0 <= span.end - span.start < longest


def test_the_best_end_may_be_too_far_away_or_too_early():
    """Then another pair is the best one: not the best start with the best end."""
    scores = np.array([[0.0, 0.0, 5.0, 1.0, 4.5], [0.0, 9.0, 0.0, 1.0, 6.0]])
    allowed = np.array([False, True, True, True, True])
    assert best_span(scores, allowed, 9) == (2, 4, 11.0)
    assert best_span(scores, allowed, 2) == (4, 4, 10.5)
    assert best_span(scores, np.array([False, True, True, True, False]), 9) == (1, 1, 9.0)


@given(cases(), st.integers(-8, 8), st.integers(-8, 8))
def test_the_score_is_relative_to_no_answer(case, a, b):
    """What raises all starts, or all ends, changes nothing; what raises the first position alone lowers the score."""
    scores, allowed, longest = case
    allowed[0] = False
    span = best_span(scores, allowed, longest)
    if span is None:
        return
    raised = best_span(scores + np.array([[a], [b]]), allowed, longest)
    assert raised.score == pytest.approx(span.score, abs=1e-12)
    at_first = scores.copy()
    at_first[:, 0] += (a, b)
    assert best_span(at_first, allowed, longest) == (span.start, span.end, pytest.approx(span.score - a - b, abs=1e-12))


def test_where_nothing_is_allowed_there_is_none():
    assert best_span(np.ones((2, 3)), np.zeros(3, bool), 5) is None
    assert best_span(np.ones((2, 0)), np.zeros(0, bool), 5) is None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_told_where_they_are_looked_at(wrong):
    """At a position of the text or at the first one; anywhere else, such as padding, they have no influence."""
    scores = np.array([[0.0, 1.0, 5.0, 2.0], [0.0, 2.0, 1.0, 3.0]])
    allowed = np.array([False, True, False, True])
    expected = best_span(scores, allowed, 4)
    scores[:, 2] = wrong
    assert best_span(scores, allowed, 4) == expected
    for position in (0, 1, 3):
        spoilt = scores.copy()
        spoilt[1, position] = wrong
        message = f"scores: got {wrong}, expected finite numbers at the allowed positions and the first"
        with refuses(ValueError, message):
            best_span(spoilt, allowed, 4)


def test_what_it_refuses():
    with refuses(TypeError, "allowed: got dtype int64, expected a boolean array"):
        best_span(np.zeros((2, 3)), np.array([0, 1, 1]), 2)
    with refuses(ValueError, "longest: got 0, expected 1 or more"):
        best_span(np.ones((2, 3)), np.ones(3, bool), 0)
    with refuses(TypeError, "longest: got 1.5, expected an integer"):
        best_span(np.ones((2, 3)), np.ones(3, bool), 1.5)
    with refuses(ValueError, "scores: got shape (3, 2), expected (2, 3)"):
        best_span(np.ones((3, 2)), np.ones(3, bool), 1)
    with refuses(TypeError, "scores: got dtype int64, expected floating-point numbers such as float32"):
        best_span(np.ones((2, 3), np.int64), np.ones(3, bool), 1)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_stands_elsewhere_has_no_influence(number):
    """Only the text and the first position are looked at, and there nothing may be without a number."""
    scores, allowed = np.array([[0.0, 9.0, 1.0, 2.0], [0.0, 9.0, 3.0, 1.0]]), np.array([False, False, True, True])
    elsewhere = scores.copy()
    elsewhere[:, 1] = number
    assert best_span(elsewhere, allowed, 3) == best_span(scores, allowed, 3) == (2, 2, 4.0)
    for row in (0, 1):
        for position in (0, 2, 3):
            spoilt = scores.copy()
            spoilt[row, position] = number
            with pytest.raises(ValueError, match=r"^scores: "):
                best_span(spoilt, allowed, 3)
