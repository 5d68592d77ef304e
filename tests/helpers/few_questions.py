"""A few docstrings to ask about, small enough for readers that learn in a second."""

import functools

from minitransformer.data.docstrings import Docstring
from minitransformer.data.word_pieces import word_piece_vocabulary
from minitransformer.tasks.reading.questions import questions
from minitransformer.tasks.reading.reading import Data, examples
from minitransformer.tasks.reading.windows import example, read_document

TYPES = ("int", "bool", "array_like", "str", "float")


def docstring(number):
    kind, other = TYPES[number % 5], TYPES[(number + 2) % 5]
    return Docstring(
        f"numpy.f{number}",
        f"Do thing {number}.\n\nParameters\n----------\na{number} : {kind}\n    The {other} to take.\n"
        f"b : {other}, optional\n    How far; none.\n\nReturns\n-------\nout : {kind}\n    It.\n",
    )


DOCSTRINGS = [docstring(number) for number in range(30)]
VOCABULARY = word_piece_vocabulary([d.text for d in DOCSTRINGS] + [q.text for q in questions(DOCSTRINGS)], 300)


def few_examples(n=4):
    """All questions about the first docstrings."""
    documents = [read_document(d.text, VOCABULARY) for d in DOCSTRINGS[:n]]
    return [example(q, documents[q.document], VOCABULARY) for q in questions(DOCSTRINGS[:n])]


@functools.cache
def sided_questions():
    """Of each side its own docstrings. -> also the vocabulary"""
    sides = [[d for d in DOCSTRINGS if d.side == side] for side in ("training", "validation", "test")]
    return VOCABULARY, Data(*(examples(side[:4], VOCABULARY) for side in sides))
