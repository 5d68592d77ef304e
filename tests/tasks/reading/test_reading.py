"""Learning to answer, answering, and how many answers are right (3.5.1, 6.3)."""

import itertools

import numpy as np
import pytest
from assertions import refuses
from few_questions import DOCSTRINGS, VOCABULARY, few_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minitransformer.decoding.best_span import best_span
from minitransformer.tasks.reading import reading
from minitransformer.tasks.reading.readers import READERS
from minitransformer.tasks.reading.reading import (
    LONGEST,
    Data,
    answer,
    best_answers,
    carry_on,
    overlap,
    prepare,
    score,
    steps,
    within,
)
from minitransformer.tasks.reading.renaming import names_of
from minitransformer.tasks.reading.windows import all_windows, batch, draw_window, first_place
from minitransformer.tasks.run import load_run, new_run, save_run
from minitransformer.training.session import Goal

COMMON = {"context": 48, "renamed": 0.0, "B": 8, "peak": 1e-2, "decay": 0.0, "warmup": 10}
SMALL = {
    "bert": READERS["bert"].kind.settings._replace(
        n_layers=1, d_model=16, h=2, d_ff=32, rate=0.0, looking=False, **COMMON
    ),
    "rnn": READERS["rnn"].kind.settings._replace(d=12, d_h=12, **COMMON),
}
every_reader = pytest.mark.parametrize("name", READERS)


def small_run(name, n_steps=1, **changes):
    run = new_run(READERS[name].kind, SMALL[name]._replace(**changes), VOCABULARY, seed=1)
    return run._replace(goal=Goal(steps=n_steps))


def few(n=2):
    """What is learned is also what is asked."""
    rows = few_examples(n)
    return Data(rows, rows, rows)


@pytest.fixture(scope="module")
def trained():
    return carry_on(small_run("bert", 800), few())[0]


@every_reader
def test_it_learns_a_few_answers_by_heart(name, request):
    """All of them, to the last character, "no answer" included, though the texts are longer than a window."""
    data = few()
    run = request.getfixturevalue("trained") if name == "bert" else carry_on(small_run(name, 250), data)[0]
    assert any(len(all_windows(one, run.settings.context)) > 1 for one in data.test)
    assert score(run, data.test).exact == 1
    assert run.looks[-1].validation == score(run, data.validation).exact


def test_what_is_learned_from_is_drawn_as_the_settings_say(monkeypatch):
    """Windows that hold the answer, always or rarely; with other names in all questions, none has an answer."""
    drawn = {}
    for part in (0.0, 1.0):
        for other in (0.0, 1.0):
            run = small_run("bert", with_answer=part, misnamed=other, B=200)
            monkeypatch.setattr(reading, "train", lambda state, plan, next_batch, *rest: next_batch)
            rows = steps(run, few(9))(0, np.random.default_rng(0))
            named = np.array([len(name) > 0 for name in names_of(few(9).training, VOCABULARY)]).mean()
            drawn[part, other] = rows.targets.any(axis=1).mean()
    assert named > 0.2
    assert drawn[1.0, 0.0] > drawn[0.0, 0.0] + 0.1
    assert drawn[1.0, 1.0] < drawn[1.0, 0.0] - 0.2


def test_an_answer_is_cut_out_of_the_text(trained):
    """As it stands there; with how much better it is than none. Of an empty text there is none."""
    text = DOCSTRINGS[0].text
    found, by = answer(trained, "what is the type of parameter a0?", text)
    assert found == "int" and by > 0
    assert answer(trained, "what does the function return?", "") == (None, -np.inf)
    with refuses(ValueError, "question: got 60 tokens, expected at most 37 in a context of 48"):
        answer(trained, "? " * 60, text)


@every_reader
def test_in_one_window_the_best_answer_is_the_best_span(name):
    """A context that all of the text fits in: nothing but scores and a search."""
    run = small_run(name, context=128)
    asked = few_examples(3)
    for one, found in zip(asked, best_answers(run, asked), strict=True):
        (window,) = all_windows(one, 128)
        rows = batch([window])
        scores, _ = READERS[name].forward(rows, run.weights, run.settings, None)
        span = best_span(scores[0], rows.allowed[0], LONGEST)
        place = first_place(window)
        assert found[:2] == (span.start - place, span.end - place)
        assert found.score == pytest.approx(span.score, rel=1e-4, abs=1e-5)


@every_reader
def test_of_several_windows_the_best_span_of_any(name, monkeypatch):
    """Whatever is read side by side."""
    run, asked = small_run(name), few_examples(3)
    expected = []
    for one in asked:
        spans = []
        for window in all_windows(one, 48):
            rows = batch([window])
            scores, _ = READERS[name].forward(rows, run.weights, run.settings, None)
            span = best_span(scores[0], rows.allowed[0], LONGEST)
            offset = window.start - first_place(window)
            spans.append((span.score, span.start + offset, span.end + offset))
        expected.append(max(spans))
    assert max(len(all_windows(one, 48)) for one in asked) > 1
    for at_once in (3, 64):
        monkeypatch.setattr(reading, "AT_ONCE", at_once)
        found = best_answers(run, asked)
        assert [one[:2] for one in found] == [(first, last) for _, first, last in expected]
        assert [one.score for one in found] == pytest.approx([by for by, *_ in expected], rel=1e-4, abs=1e-5)


spans = st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted).map(tuple))


@given(spans, spans)
def test_overlap_is_the_f1_of_two_sets_of_tokens(given_, right):
    """The harmonic mean of precision and recall; the same both ways; 1 for equal spans and for no others."""
    f1 = overlap(given_, right)
    assert f1 == overlap(right, given_)
    assert (f1 == 1) == (given_ == right)
    if given_ is not None and right is not None:
        ours, theirs = (set(range(first, last + 1)) for first, last in (given_, right))
        shared = len(ours & theirs)
        precision, recall = shared / len(ours), shared / len(theirs)
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall) if shared else 0.0)


def test_score_counts_no_answer_as_an_answer(monkeypatch):
    """Right where there is none, wrong where there is one; F1 gives part of a point for part of an answer."""
    first, second, *_ = [one for one in few_examples(1) if one.answer]
    none = first._replace(answer=None)
    given_ = [reading.Answer(*first.answer, 1.0), reading.Answer(*second.answer, 0.0), reading.Answer(0, 3, -1.0)]
    given_.append(reading.Answer(second.answer[0], second.answer[0], 2.0))
    monkeypatch.setattr(reading, "best_answers", lambda run, asked: given_)
    n = second.answer[1] - second.answer[0] + 1
    assert n > 1
    found = score(None, [first, second, none, second])
    assert found.exact == 0.5
    assert found.f1 == pytest.approx((1 + 0 + 1 + 2 / (1 + n)) / 4)


def test_only_places_of_the_text_and_the_first_one_count():
    """The others have so low a score that their probability is 0."""
    rows = batch([draw_window(one, 48, 1.0, np.random.default_rng(0)) for one in few_examples(2)])
    scores = np.random.default_rng(1).standard_normal((len(rows.ids), 2, rows.ids.shape[1])).astype(np.float32)
    kept = within(scores, rows)
    assert kept.dtype == np.float32
    counts = rows.allowed | (np.arange(rows.ids.shape[1]) == 0)
    assert_array_equal(kept, np.where(counts[:, None], scores, np.float32(-1e9)))


@every_reader
def test_resuming_gives_the_same_steps_bit_for_bit(name, tmp_path):
    """By way of a file, with dropout."""
    data = few()
    changes = {"rate": 0.3} if name == "bert" else {}
    whole = [step[:5] for step in steps(small_run(name, 6, **changes), data)]
    run = small_run(name, 6, **changes)
    first = list(itertools.islice(steps(run, data), 2))
    save_run(tmp_path / "x.run", run._replace(state=first[-1].state))
    rest = list(steps(load_run(tmp_path / "x.run", READERS[name].kind), data))
    assert [step[:5] for step in first + rest] == whole


def test_a_frozen_reader_learns_with_its_head_alone():
    """The setting reaches the training."""
    run = small_run("bert", 3, frozen=True)
    before = run.state.weights.copy()
    list(steps(run, few()))
    changed = run.state.weights != before
    head = sum(leaf.size for leaf in run.weights.span)
    assert changed[-head:].any() and not changed[:-head].any()


def test_prepare_splits_by_docstring_and_limits_the_labels(monkeypatch):
    """No text is on two sides; fewer labels are the first of more, and other seeds draw others."""
    monkeypatch.setattr(reading, "numpy_docstrings", lambda: DOCSTRINGS)
    whole = prepare(VOCABULARY)
    texts = [{one.document.text for one in side} for side in whole]
    assert texts == [{d.text for d in DOCSTRINGS if d.side == side} for side in ("training", "validation", "test")]
    assert all(texts) and not any(texts[i] & texts[j] for i in range(3) for j in range(i))
    n = len(whole.training)

    def asked(data):
        return [(one.question.tolist(), one.document.text, one.answer) for one in data.training]

    assert asked(prepare(VOCABULARY, labels=9)) == asked(whole)[:9]
    assert asked(prepare(VOCABULARY, 1, 9)) != asked(whole)[:9]
    assert sorted(map(str, asked(prepare(VOCABULARY, 1)))) == sorted(map(str, asked(whole)))
    assert [one.document.text for one in prepare(VOCABULARY, 1).test] == [one.document.text for one in whole.test]
    for labels in (0, n + 1):
        with refuses(ValueError, f"labels: got {labels}, expected 1 to {n}"):
            prepare(VOCABULARY, labels=labels)
    monkeypatch.setattr(reading, "LOOK_AT", 3)
    monkeypatch.setattr(reading, "JUDGE_AT", 5)
    cut = prepare(VOCABULARY)
    assert [len(cut.validation), len(cut.test)] == [3, 5] and len(cut.training) == n
    for ours, theirs in zip(cut[1:], whole[1:], strict=True):
        assert [str(one) for one in ours] == [str(one) for one in theirs[: len(ours)]]
