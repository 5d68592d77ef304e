"""Sections 3.5.1 and 6.3: learning to answer, answering, and how many answers are right."""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_text
from minitransformer.data.corpus import TEST, TRAINING, VALIDATION
from minitransformer.data.docstrings import Docstring, numpy_docstrings
from minitransformer.data.word_pieces import WordPieces
from minitransformer.decoding.best_span import BestSpan, best_span
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.files import StrPath
from minitransformer.tasks import run as runs
from minitransformer.tasks.checksums import Checksums, checksum
from minitransformer.tasks.labels import drawn, shuffled
from minitransformer.tasks.reading.questions import questions
from minitransformer.tasks.reading.readers import READERS, Reader
from minitransformer.tasks.reading.renaming import misnamed, names_of, renamed
from minitransformer.tasks.reading.windows import (
    BESIDE_QUESTION,
    Batch,
    Document,
    Example,
    all_windows,
    batch,
    cut,
    draw_window,
    example,
    first_place,
    read_document,
)
from minitransformer.tasks.run import Rng, Run
from minitransformer.training.loop import LossAndGradient, Step, train
from minitransformer.training.session import Report, looked

Array = np.ndarray

LONGEST = 40  # tokens of an answer
LOOK_AT, JUDGE_AT = 100, 400  # questions of the validation side, and of the test
AT_ONCE = 64  # windows that are read side by side
NOWHERE = -1e9  # the score of a place that is no part of the text


class Data(NamedTuple):
    training: list[Example]
    validation: list[Example]
    test: list[Example]


def prepare(vocabulary: WordPieces, seed: int = 0, labels: int | None = None) -> Data:
    """NumPy's docstrings and the questions about them; of those to learn from `labels` (None: all), drawn by `seed`.

    Raises ValueError for more labels than there are.
    """
    docstrings = numpy_docstrings()
    sides = {
        side: examples([docstring for docstring in docstrings if docstring.side == side], vocabulary)
        for side in (TRAINING, VALIDATION, TEST)
    }
    return Data(
        drawn(sides[TRAINING], labels, seed),
        shuffled(sides[VALIDATION], 0)[:LOOK_AT],
        shuffled(sides[TEST], 0)[:JUDGE_AT],
    )


def checksums(data: Data) -> Checksums:
    """One for each side."""
    return tuple(
        checksum(part for one in side for part in (one.question, one.document.text, str(one.answer))) for side in data
    )


def examples(docstrings: Sequence[Docstring], vocabulary: WordPieces) -> list[Example]:
    documents = [read_document(docstring.text, vocabulary) for docstring in docstrings]
    found = [example(question, documents[question.document], vocabulary) for question in questions(docstrings)]
    return [one for one in found if one is not None]


def steps(run: Run, data: Data) -> Iterator[Step]:
    """Go on to the run's goal; one record a step, with the state after it. The run's own arrays change in place."""
    s = run.settings
    reader = READERS[run.kind.name]
    names = names_of(data.training, run.vocabulary)
    check_context(s.context, [*data.training, *data.validation, *data.test])

    def next_batch(number: int, rng: Rng) -> Batch:
        chosen = rng.integers(0, len(data.training), s.B)
        windows = [draw_window(data.training[i], s.context, s.with_answer, rng) for i in chosen]
        of_rows = [names[i] for i in chosen]
        asked = misnamed(batch(windows), of_rows, s.misnamed, run.vocabulary.size, rng)
        return renamed(asked, of_rows, s.renamed, run.vocabulary.size, rng)

    return train(run.state, runs.plan(run, reader.body), next_batch, loss_and_gradient(run, reader), n_targets)


def n_targets(rows: Batch) -> int:
    """A start and an end for each window."""
    return rows.targets.size


def check_context(context: int, asked: Sequence[Example]) -> None:
    """Before anything is learned: there must be room for the text beside the longest question."""
    longest = max(len(one.question) for one in asked)
    if context < longest + BESIDE_QUESTION:
        raise ValueError(
            f"context: got {context}, expected at least {longest + BESIDE_QUESTION}: a question has {longest} tokens"
        )


def loss_and_gradient(run: Run, reader: Reader) -> LossAndGradient:
    """The mean of both cross-entropies, of the start and of the end, over the places of the text and the first one."""

    def step(rows: Batch, carry: None, rng: Rng, n: int | None = None) -> tuple[float, Any, None]:
        scores, cache = reader.forward(rows, run.weights, run.settings, rng)
        loss, loss_cache = cross_entropy(within(scores, rows), rows.targets, n=n)
        return loss, reader.backward(cross_entropy_backward(1.0, loss_cache), cache), None

    return step


def within(scores: Array, rows: Batch) -> Array:
    """The scores, where an answer can start or end, or where there is none; elsewhere so low that P is 0, and dscores.

    scores: (B, 2, L)
    """
    counts = rows.allowed.copy()
    counts[:, 0] = True
    return np.where(counts[:, None, :], scores, scores.dtype.type(NOWHERE))


class Answer(NamedTuple):
    first: int  # token of the document
    last: int
    score: float  # how much better it is than no answer


def best_answers(run: Run, asked: Sequence[Example]) -> list[Answer]:
    """Of each question the best span of all windows. With a score of 0 or below, "no answer" is the better one."""
    windows = [
        (number, window) for number, one in enumerate(asked) for window in all_windows(one, run.settings.context)
    ]
    windows.sort(key=lambda row: row[1].end - row[1].start)
    best: dict[int, Answer] = collections.defaultdict(lambda: Answer(-1, -1, -np.inf))
    reader = READERS[run.kind.name]
    for first in range(0, len(windows), AT_ONCE):
        part = windows[first : first + AT_ONCE]
        rows = batch([window for _, window in part])
        scores, _ = reader.forward(rows, run.weights, run.settings, None)
        for (number, window), of_window, allowed in zip(part, scores, rows.allowed, strict=True):
            span = best_span(of_window, allowed, LONGEST)
            if span is not None and span.score > best[number].score:
                best[number] = in_document(span, window.start - first_place(window))
    return [best[number] for number in range(len(asked))]


def in_document(span: BestSpan, offset: int) -> Answer:
    return Answer(span.start + offset, span.end + offset, span.score)


class Score(NamedTuple):
    exact: float  # part of the answers that are right from the first character to the last, "no answer" included
    f1: float  # mean overlap of the tokens (Rajpurkar et al. 2016)


def score(run: Run, asked: Sequence[Example]) -> Score:
    exact, f1 = [], []
    for one, answer in zip(asked, best_answers(run, asked), strict=True):
        given = (answer.first, answer.last) if answer.score > 0 else None
        exact.append(given == one.answer)
        f1.append(overlap(given, one.answer))
    return Score(float(np.mean(exact)), float(np.mean(f1)))


def overlap(given: tuple[int, int] | None, right: tuple[int, int] | None) -> float:
    """F1 of two spans: 2 times what they share, by the sum of their lengths. With "no answer", 1 if both are."""
    if given is None or right is None:
        return float(given == right)
    shared = max(0, min(given[1], right[1]) - max(given[0], right[0]) + 1)
    return 2 * shared / (given[1] - given[0] + right[1] - right[0] + 2)


def answer(run: Run, question: str, text: str) -> tuple[str | None, float]:
    """The words of the text that answer the question, or None, and how much better they are than no answer."""
    check_text("question", question)
    document: Document = read_document(text, run.vocabulary)
    (found,) = best_answers(run, [Example(run.vocabulary.encode(question), document, None)])
    return (cut(document, found.first, found.last) if found.score > 0 else None), found.score


def look(run: Run, data: Data, training_loss: float) -> Run:
    return looked(run, training_loss, score(run, data.validation).exact)


def carry_on(
    run: Run, data: Data, path: StrPath | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """As `tasks.run.carry_on`."""
    return runs.carry_on(run, steps(run, data), lambda run, loss: look(run, data, loss), path, report)
