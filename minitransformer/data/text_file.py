"""Reading text files of the reader's, piece by piece, so that a file of any size takes the same memory."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from minitransformer.files import open_to_read

PIECE = 1 << 16  # bytes


def read_pieces(path: str | Path) -> Iterator[str]:
    """The text of a UTF-8 file, without a byte order mark, some 64 KB at a time.

    Raises ValueError, naming the file, for one that cannot be read, as a pipe twice, that is empty, or not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    n_decoded = 0  # bytes
    empty = True
    try:
        with open_to_read(path) as file:
            while content := file.read(PIECE):
                held_back = len(decoder.getstate()[0])  # the first bytes of a character that the last piece cut in two
                piece = decode(decoder, content, n_decoded - held_back, path)
                n_decoded += len(content)
                empty = empty and not piece.strip()
                yield piece
    except OSError as error:
        raise ValueError(f"text: cannot read {str(path)!r} ({error.strerror}), expected a UTF-8 text file") from error
    decode(decoder, b"", n_decoded - len(decoder.getstate()[0]), path, final=True)
    if empty:
        raise ValueError(f"text: {str(path)!r} is empty, expected a UTF-8 text file")


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
