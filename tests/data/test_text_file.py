"""Reading the reader's own file: all of it, piece by piece, or with a reason why not."""

import os

import pytest
from assertions import refuses

from minitransformer.data import text_file
from minitransformer.data.text_file import PIECE, lines, read_pieces, universal_newlines

SIZES = pytest.mark.parametrize("size", [1, 2, 3, 5, 1 << 16])


def read(path):
    return "".join(read_pieces(path))


@SIZES
def test_the_text_comes_back(tmp_path, monkeypatch, size):
    """UTF-8, with or without a byte order mark; a character cut in two by pieces is whole."""
    monkeypatch.setattr(text_file, "PIECE", size)
    path = tmp_path / "text.txt"
    text = "Grüße, 世界 \N{GRINNING FACE}\nand a line\n"
    path.write_bytes(text.encode())
    assert read(path) == read(str(path)) == text
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(path) == text


@SIZES
@pytest.mark.parametrize("text", ["a\r\nb\r\r\n\nc\n\rd\r", "\r\n", "a\rb", "x\r\n"])
def test_however_its_lines_end_the_text_is_the_same(tmp_path, monkeypatch, size, text):
    """As Python's own `open` reads it, also where a piece ends between \\r and \\n, or the file does."""
    monkeypatch.setattr(text_file, "PIECE", size)
    path = tmp_path / "text.txt"
    content = f"\ufeffw\u00e4{text}\u2028\x0c\x85.{text}"
    path.write_bytes(content.encode())
    assert read(path) == path.read_text(encoding="utf-8-sig")
    assert universal_newlines(content) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("cut", ["\r\n", "\u4e16", "\N{GRINNING FACE}", "\ufeff"])
@pytest.mark.parametrize("before", range(1, 4))
def test_a_character_that_two_pieces_share_is_whole(tmp_path, cut, before):
    """At the size that pieces have: a line end, and characters of three or four bytes, on the border of two of them."""
    path = tmp_path / "text.txt"
    text = "a" * (PIECE - before) + cut + "b" * PIECE + "\n" * 3
    path.write_bytes(text.encode())
    assert path.stat().st_size > 2 * PIECE
    assert read(path) == text.replace("\r\n", "\n")
    assert len(list(read_pieces(path))) > 2


def test_lines_end_at_new_lines_alone():
    """And the end of the last one begins no other."""
    assert lines("a\u2028b\x85c\x0cd\x1ce\n\nf\n") == ["a\u2028b\x85c\x0cd\x1ce", "", "f"]
    assert [lines(text) for text in ("", "\n", "a", "a\n\n")] == [[], [""], ["a"], ["a", ""]]


def test_what_cannot_be_read_is_named(tmp_path):
    """A missing file, and a directory."""
    missing = str(tmp_path / "missing.txt")
    with refuses(ValueError, f"text: cannot read {missing!r} (No such file or directory), expected a UTF-8 text file"):
        read(missing)
    with pytest.raises(ValueError, match=r"^text: cannot read .*, expected a UTF-8 text file$"):
        read(tmp_path)


def test_a_pipe_is_refused_at_once(tmp_path):
    """Nobody can read it twice, as a training does; and where nobody writes to it, reading it waits for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/null"):
        with refuses(ValueError, f"text: cannot read {path!r} (it is a pipe or a device), expected a UTF-8 text file"):
            read(path)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with refuses(ValueError, f"text: {str(path)!r} is empty, expected a UTF-8 text file"):
        read(path)


@SIZES
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, monkeypatch, size):
    """With the place of the first byte that is none, counted from the start of the file; also at its end."""
    monkeypatch.setattr(text_file, "PIECE", size)
    path = tmp_path / "latin1.txt"
    path.write_bytes("äStra".encode() + b"\xdfe!")
    message = f"text: {str(path)!r} is not UTF-8 (at byte 6: invalid continuation byte), expected a UTF-8 text file"
    with refuses(ValueError, message):
        read(path)
    path.write_bytes(b"ab" + "世".encode()[:2])
    message = f"text: {str(path)!r} is not UTF-8 (at byte 2: unexpected end of data), expected a UTF-8 text file"
    with refuses(ValueError, message):
        read(path)
