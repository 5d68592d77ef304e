"""Section 6.3: other names for the parameters, so that a reader learns to find a name, and not what it mostly means."""

import numpy as np

from minitransformer.data.word_pieces import N_SPECIAL, WordPieces
from minitransformer.tasks.reading.questions import MEANING, RAISE, RETURN, TYPE
from minitransformer.tasks.reading.windows import Batch, Example

Array = np.ndarray


def names_of(asked: list[Example], vocabulary: WordPieces) -> list[Array]:
    """Of each question the ids that tell it from others: the words of its parameter.

    An empty array where it has no parameter, or one whose words are in the questions anyway, such as `type`.
    """
    always = vocabulary.encode(" ".join((TYPE, MEANING, RETURN, RAISE, "_")))
    return [np.setdiff1d(one.question, always) for one in asked]


def renamed(rows: Batch, names: list[Array], part: float, V: int, rng: np.random.Generator) -> Batch:
    """With probability `part`, each word of a row's name becomes another word, wherever it stands in the row.

    That is in question and text alike: which answer is right does not depend on what a parameter is called.
    names: for each row the ids of its words
    """
    pairs = zip(rows.ids, names, strict=True)
    ids = [with_other_words(row, name, V, rng) if rng.random() < part else row for row, name in pairs]
    return rows._replace(ids=np.array(ids))


def with_other_words(row: Array, name: Array, V: int, rng: np.random.Generator) -> Array:
    """Each word of the name is one other word throughout the row."""
    other = np.arange(V)
    other[name] = rng.integers(N_SPECIAL, V, len(name))
    return other[row]
