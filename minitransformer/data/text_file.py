"""Reading the user's text files piece by piece, so that a file of any size takes the same memory.

Line ends (\\n, \\r\\n or \\r) become \\n. Nothing else ends a line, neither U+2028 nor a form feed.
"""

import codecs
import io
import os
from collections.abc import Iterator
from pathlib import Path

from minitransformer.files import open_to_read

PIECE = 1 << 16  # bytes


def read_pieces(path: str | Path) -> Iterator[str]:
    """The text of a UTF-8 file, without a byte order mark, with \\n as line end, some 64 KB at a time.

    Raises ValueError, naming the file, if it is unreadable, a pipe (which cannot be read twice), empty, or not UTF-8;
    TypeError for anything but a path, such as a number, which `open` would take for an open file.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path: got {type(path).__name__}, expected a path")
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)  # keeps back a \r that may be half of a line end
    n_decoded = 0  # bytes
    empty = True
    try:
        with open_to_read(path) as file:
            while content := file.read(PIECE):
                held_back = len(decoder.getstate()[0])  # the first bytes of a character that the last piece cut in two
                piece = decode(decoder, content, n_decoded - held_back, path)
                n_decoded += len(content)
                empty = empty and not piece.strip()
                yield newlines.decode(piece)
    except OSError as error:
        raise ValueError(f"text: cannot read {str(path)!r} ({error.strerror}), expected a UTF-8 text file") from error
    decode(decoder, b"", n_decoded - len(decoder.getstate()[0]), path, final=True)
    yield newlines.decode("", final=True)
    if empty:
        raise ValueError(f"text: {str(path)!r} is empty, expected a UTF-8 text file")


def lines(text: str) -> list[str]:
    """The lines of a text, without their ends. Unlike `str.splitlines`, it splits at \\n alone."""
    return text.removesuffix("\n").split("\n") if text else []


def universal_newlines(text: str) -> str:
    """The text with \\n for each \\r\\n and each \\r, as `open` reads it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode(
    decoder: codecs.IncrementalDecoder, content: bytes, start: int, path: str | Path, final: bool = False
) -> str:
    """The next piece; `start` is the byte of the file that the decoder has come to."""
    try:
        return decoder.decode(content, final)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"text: {str(path)!r} is not UTF-8 (at byte {start + error.start}: {error.reason}), "
            "expected a UTF-8 text file"
        ) from error
