"""Section 3.3, before the embedding: what BERT takes for a word, and where each of its characters is in the text.

White space and punctuation separate words, and each ideograph is a word; control characters are dropped, and so are
upper case and accents, optionally. (Devlin et al. 2019, `BasicTokenizer`; BertNormalizer and BertPreTokenizer in
`tokenizers`.) BERT expects composed characters (NFC). Other text is composed first, so that equivalent texts give the
same words.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitransformer.data.unicode_classes import (
    ASCII_PUNCTUATION,
    IDEOGRAPHS,
    VARIATION_SELECTORS,
    is_ideograph,
    is_punctuation,
)

Array = np.ndarray

# Text is first cut into chunks, only where BERT separates words, too, so that the pieces of a chunk can be cached.
# A chunk includes the white space after it, so that nothing is lost.
CHUNK = re.compile(
    rf"(?:[^ \t\n\r{ASCII_PUNCTUATION}{IDEOGRAPHS}]+|[{ASCII_PUNCTUATION}]|[{IDEOGRAPHS}][{VARIATION_SELECTORS}]*|\n)"
    r"[ \t\r]*|[ \t\r]+"
)
WHITE = "\t\n\r"  # the control characters that are white space, and not dropped
DROPPED = ("Cc", "Cf", "Co")
SPACE = " "


class Rules(NamedTuple):
    lowercase: bool = True
    strip_accents: bool = True
    lines: bool = False  # a newline is a word of its own; for BERT it is white space


class Word(NamedTuple):
    text: str
    spans: list[tuple[int, int]]  # start and end of each character before normalization


def words_in(text: str, rules: Rules) -> list[Word]:
    """The words of a composed text, normalized. A mark that is dropped belongs to the character before it."""
    words: list[tuple[list[str], list[tuple[int, int]]]] = []
    open_word = False
    for position, c in enumerate(text):
        if c == "\n" and rules.lines:
            words.append(([c], [(position, position + 1)]))
            open_word = False
            continue
        for letter in normalized(c, rules):
            alone = is_punctuation(letter)
            if letter != SPACE:
                if alone or not open_word:
                    words.append(([], []))
                words[-1][0].append(letter)
                words[-1][1].append((position, position + 1))
            open_word = letter != SPACE and not alone
        if is_dropped_mark(c, rules) and words and words[-1][1][-1][1] == position:
            start, _ = words[-1][1][-1]
            words[-1][1][-1] = (start, position + 1)
    return [Word("".join(letters), spans) for letters, spans in words]


@functools.cache
def normalized(c: str, rules: Rules) -> str:
    """What becomes of one character: nothing, a space, or letters, with spaces around an ideograph."""
    category = unicodedata.category(c)
    if c == "\N{REPLACEMENT CHARACTER}" or (category in DROPPED and c not in WHITE):
        return ""
    if c.isspace():
        return SPACE
    decomposed = unicodedata.normalize("NFD", c) if rules.strip_accents else c
    letters = "".join(letter for letter in decomposed if not is_dropped_mark(letter, rules))
    lowered = "".join(letter.lower() for letter in letters) if rules.lowercase else letters
    return f"{SPACE}{lowered}{SPACE}" if is_ideograph(c) else lowered


def is_dropped_mark(c: str, rules: Rules) -> bool:
    return rules.strip_accents and unicodedata.category(c) == "Mn"


def stands_alone(letter: str) -> bool:
    """Whether it is always a word by itself."""
    return letter == "\n" or is_punctuation(letter) or is_ideograph(letter)


class Composed(NamedTuple):
    text: str
    spans: Array | None  # (n, 2), start and end of each character before; None if the text was already composed


def compose(text: str) -> Composed:
    """NFC."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return Composed(text, None)
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    start = 0
    for segment in segments(text):
        end = start + len(segment)
        part = unicodedata.normalize("NFC", segment)
        parts.append(part)
        spans += [(i, i + 1) for i in range(start, end)] if part == segment else [(start, end)] * len(part)
        start = end
    return Composed("".join(parts), np.array(spans))


def segments(text: str) -> Iterator[str]:
    """The parts that can be composed independently: a character and everything that may combine with it."""
    start = 0
    for position in range(1, len(text)):
        first = unicodedata.normalize("NFD", text[position])[0]  # some marks and vowel signs are two in one character
        if unicodedata.combining(first) == 0 and first not in joining():
            yield text[start:position]
            start = position
    yield text[start:]


@functools.cache
def joining() -> frozenset[str]:
    """The characters that combine with the one before them: the second of each pair that Unicode composes."""
    decompositions = (unicodedata.decomposition(chr(code_point)).split() for code_point in range(0x20000))
    second = {chr(int(parts[1], 16)) for parts in decompositions if len(parts) == 2 and parts[0][0] != "<"}
    jamo = map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))  # Hangul is composed by arithmetic
    return frozenset(second.union(jamo))
