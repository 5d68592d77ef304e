"""Text to learn from, without a download, split by document into three sides: training, validation and test."""

import hashlib
import re
import unicodedata
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_choice
from minitransformer.data.text_file import read_pieces

Array = np.ndarray

TRAINING, VALIDATION, TEST = SIDES = ("training", "validation", "test")
PERIOD = 10  # of so many documents, one is for validation and one for the test
STRETCH = 8192  # characters: a file is cut into documents of about this length
LEAST_DOCUMENTS = 40  # but a short text into so many


class Document(NamedTuple):
    side: str
    text: str


class Corpus(NamedTuple):
    """Documents that can be read again and again: nothing but the codes of paragraphs is kept in memory."""

    source: str  # what is read
    paths: tuple[str, ...]  # the reader's files; none: the Python reference
    documents: Callable[[], Iterable[Document]]
    elsewhere: dict[str, Array]  # for each side the paragraphs that belong to another, as sorted 64-bit codes


def load_corpus(paths: Sequence[str | Path] = ()) -> Corpus:
    """The reader's files, or, without any, the Python language reference that comes with every Python.

    Raises ValueError as `text_files`, and TypeError for one path that is not in a list.
    """
    if isinstance(paths, str | bytes) or not isinstance(paths, Sequence):
        raise TypeError(f"paths: got {type(paths).__name__}, expected a list of paths")
    return text_files(paths) if paths else python_reference()


def python_reference() -> Corpus:
    """The topics of `pydoc_data`: some 450 KB of technical English, each topic a document."""
    return with_elsewhere("the Python language reference (pydoc_data.topics)", (), reference_documents)


def reference_documents() -> Iterator[Document]:
    """A topic belongs to one side by a checksum of its name, so that the split is the same on every machine."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield Document(side_of(zlib.crc32(name.encode())), topics[name])


def text_files(paths: Sequence[str | Path]) -> Corpus:
    """Files of the reader's, cut at blank lines into documents of some 8 KB; every tenth is for validation, or test.

    Raises ValueError, naming the file, for one that cannot be read, is empty, or is not UTF-8.
    """
    length = max(1, min(STRETCH, n_characters(paths, STRETCH * LEAST_DOCUMENTS) // LEAST_DOCUMENTS))

    def documents() -> Iterator[Document]:
        number = 0
        for path in paths:
            for text in stretches(read_pieces(path), length):
                number += 1
                yield Document(side_of(number), text)

    return with_elsewhere(", ".join(map(str, paths)), tuple(map(str, paths)), documents)


def n_characters(paths: Sequence[str | Path], enough: int) -> int:
    """Length of the files' text; bytes would depend on line ends and on the script. Stops counting at `enough`."""
    n = 0
    for path in paths:
        for piece in read_pieces(path):
            n += len(piece)
            if n >= enough:
                return n
    return n


def side_of(number: int) -> str:
    return {0: VALIDATION, 1: TEST}.get(number % PERIOD, TRAINING)


def stretches(pieces: Iterable[str], length: int) -> Iterator[str]:
    """The same text in runs of `length` characters or somewhat more, which end at a blank line where there is one near.

    Else they end at a line's end, or, where there is none near either, anywhere.
    """
    rest = ""
    for piece in pieces:
        rest += piece
        while len(rest) >= 2 * length:
            cut = cut_of(rest, length)
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def cut_of(text: str, length: int) -> int:
    """Where to end a run: from `length` on, and before 2 * `length`."""
    for end in ("\n\n", "\n"):
        place = text.find(end, length - 1, 2 * length)
        if place >= 0:
            return min(place + len(end), 2 * length)
    return length


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    return [paragraph for paragraph in re.split(r"\n\s*\n", text.strip("\n")) if paragraph.strip()]


def code(paragraph: str) -> int:
    """64 bits for a paragraph; indentation, line breaks and composed accents make no difference."""
    words = unicodedata.normalize("NFC", " ".join(paragraph.split()))
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest(), "big")


def with_elsewhere(source: str, paths: tuple[str, ...], documents: Callable[[], Iterable[Document]]) -> Corpus:
    """Documents quote one another. A paragraph that occurs on several sides is kept on the first of them alone.

    Else a model would be tested on what it was trained on.
    """
    codes = {side: array("Q") for side in SIDES}
    for side, text in documents():
        codes[side].extend(map(code, paragraphs(text)))
    taken = np.zeros(0, np.uint64)
    elsewhere = {}
    for side in SIDES:
        elsewhere[side] = taken
        taken = np.union1d(taken, np.array(codes.pop(side), np.uint64))
    return Corpus(source, paths, documents, elsewhere)


def texts(corpus: Corpus, side: str) -> Iterator[str]:
    """The text of one side, document by document, without what occurs on an earlier side."""
    check_choice("side", side, SIDES)
    elsewhere = corpus.elsewhere[side]
    for document in corpus.documents():
        if document.side == side:
            kept = [p for p in paragraphs(document.text) if not contains(elsewhere, code(p))]
            if kept:
                yield "\n\n".join(kept) + "\n\n"


def contains(codes: Array, wanted: int) -> bool:
    """Whether a sorted array has this number."""
    place = np.searchsorted(codes, np.uint64(wanted))
    return place < len(codes) and int(codes[place]) == wanted
