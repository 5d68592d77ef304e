"""A few docstrings of three topics, each with words of its own, for classifiers that learn in a second."""

import functools

from minitransformer.data.docstrings import Docstring
from minitransformer.data.word_pieces import word_piece_vocabulary
from minitransformer.tasks.classification.classification import Data, as_ids
from minitransformer.tasks.classification.topics import labelled

WORDS = {"queue": "thread lock wait task", "glob": "file path folder disk", "xml": "node tag element tree"}


def docstring(number):
    module = list(WORDS)[number % 3]
    words = WORDS[module].split()
    several = " ".join(words[number // 3 % 4 :] + words[number % 2 :])
    return Docstring(f"{module}.f{number}", f"Number {number}: {several}, and so on and so forth.")


DOCSTRINGS = [docstring(number) for number in range(90)]
VOCABULARY = word_piece_vocabulary([d.text for d in DOCSTRINGS], 200)


@functools.cache
def sided_topics():
    """Of each side its own docstrings. -> also the vocabulary"""
    sides = [[d for d in DOCSTRINGS if d.side == side] for side in ("training", "validation", "test")]
    return VOCABULARY, Data(*(as_ids(labelled(side), VOCABULARY) for side in sides))
