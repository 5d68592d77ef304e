"""Questions about docstrings (6.3): each answer stands in the text, and what has no answer is not mentioned there."""

import re

import pytest

from minitransformer.data.corpus import SIDES
from minitransformer.data.docstrings import Docstring, numpy_docstrings
from minitransformer.tasks.reading.questions import RAISE, RETURN, SECTION, UNANSWERABLE, answers, questions, sections

EXAMPLE = """Say how far it is.

Parameters
----------
start, end : array_like of float
    The places; they may be many. More is said here.
*others : int
how : {'near', 'far'}, optional
    Which way to go,
    over two lines

    And a second paragraph. It is not part of the meaning.

Returns
-------
distance, time : ndarray or None
    How far. The type of this one is not asked for by name.

Raises
------
ValueError
    If there is no way.

Other Parameters
----------------
**kwargs : dict
    What is handed on: everything

Notes
-----
unrelated : int
    No parameter at all.
"""

EXPECTED = [
    ("what is the type of parameter start?", "array_like of float"),
    ("what does parameter start mean?", "The places"),
    ("what is the type of parameter end?", "array_like of float"),
    ("what does parameter end mean?", "The places"),
    ("what is the type of parameter others?", "int"),
    ("what is the type of parameter how?", "{'near', 'far'}, optional"),
    ("what does parameter how mean?", "Which way to go,\n    over two lines"),
    ("what is the type of parameter kwargs?", "dict"),
    ("what does parameter kwargs mean?", "What is handed on"),
    ("what does the function return?", "ndarray or None"),
    ("what does the function raise?", "ValueError"),
]


@pytest.fixture(scope="module")
def docstrings():
    return numpy_docstrings()


@pytest.fixture(scope="module")
def all_questions(docstrings):
    return questions(docstrings)


def test_every_question_of_an_example():
    """The first sentence of a meaning, without its end, over several lines; none for what is not described."""
    assert [(question, EXAMPLE[span.start : span.end]) for question, span in answers(EXAMPLE)] == EXPECTED


def test_what_is_returned_may_have_no_name():
    """And a text without sections, or with an empty one, answers nothing."""
    ((question, (start, end)),) = answers(text := "Sum.\n\nReturns\n-------\nfloat or int\n    The sum.\n")
    assert (question, text[start:end]) == (RETURN, "float or int")
    assert answers("Nothing to see here.\n\nx : int\n    No parameter.") == []
    assert answers("Empty.\n\nParameters\n----------\n\nReturns\n-------\n") == []


def test_sections_reach_from_heading_to_heading():
    parts = sections(EXAMPLE)
    assert list(parts) == ["Parameters", "Returns", "Raises", "Other Parameters", "Notes"]
    assert EXAMPLE[slice(*parts["Raises"])] == "ValueError\n    If there is no way.\n\n"
    assert parts["Notes"].end == len(EXAMPLE)


def test_every_answer_of_numpy_stands_in_its_section(docstrings, all_questions):
    """It begins and ends with a letter or a mark; no heading and no blank line is in it; and there are enough."""
    answered = [q for q in all_questions if q.answer is not None]
    assert len(answered) > 3000
    for question in answered:
        text = docstrings[question.document].text
        found = text[slice(*question.answer)]
        assert found and found == found.strip()
        assert not SECTION.search(found) and "\n\n" not in found
        headings = {RETURN: ["Returns"], RAISE: ["Raises"]}.get(question.text, ["Parameters", "Other Parameters"])
        parts = [part for name, part in sections(text).items() if name in headings]
        assert any(part.start <= question.answer.start < question.answer.end <= part.end for part in parts)


def test_the_answer_is_said_of_the_parameter_that_was_asked_for(docstrings, all_questions):
    """Its name stands before the colon of the line, or, for a meaning, of the line before."""
    for question in all_questions:
        match = re.fullmatch(r"what (?:is the type of|does) parameter (\w+)(?: mean)?\?", question.text)
        if match and question.answer:
            before = docstrings[question.document].text[: question.answer.start].rstrip()
            line = before.splitlines()[-1]
            assert re.search(rf"\b{match[1]}\b", line.partition(" :")[0]), (question, line)


def test_what_has_no_answer_is_not_mentioned(docstrings, all_questions):
    """The parameter that is asked for does not occur in the text, as a word, anywhere; or the section is missing."""
    unanswered = [q for q in all_questions if q.answer is None]
    n = len(all_questions) - len(unanswered)
    assert 0.5 * n / UNANSWERABLE < len(unanswered) < 1.1 * n / UNANSWERABLE
    for question in unanswered:
        text = docstrings[question.document].text
        if question.text in (RETURN, RAISE):
            assert {RETURN: "Returns", RAISE: "Raises"}[question.text] not in sections(text)
        else:
            assert re.search(r"parameter (\w+)", question.text)[1] not in re.findall(r"\w+", text)


def test_the_same_questions_each_time(docstrings, all_questions):
    """Nothing is drawn."""
    assert questions(docstrings) == all_questions


def test_one_docstring_alone_has_nothing_to_be_asked_in_vain():
    """What is asked in vain is asked of another docstring with an answer."""
    alone = questions([Docstring("numpy.f", EXAMPLE)])
    assert [(q.text, EXAMPLE[slice(*q.answer)]) for q in alone] == EXPECTED
    assert all(q.document == 0 for q in alone)


def test_no_docstring_is_on_two_sides(docstrings):
    """Neither its text nor the bare name of its function: `numpy.sort` and `numpy.ndarray.sort` say much the same."""
    for key in (lambda d: d.text, lambda d: d.name.rpartition(".")[2]):
        on = [{key(d) for d in docstrings if d.side == side} for side in SIDES]
        assert all(on)
        assert not any(on[i] & on[j] for i in range(3) for j in range(i))
