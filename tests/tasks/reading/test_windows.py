"""Question and text as one input; a text that is too long, in windows that overlap (3.5.1)."""

import itertools

import numpy as np
import pytest
from assertions import refuses
from few_questions import VOCABULARY, few_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.data.word_pieces import CLS, PAD, SEP
from minitransformer.tasks.reading.questions import Question, Span
from minitransformer.tasks.reading.windows import (
    Document,
    Example,
    Window,
    all_windows,
    batch,
    cut,
    draw_window,
    example,
    first_place,
    read_document,
    room,
)

CONTEXT = 24


@st.composite
def examples(draw, longest_answer=30):
    """A question of three to nine tokens, a document of up to sixty, an answer anywhere in it, or none."""
    rng = np.random.default_rng(draw(seeds))
    n = draw(st.integers(1, 60))
    ids = rng.integers(5, 90, n)
    spans = np.stack([2 * np.arange(n), 2 * np.arange(n) + 1], axis=1)
    document = Document("x " * n, ids, spans)
    first = draw(st.integers(0, n - 1))
    last = draw(st.integers(first, min(n - 1, first + longest_answer)))
    return Example(rng.integers(5, 90, draw(st.integers(3, 9))), document, draw(st.sampled_from([None, (first, last)])))


@given(examples())
def test_windows_cover_every_token_and_overlap_by_half(of):
    """None is longer than there is room; each but the first begins in the middle of the one before it."""
    windows, size, n = all_windows(of, CONTEXT), room(of.question, CONTEXT), len(of.document.ids)
    assert windows[0].start == 0 and windows[-1].end == n
    assert all(0 < window.end - window.start <= size for window in windows)
    for before, after in itertools.pairwise(windows):
        assert before.end - before.start == size
        assert before.end - after.start == size - size // 2
        assert after.end > before.end


@given(examples(longest_answer=3))
def test_a_short_answer_is_whole_in_some_window(of):
    """One that is no longer than what two windows share."""
    if of.answer is not None:
        first, last = of.answer
        assert last - first + 1 <= room(of.question, CONTEXT) // 2
        assert any(window.start <= first and last < window.end for window in all_windows(of, CONTEXT))


@given(examples(), seeds)
def test_a_drawn_window_holds_the_answer(of, seed):
    """With probability 1, wherever the whole of it fits; with 0, any window may come, and none is empty."""
    rng = np.random.default_rng(seed)
    size, n = room(of.question, CONTEXT), len(of.document.ids)
    for with_answer in (0.0, 1.0):
        window = draw_window(of, CONTEXT, with_answer, rng)
        assert 0 <= window.start < window.end == min(window.start + size, n)
        if with_answer and of.answer is not None:
            assert window.start <= of.answer[0]
            assert of.answer[1] < window.end or of.answer[1] - of.answer[0] >= size


def test_every_window_is_drawn():
    """With the answer in it each that holds it; else each whose first half the text fills, wherever the answer is."""
    of = Example(np.arange(5, 9), Document("", np.arange(5, 55), np.zeros((50, 2), int)), (20, 22))
    size = room(of.question, CONTEXT)
    for with_answer, starts in ((1.0, range(22 + 1 - size, 20 + 1)), (0.0, range(50 - size // 2))):
        rng = np.random.default_rng(0)
        assert {draw_window(of, CONTEXT, with_answer, rng).start for _ in range(2000)} == set(starts)


@given(st.lists(examples(), min_size=1, max_size=4), seeds)
def test_a_batch_is_laid_out_as_bert_reads_it(several, seed):
    """[CLS] question [SEP] text [SEP] padding; allowed are the places of the text, and no others."""
    rng = np.random.default_rng(seed)
    windows = [draw_window(of, CONTEXT, 0.5, rng) for of in several]
    rows = batch(windows)
    assert rows.ids.shape == rows.segments.shape == rows.allowed.shape == (len(windows), rows.lengths.max())
    assert rows.ids.shape[1] <= CONTEXT
    for i, window in enumerate(windows):
        text = window.example.document.ids[window.start : window.end]
        expected = [CLS, *window.example.question, SEP, *text, SEP]
        n = len(expected)
        assert rows.lengths[i] == n
        assert rows.ids[i].tolist() == expected + [PAD] * (rows.ids.shape[1] - n)
        assert_array_equal(np.flatnonzero(rows.allowed[i]), first_place(window) + np.arange(len(text)))
        assert_array_equal(np.flatnonzero(rows.segments[i]), np.arange(first_place(window), n))


@given(examples(), seeds)
def test_targets_point_at_the_very_tokens(of, seed):
    """Where the window holds the whole answer; else at the first place, twice."""
    for window in [*all_windows(of, CONTEXT), draw_window(of, CONTEXT, 0.7, np.random.default_rng(seed))]:
        rows = batch([window])
        start, end = rows.targets[0]
        if of.answer is not None and window.start <= of.answer[0] and of.answer[1] < window.end:
            assert_array_equal(rows.ids[0, start : end + 1], of.document.ids[of.answer[0] : of.answer[1] + 1])
            assert rows.allowed[0, start : end + 1].all()
            assert start - first_place(window) + window.start == of.answer[0]
        else:
            assert (start, end) == (0, 0)


def test_a_window_that_lacks_one_token_of_the_answer_does_not_hold_it():
    """The first one, or the last one."""
    of = Example(np.arange(5, 9), Document("", np.arange(5, 55), np.zeros((50, 2), int)), (20, 22))
    windows = [Window(of, start, end) for start, end in ((20, 23), (21, 30), (10, 22))]
    assert batch(windows).targets.tolist() == [[6, 8], [0, 0], [0, 0]]


def test_cut_gives_back_the_answer_as_it_stands_in_the_text():
    """With its upper case and its white space; an answer that begins or ends within a token is left out."""
    text = "Parameters: The  ARRAY_like,\n a5."
    document = read_document(text, VOCABULARY)
    for answer in ("The  ARRAY_like", "ARRAY_like,\n a5", text):
        span = Span(text.index(answer), text.index(answer) + len(answer))
        one = example(Question("what?", 0, span), document, VOCABULARY)
        assert cut(document, *one.answer) == answer
        assert_array_equal(one.question, VOCABULARY.encode("what?"))
    (first, *_), *_ = document.spans.tolist()
    assert first == 0
    assert example(Question("what?", 0, Span(1, 10)), document, VOCABULARY) is None
    assert example(Question("what?", 0, Span(0, 9)), document, VOCABULARY) is None
    assert example(Question("what?", 0, None), document, VOCABULARY).answer is None


def test_the_answers_of_the_few_docstrings():
    cuts = [cut(one.document, *one.answer) for one in few_examples(1) if one.answer]
    assert cuts == ["int", "The array_like to take", "array_like, optional", "How far", "int"]


def test_an_empty_text_has_one_window():
    """And nothing in it is allowed."""
    (window,) = all_windows(Example(np.arange(5, 8), read_document(" ", VOCABULARY), None), CONTEXT)
    assert window[1:] == (0, 0)
    assert not batch([window]).allowed.any()


@pytest.mark.parametrize("take", [all_windows, lambda of, n: draw_window(of, n, 1.0, np.random.default_rng(0)), None])
def test_a_question_that_is_too_long_is_refused(take):
    """With the length that it may have."""
    of = Example(np.full(14, 7), Document("x", np.array([5]), np.array([[0, 1]])), None)
    take = take or (lambda of, context: room(of.question, context))
    with refuses(ValueError, "question: got 14 tokens, expected at most 13 in a context of 24"):
        take(of, CONTEXT)
    take(of._replace(question=np.full(13, 7)), CONTEXT)
    assert isinstance(all_windows(of, CONTEXT + 1)[0], Window)
