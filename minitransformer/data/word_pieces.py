"""Section 3.3, before the embedding: BERT's tokens. What is frequent is one token; what is rare is spelt in pieces.

Few words are unknown, and each piece has its position in the text, where an answer can be cut out.
"""

import collections
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_text, check_truth, checked_texts
from minitransformer.data.bert_words import CHUNK, Composed, Rules, compose, words_in
from minitransformer.data.piece_learning import INSIDE, learn_pieces

Array = np.ndarray

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))
N_SPECIAL = len(SPECIAL)
MOST_LETTERS = 100  # a longer word is [UNK], as for BERT (`max_input_chars_per_word`)
NEW_LINE = "\n"


class Tokens(NamedTuple):
    ids: Array  # (n,)
    spans: Array  # (n, 2), start and end of each token in the text, in characters


class Pieces(NamedTuple):
    """A part of a text, split into pieces."""

    ids: list[int]
    spans: list[int]  # start and end of each piece, one after the other


@dataclass(frozen=True)
class WordPieces:
    """Piece i has the id i; the first ones are SPECIAL. By default, as uncased BERT: "Café" and "cafe" are the same.

    lowercase, strip_accents: as for `tokenizers.normalizers.BertNormalizer`.
    lines: newlines are tokens, if the vocabulary has one. For BERT they are white space.
    """

    pieces: tuple[str, ...]
    lowercase: bool = True
    strip_accents: bool = True
    lines: bool = False
    kind = "word-pieces"

    def __post_init__(self) -> None:
        if self.pieces[:N_SPECIAL] != SPECIAL:
            raise ValueError(f"pieces: got {self.pieces[:N_SPECIAL]!r} first, expected {SPECIAL!r}")
        check_rules(self.lowercase, self.strip_accents, self.lines)

    @property
    def size(self) -> int:
        return len(self.pieces)

    def tokens(self, text: str) -> Tokens:
        """The pieces of the text's words. A character that the vocabulary does not have makes its word [UNK].

        A stripped mark belongs to the token before it. Tokens may share a character that decomposes, such as a Hangul
        syllable.
        """
        composed = composed_text(text)
        chunks = CHUNK.findall(composed.text)
        found = [self.known[chunk] for chunk in chunks]
        ids = np.array([i for pieces in found for i in pieces.ids], dtype=np.int64)
        in_chunk = np.array([position for pieces in found for position in pieces.spans], dtype=np.int64).reshape(-1, 2)
        chunk_ends = np.cumsum([0, *map(len, chunks)])
        spans = in_chunk + np.repeat(chunk_ends[:-1], [len(pieces.ids) for pieces in found])[:, None]
        return Tokens(ids, spans if composed.spans is None else spans_before(composed.spans, spans))

    def encode(self, text: str) -> Array:
        """The ids alone.  -> (n,)"""
        known = self.known
        ids = [i for chunk in CHUNK.findall(composed_text(text).text) for i in known[chunk].ids]
        return np.array(ids, dtype=np.int64)

    def decode(self, ids: Array) -> str:
        """Words with a space between them; white space, upper case and accents are not restored."""
        check_ids("ids", ids, self.size)
        return " ".join(self.pieces[i] for i in ids.reshape(-1)).replace(" " + INSIDE, "")

    def unknown(self, text: str) -> list[str]:
        """The words that are [UNK], as they stand in the text."""
        tokens = self.tokens(text)
        return [text[start:end] for i, (start, end) in zip(tokens.ids, tokens.spans, strict=True) if i == UNK]

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "pieces": list(self.pieces),
            "lowercase": bool(self.lowercase),
            "strip_accents": bool(self.strip_accents),
            "lines": bool(self.lines),
        }

    @functools.cached_property
    def id_of(self) -> dict[str, int]:
        return {piece: i for i, piece in enumerate(self.pieces)}

    @functools.cached_property
    def longest(self) -> int:
        """Letters of the longest piece."""
        return max(len(piece.removeprefix(INSIDE)) for piece in self.pieces)

    @functools.cached_property
    def rules(self) -> Rules:
        return Rules(self.lowercase, self.strip_accents, self.lines and NEW_LINE in self.id_of)

    @functools.cached_property
    def known(self) -> "Known":
        return Known(self.taken_apart)

    def taken_apart(self, chunk: str) -> Pieces:
        found = Pieces([], [])
        for word in words_in(chunk, self.rules):
            for piece, first, end in self.pieces_of_word(word.text):
                found.ids.append(piece)
                found.spans.extend((word.spans[first][0], word.spans[end - 1][1]))
        return found

    def pieces_of_word(self, word: str) -> list[tuple[int, int, int]]:
        """(id, start, end) of each piece: the longest known prefix, then that of the rest (Wu et al. 2016)."""
        if len(word) > MOST_LETTERS:
            return [(UNK, 0, len(word))]
        found = []
        start = 0
        while start < len(word):
            prefix = INSIDE if start else ""
            ends = range(min(len(word), start + self.longest), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self.id_of), None)
            if end is None:
                return [(UNK, 0, len(word))]
            found.append((self.id_of[prefix + word[start:end]], start, end))
            start = end
        return found


class Known(dict[str, Pieces]):
    """A cache of chunks and their pieces, filled on first use."""

    def __init__(self, take_apart: Callable[[str], Pieces]) -> None:
        super().__init__()
        self.take_apart = take_apart

    def __missing__(self, chunk: str) -> Pieces:
        pieces = self.take_apart(chunk)
        if len(chunk) <= MOST_LETTERS:  # longer ones rarely recur
            self[chunk] = pieces
        return pieces


def check_rules(lowercase: bool, strip_accents: bool, lines: bool) -> None:
    check_truth("lowercase", lowercase)
    check_truth("strip_accents", strip_accents)
    check_truth("lines", lines)


def spans_before(of_characters: Array, spans: Array) -> Array:
    """Spans of a composed text, (n, 2), in the text before. of_characters: (L, 2), the span of each character there"""
    firsts, lasts = of_characters[spans[:, 0]], of_characters[spans[:, 1] - 1]
    return np.stack([firsts[:, 0], lasts[:, 1]], axis=1)


def composed_text(text: str) -> Composed:
    check_text("text", text)
    return compose(text)


def word_piece_vocabulary(
    texts: Iterable[str], size: int, lowercase: bool = True, strip_accents: bool = True, lines: bool = False
) -> WordPieces:
    """The most frequent characters of the texts, and the most frequent pieces of words, at most `size` in all.

    The options are those of `WordPieces`, which keeps them.
    """
    check_integer("size", size, minimum=N_SPECIAL + 1)
    check_rules(lowercase, strip_accents, lines)
    rules = Rules(lowercase, strip_accents, lines)
    chunks: collections.Counter[str] = collections.Counter()
    for text in checked_texts("texts", texts):
        chunks.update(CHUNK.findall(compose(text).text))
    words: collections.Counter[str] = collections.Counter()
    for chunk, n in chunks.items():
        for word in words_in(chunk, rules):
            if len(word.text) <= MOST_LETTERS:
                words[word.text] += n
    return WordPieces((*SPECIAL, *learn_pieces(words, size - N_SPECIAL)), lowercase, strip_accents, lines)
