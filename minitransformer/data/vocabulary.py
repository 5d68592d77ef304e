"""Section 3.1.1, before the embedding: a text as numbers. A word of the text is here a character, or a word.

`byte_pairs.py` has a third vocabulary, whose words are what lies between.
"""

import collections
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_text, checked_texts
from minitransformer.data.unicode_classes import EXTENDING

Array = np.ndarray

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
# A word or a symbol with the space before it and the marks after it, or white space: nothing is lost. Python's \w
# excludes marks, though vowel signs, accents and joiners belong to words. All of them are above U+00AC.
# (++ and the like: nothing is tried again, for speed.)
EXTENSION = rf"(?![\0-\xac])[{EXTENDING}]++"
WORD = re.compile(rf" ?\w++(?:{EXTENSION}\w*+)*+| ?[^\w\s](?:{EXTENSION})?+|\s")


class Vocabulary(Protocol):
    @property
    def size(self) -> int:
        """V, the number of words."""

    def encode(self, text: str) -> Array:
        """The ids of the text's words.  -> (n,) integers in [0, V)

        Raises TypeError for anything but a string, and ValueError for one that UTF-8 cannot encode.
        """

    def decode(self, ids: Array) -> str:
        """The text again.  ids: (n,)"""

    def unknown(self, text: str) -> list[str]:
        """The words of the text that the vocabulary does not have, in their order."""

    def as_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; `vocabulary_from` takes it."""


@dataclass(frozen=True)
class ListedVocabulary:
    """Word i has the id i; UNKNOWN has the id 0."""

    words: tuple[str, ...]
    kind = "listed"

    @property
    def size(self) -> int:
        return len(self.words)

    def decode(self, ids: Array) -> str:
        check_ids("ids", ids, self.size)
        return "".join(self.words[i] for i in ids.reshape(-1))

    def unknown(self, text: str) -> list[str]:
        ids = self.encode(text)
        return [word for word, i in zip(self.words_of(text), ids, strict=True) if i == 0]

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "words": list(self.words)}


@dataclass(frozen=True)
class Characters(ListedVocabulary):
    kind = "characters"

    def words_of(self, text: str) -> list[str]:
        return list(text)

    def encode(self, text: str) -> Array:
        """0 for the characters that the vocabulary does not have. By a table of code points, for speed."""
        check_text("text", text)
        code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        inside = code_points < len(self.id_of_code_point)
        return self.id_of_code_point[np.where(inside, code_points, 0)] * inside

    @functools.cached_property
    def id_of_code_point(self) -> Array:
        """0 for what is no word.  (largest code point + 1,)"""
        code_points = [ord(word) for word in self.words]
        table = np.zeros(max(code_points) + 1, np.int64)
        table[code_points] = np.arange(self.size)
        return table


@dataclass(frozen=True)
class Words(ListedVocabulary):
    kind = "words"

    def words_of(self, text: str) -> list[str]:
        return WORD.findall(text)

    def encode(self, text: str) -> Array:
        """0 for the words that the vocabulary does not have."""
        check_text("text", text)
        return np.array([self.id_of.get(word, 0) for word in self.words_of(text)], dtype=np.int64)

    @functools.cached_property
    def id_of(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}


def character_vocabulary(texts: Iterable[str]) -> Characters:
    """All characters of the texts, in the order of their code points, after one for all that they have not."""
    characters: set[str] = set()
    for text in checked_texts("texts", texts):
        characters.update(text)
    return Characters((UNKNOWN, *sorted(characters - {UNKNOWN})))


def word_vocabulary(texts: Iterable[str], size: int) -> Words:
    """The `size` - 1 most frequent words of the texts, after one for all others."""
    check_integer("size", size, minimum=2)
    counts: collections.Counter[str] = collections.Counter()
    for text in checked_texts("texts", texts):
        counts.update(WORD.findall(text))
    del counts[UNKNOWN]  # which has the id 0 in any case
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word))
    return Words((UNKNOWN, *by_frequency[: size - 1]))
