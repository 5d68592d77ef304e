"""Files that are written whole or not at all."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file in one go: until all of it is on disk, what stood there before stays.

    Raises ValueError, naming the file, where it cannot be written.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    except OSError as error:
        raise ValueError(f"file: cannot write {str(path)!r} ({error.strerror}), expected a writable place") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise ValueError(f"file: cannot write {str(path)!r} ({error.strerror}), expected a writable place") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def check_writable(name: str, path: str | Path) -> None:
    """Before any work is done: it must be possible to write a file here. Raises ValueError, naming the argument."""
    path = Path(path)
    try:
        if path.is_dir():  # which refuses a name that is too long, too
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    except OSError as error:
        raise ValueError(f"{name}: cannot write {str(path)!r} ({error.strerror}), expected a writable place") from error
    os.close(handle)
    os.unlink(temporary)


def current_umask() -> int:
    """The permissions that a new file does not get; the only way to read them is to set them."""
    umask = os.umask(0)
    os.umask(umask)
    return umask
