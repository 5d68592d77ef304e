"""Reading a text file of the reader's."""

from pathlib import Path


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file.

    Raises ValueError, naming the file, for one that cannot be read, that is empty, or that is not UTF-8.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"text: cannot read {str(path)!r} ({error.strerror}), expected a UTF-8 text file") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"text: {str(path)!r} is not UTF-8 (at byte {error.start}: {error.reason}), expected a UTF-8 text file"
        ) from error
    if not text.strip():
        raise ValueError(f"text: {str(path)!r} is empty, expected a UTF-8 text file")
    return text
