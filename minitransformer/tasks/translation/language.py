"""A language to translate from or to: a vocabulary, and the two words that say where a sentence starts and ends."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from minitransformer.data.unicode_classes import WITHOUT_SPACES
from minitransformer.data.vocabulary import Vocabulary, character_vocabulary, word_vocabulary

Array = np.ndarray

MOST_WORDS = 8192
END = "■"  # how the end of a sentence is shown


class Language(NamedTuple):
    """Above the vocabulary's words there are two more ids: one before a sentence, one after it, which also pads."""

    vocabulary: Vocabulary

    @property
    def start(self) -> int:
        return self.vocabulary.size

    @property
    def end(self) -> int:
        return self.vocabulary.size + 1

    @property
    def size(self) -> int:
        """V, with start and end."""
        return self.vocabulary.size + 2

    def encode(self, text: str) -> Array:
        """The words of the text, without start and end.  -> (n,)"""
        return self.vocabulary.encode(text)

    def unknown(self, text: str) -> list[str]:
        """The words of the text that the vocabulary does not have."""
        return self.vocabulary.unknown(text)

    def decode(self, ids: Array) -> str:
        return self.vocabulary.decode(ids)

    def pieces(self, text: str) -> list[str]:
        """The words of the text as they are written, and a mark for the end: names for the rows of a picture."""
        return [self.vocabulary.decode(ids[None]) for ids in self.encode(text)] + [END]


def language_of(texts: Iterable[str]) -> Language:
    """Words, or characters if most letters are of scripts without spaces between words, such as Chinese."""
    kept = list(texts)
    letters = [c for text in kept for c in text if c.isalpha()]
    without_spaces = len(WITHOUT_SPACES.findall("".join(letters)))
    if 2 * without_spaces > len(letters):
        return Language(character_vocabulary(kept))
    return Language(word_vocabulary(kept, MOST_WORDS))
