"""Text to learn from, without a download, split into a part for training and a part that the model never sees."""

import re
import zlib
from pathlib import Path
from typing import NamedTuple

from minitransformer.data.text_file import read_text

HELD_OUT = 10  # one part in so many is for validation


class Corpus(NamedTuple):
    source: str  # what was read
    training: str
    validation: str


def load_corpus(path: str | Path | None = None) -> Corpus:
    """The reader's file, or, without one, the Python language reference that comes with every Python."""
    return python_reference() if path is None else text_corpus(path)


def python_reference() -> Corpus:
    """The topics of `pydoc_data`: some 450 KB of technical English. About a tenth of them are for validation.

    A topic belongs to one side by a checksum of its name, so that the split is the same on every machine. Topics quote
    one another: a paragraph that occurs on both sides is dropped from the validation text.
    """
    from pydoc_data.topics import topics

    names = sorted(topics)
    held_out = [name for name in names if zlib.crc32(name.encode()) % HELD_OUT == 0]
    training = [paragraph for name in names if name not in held_out for paragraph in paragraphs(topics[name])]
    seen = set(training)
    validation = [p for name in held_out for p in paragraphs(topics[name]) if p not in seen]
    return Corpus("the Python language reference (pydoc_data.topics)", "\n\n".join(training), "\n\n".join(validation))


def paragraphs(text: str) -> list[str]:
    """What stands between blank lines."""
    return [paragraph for paragraph in re.split(r"\n\s*\n", text.strip("\n")) if paragraph.strip()]


def text_corpus(path: str | Path) -> Corpus:
    """A file of the reader's; its last tenth, from a line's start on where there is one near, is for validation."""
    text = read_text(path)
    cut = len(text) - len(text) // HELD_OUT
    line_start = text.rfind("\n", 0, cut) + 1
    split = line_start if line_start > cut // 2 else cut
    return Corpus(str(path), text[:split], text[split:])
