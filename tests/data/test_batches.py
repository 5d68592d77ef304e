"""Windows of a text, whose targets stand one position further on; rows of unequal length, padded."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.data.batches import check_long_enough, padded, random_windows


@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 30), seeds)
def test_each_target_is_the_word_after_its_input(context, B, extra, seed):
    """In windows of consecutive ids, from anywhere in the text."""
    ids = np.arange(context + extra) + 100
    inputs, targets = random_windows(ids, context, B, np.random.default_rng(seed))
    assert inputs.shape == targets.shape == (B, context)
    assert_array_equal(targets, inputs + 1)
    assert_array_equal(inputs, inputs[:, :1] + np.arange(context))
    assert ids[0] <= inputs.min()
    assert targets.max() <= ids[-1]


def test_every_window_is_drawn_also_the_last():
    """Five ids have three windows of context 2; each comes up about as often."""
    inputs, _ = random_windows(np.arange(5), 2, 3000, np.random.default_rng(0))
    assert np.bincount(inputs[:, 0], minlength=3) == pytest.approx([1000] * 3, rel=0.15)


def test_small_ids_become_integers_that_do_not_overflow():
    """As they come from disk."""
    inputs, targets = random_windows(np.arange(9, dtype=np.uint8), 3, 2, np.random.default_rng(0))
    assert inputs.dtype == targets.dtype == np.int64


def test_a_text_that_is_too_short_is_refused():
    """One window's inputs and one target more are the least."""
    message = "text: got a part of 4 characters, expected more than 4 for one window"
    check_long_enough("abcde", 4)
    for call in (
        lambda: check_long_enough("abcd", 4),
        lambda: random_windows(np.arange(4), 4, 1, np.random.default_rng(0)),
    ):
        with refuses(ValueError, message):
            call()


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=5), st.integers(10, 12), st.booleans())
def test_padded_rows_are_the_rows_and_nothing_but_filler(rows, filler, at_start):
    """As long as the longest; the filler stands behind the words, or, where that is asked for, before them."""
    whole = padded([np.array(row, int) for row in rows], filler, at_start)
    longest = max(map(len, rows))
    fillers = [[filler] * (longest - len(row)) for row in rows]
    assert whole.tolist() == [
        between + row if at_start else row + between for row, between in zip(rows, fillers, strict=True)
    ]
    assert whole.dtype == np.int64


def test_rows_are_padded_at_their_ends_unless_it_is_said():
    assert padded([np.array([1]), np.array([2, 3])], 0).tolist() == [[1, 0], [2, 3]]


def test_rows_and_filler_are_integers_of_64_bits():
    """Any of them, also far below 0; a row has one axis."""
    rows = [np.array([1]), np.array([2, 3])]
    for filler in (-1000, -(2**63), 2**62):
        assert padded(rows, filler).tolist() == [[1, filler], [2, 3]]
    with pytest.raises(ValueError, match=r"^filler: "):
        padded(rows, -(2**63) - 1)
    with pytest.raises(ValueError, match=r"^rows: "):
        padded([np.array(1)], 0)
