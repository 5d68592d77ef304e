"""Sections 3.5.1 and 6.3: question and text as one input; a text that is too long, in windows that overlap."""

from typing import NamedTuple

import numpy as np

from minitransformer.data.word_pieces import WordPieces
from minitransformer.tasks.pretraining.sentence_pairs import N_MARKS, packed
from minitransformer.tasks.reading.questions import Question

Array = np.ndarray

SHORTEST = 8  # tokens of the text that must fit beside the question
BESIDE_QUESTION = N_MARKS + SHORTEST


class Document(NamedTuple):
    text: str
    ids: Array  # (n,)
    spans: Array  # (n, 2), of each token its place in the text


class Example(NamedTuple):
    """A question with its document, as tokens."""

    question: Array  # (m,), ids
    document: Document
    answer: tuple[int, int] | None  # the first and the last token of the answer


class Window(NamedTuple):
    example: Example
    start: int  # the document's token with which it begins
    end: int  # the token after its last one


class Batch(NamedTuple):
    ids: Array  # (B, L)
    segments: Array  # (B, L)
    lengths: Array  # (B,)
    allowed: Array  # (B, L), boolean: the places of the text
    targets: Array  # (B, 2), the places of start and end; 0, 0 where the window does not hold the answer


def read_document(text: str, vocabulary: WordPieces) -> Document:
    return Document(text, *vocabulary.tokens(text))


def example(question: Question, document: Document, vocabulary: WordPieces) -> Example | None:
    """None for an answer that starts or ends within a token."""
    ids = vocabulary.encode(question.text)
    if question.answer is None:
        return Example(ids, document, None)
    first = np.flatnonzero(document.spans[:, 0] == question.answer.start)
    last = np.flatnonzero(document.spans[:, 1] == question.answer.end)
    return Example(ids, document, (int(first[0]), int(last[0]))) if len(first) and len(last) else None


def room(question: Array, context: int) -> int:
    """How many tokens of the text fit beside a question. Raises ValueError for a question that leaves none."""
    n = context - len(question) - N_MARKS
    if n < SHORTEST:
        most = max(0, context - BESIDE_QUESTION)
        raise ValueError(f"question: got {len(question)} tokens, expected at most {most} in a context of {context}")
    return n


def all_windows(of: Example, context: int) -> list[Window]:
    """Half of each window is in the next one, too, so that no short answer is cut by every window."""
    size = room(of.question, context)
    n = len(of.document.ids)
    starts = range(0, max(n - size, 0) + size // 2, size // 2)
    return [Window(of, start, min(start + size, n)) for start in starts if start == 0 or start + size // 2 < n]


def draw_window(of: Example, context: int, with_answer: float, rng: np.random.Generator) -> Window:
    """One that holds the whole answer, with this probability and where there is one; else any window."""
    size = room(of.question, context)
    n = len(of.document.ids)
    lowest, highest = 0, max(n - size // 2, 1)
    if of.answer is not None and rng.random() < with_answer:
        first, last = of.answer
        lowest, highest = max(0, last + 1 - size), min(first + 1, highest)
        lowest = min(lowest, first)
    start = int(rng.integers(lowest, max(highest, lowest + 1)))
    return Window(of, start, min(start + size, n))


def batch(windows: list[Window]) -> Batch:
    questions = [window.example.question for window in windows]
    texts = [window.example.document.ids[window.start : window.end] for window in windows]
    ids, segments, lengths = packed(questions, texts)
    places = np.arange(ids.shape[1])
    allowed = (segments == 1) & (places < lengths[:, None] - 1)  # but for the last [SEP]
    targets = np.zeros((len(windows), 2), np.int64)
    for row, window in zip(targets, windows, strict=True):
        answer = window.example.answer
        if answer is not None and window.start <= answer[0] and answer[1] < window.end:
            row[:] = np.array(answer) - window.start + first_place(window)
    return Batch(ids, segments, lengths, allowed, targets)


def first_place(window: Window) -> int:
    """Where the text begins, after [CLS], the question and [SEP]."""
    return len(window.example.question) + 2


def cut(document: Document, first: int, last: int) -> str:
    """The answer as it stands in the text."""
    return document.text[document.spans[first, 0] : document.spans[last, 1]]
