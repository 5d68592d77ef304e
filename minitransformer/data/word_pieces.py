"""Section 3.3, before the embedding: BERT's words. What is frequent is one word; what is rare is spelt in pieces.

So no word is unknown, and each piece has its place in the text, where an answer can be cut out.
"""

import collections
import functools
import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minitransformer.arguments import check_ids, check_integer

Array = np.ndarray

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))
N_SPECIAL = len(SPECIAL)
WORD = re.compile(
    r"[^\W_]+|[^\w\s]|_|\n"
)  # letters and digits together, each mark alone; of white space only new lines
INSIDE = "##"  # how a piece begins that goes on within a word


class Tokens(NamedTuple):
    ids: Array  # (n,)
    spans: Array  # (n, 2), of each token its start and its end in the text, in characters


@dataclass(frozen=True)
class WordPieces:
    """Piece i has the id i; the first ones are SPECIAL. Upper case makes no difference."""

    pieces: tuple[str, ...]
    kind = "word-pieces"

    @property
    def size(self) -> int:
        return len(self.pieces)

    def tokens(self, text: str) -> Tokens:
        """The pieces of the text's words. A character that the vocabulary does not have makes its word [UNK]."""
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for match in WORD.finditer(text):
            start = match.start()
            for piece, length in self.pieces_of(lower(match.group())):
                ids.append(piece)
                spans.append((start, start + length))
                start += length
        return Tokens(np.array(ids, dtype=np.int64), np.array(spans, dtype=np.int64).reshape(-1, 2))

    def encode(self, text: str) -> Array:
        return self.tokens(text).ids

    def decode(self, ids: Array) -> str:
        """Words with a space between them; white space and upper case are not restored."""
        check_ids("ids", ids, self.size)
        return " ".join(self.pieces[i] for i in ids.reshape(-1)).replace(" " + INSIDE, "")

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "pieces": list(self.pieces)}

    @functools.cached_property
    def id_of(self) -> dict[str, int]:
        return {piece: i for i, piece in enumerate(self.pieces)}

    @functools.cached_property
    def known(self) -> dict[str, list[tuple[int, int]]]:
        """The words that have been taken to pieces."""
        return {}

    def pieces_of(self, word: str) -> list[tuple[int, int]]:
        """(id, length) of each piece: the longest that there is, then the longest of the rest (Wu et al. 2016)."""
        if word not in self.known:
            self.known[word] = self.taken_apart(word)
        return self.known[word]

    def taken_apart(self, word: str) -> list[tuple[int, int]]:
        found = []
        start = 0
        while start < len(word):
            prefix = INSIDE if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self.id_of)
            end = next(ends, None)
            if end is None:
                return [(UNK, len(word))]
            found.append((self.id_of[prefix + word[start:end]], end - start))
            start = end
        return found


def lower(word: str) -> str:
    """Character by character, so that each one stays in its place: a few have a lower case of two characters."""
    small = word.lower()
    return small if len(small) == len(word) else "".join(c.lower() if len(c.lower()) == 1 else c for c in word)


def word_piece_vocabulary(texts: Iterable[str], size: int) -> WordPieces:
    """All characters of the texts, then, up to `size`, what comes of joining the most frequent pair of pieces.

    And again, until there is no pair that occurs twice (Sennrich et al. 2016). Of equally frequent pairs the first in
    the order of the alphabet is joined.
    """
    check_integer("size", size, least=N_SPECIAL + 1)
    counts: collections.Counter[str] = collections.Counter()
    for text in texts:
        counts.update(lower(word) for word in WORD.findall(text))
    words = [[word[0], *(INSIDE + c for c in word[1:])] for word in counts]
    characters = sorted(set("".join(counts)))  # each as the start of a word, and, but for marks, within one
    alphabet = characters + [INSIDE + c for c in characters if c.isalnum()]
    return WordPieces((*SPECIAL, *joined(words, list(counts.values()), alphabet, size - N_SPECIAL)))


def joined(words: list[list[str]], counts: list[int], alphabet: list[str], size: int) -> list[str]:
    """The alphabet and what is joined of it. Only the words that have a pair are looked at when it is joined."""
    pieces = alphabet[:size]
    frequency: collections.Counter[tuple[str, str]] = collections.Counter()
    where: dict[tuple[str, str], set[int]] = collections.defaultdict(set)

    def count(number: int, sign: int) -> set[tuple[str, str]]:
        """Add the pairs of a word, or take them away. -> the pairs"""
        pairs = list(zip(words[number], words[number][1:], strict=False))
        for pair in pairs:
            frequency[pair] += sign * counts[number]
            (where[pair].add if sign > 0 else where[pair].discard)(number)
        return set(pairs)

    for number in range(len(words)):
        count(number, +1)
    heap = [(-n, pair) for pair, n in frequency.items()]  # with outdated entries, too, which are passed over
    heapq.heapify(heap)
    while heap and len(pieces) < size:
        n, pair = heapq.heappop(heap)
        if -n != frequency[pair]:
            continue
        if -n < 2:
            break
        whole = pair[0] + pair[1].removeprefix(INSIDE)
        pieces.append(whole)
        changed: set[tuple[str, str]] = set()
        for number in list(where[pair]):
            changed |= count(number, -1)
            words[number] = with_pair_joined(words[number], pair, whole)
            changed |= count(number, +1)
        for other in changed:
            if frequency[other] > 0:
                heapq.heappush(heap, (-frequency[other], other))
    return pieces


def with_pair_joined(word: list[str], pair: tuple[str, str], whole: str) -> list[str]:
    result = []
    i = 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            result.append(whole)
            i += 2
        else:
            result.append(word[i])
            i += 1
    return result
