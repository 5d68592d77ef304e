"""Section 6.3: questions about NumPy's docstrings, whose answers stand in them word for word."""

import re
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minitransformer.data.docstrings import Docstring

TYPE = "what is the type of parameter {}?"
MEANING = "what does parameter {} mean?"
RETURN = "what does the function return?"
RAISE = "what does the function raise?"
UNANSWERABLE = 5  # one of so many questions about a parameter is asked of a docstring that does not have it

SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
PARAMETER = re.compile(r"^(?P<names>\*{0,2}\w+(?:, ?\*{0,2}\w+)*) : (?P<type>\S.*?)\s*$", re.MULTILINE)
DESCRIPTION = re.compile(r"\n {4}(?P<text>\S(?:.|\n(?= {4}\S))*)")  # the indented paragraph below a parameter
SENTENCE_END = re.compile(r"[.;:](?=\s|$)")
RESULT = re.compile(r"(?:\w+(?:, ?\w+)* : )?(?P<type>\S.*?)\s*$", re.MULTILINE)  # with its name, or without


class Span(NamedTuple):
    start: int  # in characters of the text
    end: int  # after the last one


class Question(NamedTuple):
    text: str
    document: int  # which docstring it is asked of
    answer: Span | None  # None: there is none


def sections(text: str) -> dict[str, Span]:
    """The sections of a docstring in NumPy's style, by their headings."""
    headings = list(SECTION.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {heading[1]: Span(heading.end(), end) for heading, end in zip(headings, ends, strict=False)}


def answers(text: str) -> list[tuple[str, Span]]:
    """Every question that this docstring answers, with the place of its answer."""
    found: list[tuple[str, Span]] = []
    parts = sections(text)
    for heading in ("Parameters", "Other Parameters"):
        if heading in parts:
            found += answers_about_parameters(text, parts[heading])
    for question, heading in ((RETURN, "Returns"), (RAISE, "Raises")):
        if heading in parts:
            match = RESULT.match(text, *parts[heading])
            if match:
                found.append((question, Span(*match.span("type"))))
    return found


def answers_about_parameters(text: str, part: Span) -> list[tuple[str, Span]]:
    """Of each parameter its type, and the first sentence of what it means."""
    found = []
    for match in PARAMETER.finditer(text, *part):
        description = DESCRIPTION.match(text, match.end("type"), part.end)
        for name in re.split(r", ?", match["names"]):
            found.append((TYPE.format(name.lstrip("*")), Span(*match.span("type"))))
            if description:
                start = description.start("text")
                sentence = SENTENCE_END.search(text, start, description.end("text"))
                end = sentence.start() if sentence else start + len(description["text"].rstrip())
                found.append((MEANING.format(name.lstrip("*")), Span(start, end)))
    return found


def questions(docstrings: Sequence[Docstring]) -> list[Question]:
    """All questions that the docstrings answer, and some that they do not: of a parameter of another function, say."""
    answered = [answers(docstring.text) for docstring in docstrings]
    asked = sorted({text for of_one in answered for text, _ in of_one})
    found = []
    for number, (docstring, of_one) in enumerate(zip(docstrings, answered, strict=True)):
        found += [Question(text, number, span) for text, span in of_one]
        found += [Question(text, number, None) for text in unanswerable(docstring, of_one, asked)]
    return found


def unanswerable(docstring: Docstring, answered: list[tuple[str, Span]], asked: Sequence[str]) -> Iterable[str]:
    """For every fifth answer a question that has none here; always the same ones."""
    known = {text for text, _ in answered}
    for text, _ in answered:
        code = zlib.crc32(f"{docstring.name} {text}".encode())
        other = asked[code // UNANSWERABLE % len(asked)]
        named = parameter_of(other)
        occurs = named and re.search(rf"\b{re.escape(named)}\b", docstring.text)
        if code % UNANSWERABLE == 0 and other not in known and not occurs:
            yield other


def parameter_of(question: str) -> str:
    """The parameter that is asked for; nothing where none is."""
    for before, after in (TYPE.split("{}"), MEANING.split("{}")):
        if question.startswith(before) and question.endswith(after):
            return question[len(before) : -len(after)]
    return ""
