"""Reading the reader's own file: whole, or with a reason why not."""

import pytest
from assertions import refuses

from minitransformer.data.text_file import read_text


def test_the_text_comes_back(tmp_path):
    """UTF-8, with or without a byte order mark; line ends as they are."""
    path = tmp_path / "text.txt"
    text = "Grüße, 世界\r\nand a line\n"
    path.write_bytes(text.encode())
    assert read_text(path) == read_text(str(path)) == text
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_text(path) == text


def test_what_cannot_be_read_is_named(tmp_path):
    """A missing file, and a directory."""
    missing = str(tmp_path / "missing.txt")
    with refuses(ValueError, f"text: cannot read {missing!r} (No such file or directory), expected a UTF-8 text file"):
        read_text(missing)
    with pytest.raises(ValueError, match=r"^text: cannot read .*, expected a UTF-8 text file$"):
        read_text(tmp_path)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    with refuses(ValueError, f"text: {str(path)!r} is empty, expected a UTF-8 text file"):
        read_text(path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    """With the place of the first byte that is none."""
    path = tmp_path / "latin1.txt"
    path.write_bytes("Stra\xdfe".encode("latin-1"))
    message = f"text: {str(path)!r} is not UTF-8 (at byte 4: invalid continuation byte), expected a UTF-8 text file"
    with refuses(ValueError, message):
        read_text(path)
