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


def misnamed(rows: Batch, names: list[Array], part: float, V: int, rng: np.random.Generator) -> Batch:
    """With probability `part`, a question that the row answers asks for another name, which has no answer there.

    With few labels, each training text is seen with only one question, so a reader can memorize the text and ignore
    the question. Two rows that differ only in the question's name, one with an answer and one without, force it to
    read that name (counterfactual examples, Kaushik, Hovy, Lipton 2020; unanswerable questions, Rajpurkar, Jia,
    Liang 2018).
    names: as in `renamed`, which is applied after this one
    """
    ids, targets = rows.ids.copy(), rows.targets.copy()
    for row, segments, target, name in zip(ids, rows.segments, targets, names, strict=True):
        if len(name) and target.any() and rng.random() < part:
            question = row[segments == 0]
            asked = with_other_words(question, name, V, rng)
            if (asked != question).any():  # the draw may give the same words, and so the same question
                row[segments == 0] = asked
                target[:] = 0
    return rows._replace(ids=ids, targets=targets)


def with_other_words(row: Array, name: Array, V: int, rng: np.random.Generator) -> Array:
    """Each word of the name is one other word throughout the row."""
    other = np.arange(V)
    other[name] = rng.integers(N_SPECIAL, V, len(name))
    return other[row]
