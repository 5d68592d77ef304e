"""Other names for the parameters that are asked for (6.3)."""

import numpy as np
from few_questions import VOCABULARY, few_examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.data.word_pieces import N_SPECIAL
from minitransformer.tasks.reading.renaming import misnamed, names_of, renamed
from minitransformer.tasks.reading.windows import batch, draw_window

V = VOCABULARY.size


def drawn(rng, n=12):
    asked = few_examples()
    chosen = rng.integers(0, len(asked), n)
    names = names_of(asked, VOCABULARY)
    return batch([draw_window(asked[i], 48, 0.7, rng) for i in chosen]), [names[i] for i in chosen]


@given(seeds)
def test_only_the_name_is_another_and_everywhere_the_same(seed):
    """Each word of the name has become one word throughout the row; all else, and where the answer is, stays."""
    rng = np.random.default_rng(seed)
    rows, names = drawn(rng)
    other = renamed(rows, names, 1.0, V, rng)
    for before, after, name in zip(rows.ids, other.ids, names, strict=True):
        assert_array_equal(before[~np.isin(before, name)], after[~np.isin(before, name)])
        for word in name:
            assert len(set(after[before == word].tolist())) == 1
            assert N_SPECIAL <= after[before == word][0] < V
    assert_array_equal(rows.targets, other.targets)
    assert any((before != after).any() for before, after in zip(rows.ids, other.ids, strict=True))


@given(seeds)
def test_that_part_of_the_rows_gets_another_name(seed):
    """With 0 none does; and what was given is not changed."""
    rng = np.random.default_rng(seed)
    rows, names = drawn(rng)
    ids = rows.ids.copy()
    assert_array_equal(renamed(rows, names, 0.0, V, rng).ids, ids)
    renamed(rows, names, 1.0, V, rng)
    assert_array_equal(rows.ids, ids)


@given(st.floats(0.2, 0.8), seeds)
def test_how_many(part, seed):
    """A share of 1,200 rows within five standard errors, and those that drew the name that they had."""
    rng = np.random.default_rng(seed)
    rows, names = drawn(rng, 1200)
    named = np.array([len(name) > 0 for name in names])
    changed = (renamed(rows, names, part, V, rng).ids != rows.ids).any(axis=1)
    assert not changed[~named].any()
    error = (part * (1 - part) / named.sum()) ** 0.5
    assert abs(changed[named].mean() - part) < 5 * error + 2 / V


def test_the_name_is_what_other_questions_do_not_have():
    """Of "what is the type of parameter a1?" a1; questions that ask for no parameter have no name."""
    asked = few_examples()
    for one, name in zip(asked, names_of(asked, VOCABULARY), strict=True):
        question = VOCABULARY.decode(one.question)
        words = {VOCABULARY.pieces[i] for i in name}
        if "parameter" in question:
            assert words and words.isdisjoint({"what", "is", "the", "type", "of", "parameter", "?", "mean", "does"})
            assert set(name.tolist()) <= set(one.question.tolist())
        else:
            assert not words


@given(seeds)
def test_a_question_with_another_name_has_no_answer(seed):
    """Only the question's name is another; the text stays, and where there is no name or no answer, all does."""
    rng = np.random.default_rng(seed)
    rows, names = drawn(rng)
    other = misnamed(rows, names, 1.0, V, rng)
    assert_array_equal(other.ids[rows.segments == 1], rows.ids[rows.segments == 1])
    for i, name in enumerate(names):
        named = np.isin(rows.ids[i], name) & (rows.segments[i] == 0)
        assert_array_equal(other.ids[i][~named], rows.ids[i][~named])
        if (other.ids[i] != rows.ids[i]).any():  # the name may be drawn again: then it is the question that it was
            assert rows.targets[i].any() and not other.targets[i].any()
        else:
            assert_array_equal(other.targets[i], rows.targets[i])


@given(st.floats(0.2, 0.8), seeds)
def test_how_many_ask_for_another_name(part, seed):
    """A share of those that can, within five standard errors; with 0 none, and what was given is not changed."""
    rng = np.random.default_rng(seed)
    rows, names = drawn(rng, 1200)
    ids, targets = rows.ids.copy(), rows.targets.copy()
    can = targets.any(axis=1) & np.array([len(name) > 0 for name in names])
    became = can & ~misnamed(rows, names, part, V, rng).targets.any(axis=1)
    error = (part * (1 - part) / can.sum()) ** 0.5
    assert abs(became[can].mean() - part) < 5 * error
    nothing = misnamed(rows, names, 0.0, V, rng)
    for after in (rows, nothing):
        assert_array_equal(after.ids, ids)
        assert_array_equal(after.targets, targets)
