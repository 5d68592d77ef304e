"""Files that are written whole or not at all, exclusive file names, and files that can be read more than once."""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from minitransformer.locks import Locked, create_locked, lock

MOST_OF_NAME = 50  # characters of a file's name that its temporary name starts with, so that it is never too long
NEW = 0o666  # permissions of a new file, before the umask

StrPath = str | os.PathLike[str]


class Held:
    """A file that only this process writes until it is released, whether it exists already or not.

    Before it exists, a hidden file beside it holds its name, so nobody ever finds an empty file there. After that the
    file itself is locked, and so is each one that `write_whole` replaces it with. If the process is killed, the name is
    free again.
    """

    def __init__(self, path: StrPath, file: Locked, reserved: bool = False):
        self.path = os.fspath(path)  # as it was given
        self.file = file
        self.reserved = reserved  # the file does not exist yet

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path

    def take(self, file: Locked) -> None:
        """Hold this file, which has just taken the name, from now on."""
        self.release()
        self.file, self.reserved = file, False

    def release(self) -> None:
        if self.reserved:
            self.file.remove()
        self.file.close()

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def hold_new(path: StrPath) -> Held:
    """Hold the name of a file that does not exist yet.

    Raises FileExistsError if it exists, BlockingIOError if another process holds it, and another OSError if it cannot
    be written.
    """
    target, mode = target_of(path)
    reservation = create_locked(beside(target, "reserved"), mode)
    if reservation is None:
        raise BlockingIOError(errno.EWOULDBLOCK, "another process holds it")
    held = Held(path, reservation, reserved=True)
    if target.exists():  # checked only now: another process may have written and released it meanwhile
        held.release()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return held


def hold(path: StrPath) -> Held:
    """Hold an existing file.

    Raises BlockingIOError if another process holds it, and another OSError if it cannot be read or written.
    """
    target, mode = target_of(path)
    file = lock(target)
    if file is None:
        raise BlockingIOError(errno.EWOULDBLOCK, "another process holds it")
    held = Held(path, file)
    try:
        create_beside(target, mode).remove()  # as `write_whole` will
    except OSError:
        held.release()
        raise
    return held


def write_whole(path: StrPath, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file atomically: the old content stays until all of the new one is on disk.

    content: the bytes, or a function that writes them to the open file. Links are followed; an existing file keeps its
    permissions. Raises ValueError, naming the file, if it cannot be written.
    """
    try:
        target, mode = target_of(path)
        file = create_beside(target, mode)
        try:
            with os.fdopen(os.dup(file.handle), "wb") as stream:
                stream.write(content) if isinstance(content, bytes) else content(stream)
                stream.flush()
                os.fsync(stream.fileno())
            keep_owner(target, file.path, mode)
            file.move(target)
        except BaseException:
            file.remove()
            raise
    except OSError as error:
        raise not_writable("file", path, error) from error
    if isinstance(path, Held):
        path.take(file)
    else:
        file.close()


def check_writable(name: str, path: StrPath) -> None:
    """Check before any work that a file can be written here. Raises ValueError, naming the argument."""
    try:
        create_beside(*target_of(path)).remove()
    except OSError as error:
        raise not_writable(name, path, error) from error


def not_writable(name: str, path: StrPath, error: OSError) -> ValueError:
    return ValueError(f"{name}: cannot write {os.fspath(path)!r} ({error.strerror or error}), expected a writable path")


def target_of(path: StrPath) -> tuple[Path, int]:
    """The file that a path leads to, after all links, and its permissions. It need not exist yet.

    Raises OSError for anything but a regular file, and for one that may not be written.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target, NEW
    check_regular(mode)
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return target, stat.S_IMODE(mode)


def check_regular(mode: int) -> None:
    """Raises OSError for a directory, and for a pipe or a device, which nobody can read twice."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device")


def create_beside(target: Path, mode: int) -> Locked:
    """A new temporary file in the folder of `target`; it replaces a stale one if it can."""
    names = (beside(target, "saving" if number == 1 else f"saving-{number}") for number in itertools.count(1))
    return next(file for file in (create_locked(name, mode) for name in names) if file is not None)


def beside(target: Path, purpose: str) -> Path:
    return target.with_name(f".{target.name[:MOST_OF_NAME]}.{purpose}")


def keep_owner(target: Path, temporary: Path, mode: int) -> None:
    """Give the new file the old one's permissions and, where the system allows it, its owner."""
    if not target.exists():
        return
    before, now = os.stat(target), os.stat(temporary)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        with contextlib.suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    os.chmod(temporary, mode)


def open_to_read(path: StrPath) -> BinaryIO:
    """A file that can be read more than once. Raises OSError like `open`, and for a pipe or a device."""
    check_regular(os.stat(path).st_mode)  # checked first: opening a pipe waits for a writer
    return open(path, "rb")
