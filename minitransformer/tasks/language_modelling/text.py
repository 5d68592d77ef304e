"""A corpus as ids: what language models are trained on, chosen by, and tested on."""

from typing import NamedTuple

import numpy as np

from minitransformer.data.corpus import SIDES, TEST, TRAINING, VALIDATION, Corpus, texts
from minitransformer.data.tokens import tokens_on_disk
from minitransformer.data.vocabularies import make_vocabulary
from minitransformer.data.vocabulary import Vocabulary
from minitransformer.tasks.checksums import Checksums, Passing

Array = np.ndarray


MOST = 200_000  # characters of a side that models are judged by: enough to tell them apart, and soon read


class Text(NamedTuple):
    """The three sides of a corpus: ids that lie on disk, of each side (n,), unsigned."""

    corpus: Corpus
    vocabulary: Vocabulary
    training: Array
    validation: Array
    test: Array
    checksums: Checksums = ()  # of the text of each side


def prepare(corpus: Corpus, vocabulary: Vocabulary | None = None, kind: str = "characters", size: int = 4096) -> Text:
    """With a vocabulary made from the training side (its kind and size as in `make_vocabulary`), or with a given one.

    Raises ValueError for a corpus of which a side is empty.
    """
    if vocabulary is None:
        vocabulary = make_vocabulary(kind, texts(corpus, TRAINING), size)
    read = {side: Passing(texts(corpus, side)) for side in SIDES}
    ids = {side: tokens_on_disk(read[side], vocabulary) for side in SIDES}
    for side in SIDES:
        if len(ids[side]) == 0:
            raise ValueError(f"text: got nothing for {side} that does not also occur before, expected a longer text")
    checksums = tuple(read[side].checksum for side in SIDES)
    return Text(corpus, vocabulary, ids[TRAINING], ids[VALIDATION], ids[TEST], checksums)


def check_long_enough(text: Text, needed: int) -> None:
    """Every side must have more than `needed` words, for one window's inputs or so that something can be judged."""
    for side in SIDES:
        n = len(getattr(text, side))
        if n <= needed:
            raise ValueError(f"text: got {n} words for {side}, expected more than {needed}: a longer text")


class Part(NamedTuple):
    documents: list[str]
    ids: Array  # (n,)

    @property
    def text(self) -> str:
        return "".join(self.documents)


def judged(text: Text, side: str) -> Part:
    """The validation or test side, as it is read; of a long one the first documents, some 200,000 characters."""
    documents, n = [], 0
    for document in texts(text.corpus, side):
        documents.append(document)
        n += len(document)
        if n >= MOST:
            break
    return Part(documents, np.concatenate([text.vocabulary.encode(document) for document in documents]))
