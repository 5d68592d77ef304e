"""Section 3.1.1, before the embedding: words as numbers. Here the words are characters."""

from typing import NamedTuple

import numpy as np

from minitransformer.arguments import check_ids

Array = np.ndarray

UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class Vocabulary(NamedTuple):
    words: tuple[str, ...]  # word i has the id i; UNKNOWN has the id 0


def character_vocabulary(text: str) -> Vocabulary:
    """All characters of `text`, in the order of their code points, after one for all that it has not."""
    return Vocabulary((UNKNOWN, *sorted(set(text) - {UNKNOWN})))


def encode(text: str, vocabulary: Vocabulary) -> Array:
    """The ids of the characters, 0 for those that the vocabulary does not have.  -> (len(text),) integers"""
    id_of = {word: i for i, word in enumerate(vocabulary.words)}
    return np.array([id_of.get(character, 0) for character in text], dtype=np.int64)


def decode(ids: Array, vocabulary: Vocabulary) -> str:
    """The text again."""
    check_ids("ids", ids, len(vocabulary.words))
    return "".join(vocabulary.words[i] for i in ids.reshape(-1))
