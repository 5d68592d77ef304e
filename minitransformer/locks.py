"""Files locked by one process for as long as it runs: if it is killed, what it leaves behind is free again."""

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
BINARY = getattr(os, "O_BINARY", 0)


class Locked:
    """An open, locked file. The lock stays with the file when it is renamed."""

    def __init__(self, path: Path, handle: int):
        self.path = path
        self.handle: int | None = handle

    def move(self, target: Path) -> None:
        """Rename it, replacing any file that had the name."""
        if fcntl is None:  # Windows cannot rename an open file
            self.close()
        os.replace(self.path, target)
        self.path = target

    def remove(self) -> None:
        """Close it and remove it, unless another file has taken its name."""
        if self.handle is None:
            return
        ours = is_at(self.handle, self.path)
        if fcntl is None:  # nor remove one
            self.close()
        if ours:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        self.close()

    def close(self) -> None:
        if self.handle is not None:
            handle, self.handle = self.handle, None
            os.close(handle)


def create_locked(path: Path, mode: int = 0o666) -> Locked | None:
    """Create a file and lock it. None: another process holds it.

    A file with this name that no process holds is stale, and is replaced.
    """
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, mode)
        except FileExistsError:
            if not remove_if_free(path):
                return None
            continue
        if locked(handle) is not False and is_at(handle, path):
            return Locked(path, handle)
        os.close(handle)  # before it was locked, another process took it for a stale one


def lock(path: Path) -> Locked | None:
    """Lock an existing file. None: another process holds it. Raises OSError like `open`."""
    while True:
        handle = os.open(path, os.O_RDONLY | BINARY)
        if locked(handle) is False:
            os.close(handle)
            return None
        if is_at(handle, path):
            file = Locked(path, handle)
            if fcntl is None:  # Windows cannot replace an open file
                file.close()
            return file
        os.close(handle)  # before it was locked, another one replaced it


def remove_if_free(path: Path) -> bool:
    """Remove a file unless a process holds it, or that is unknown. -> whether it is gone"""
    try:
        handle = os.open(path, os.O_RDONLY | NO_LINK)
    except FileNotFoundError:
        return True
    except PermissionError:  # another user's
        return False
    try:
        if not locked(handle):
            return False
        if is_at(handle, path):
            os.unlink(path)
        return True
    finally:
        os.close(handle)


def locked(handle: int) -> bool | None:
    """Lock an open file for this process. -> False if another one holds it; None if the system has no such locks

    Readers are not blocked. The system releases the lock when the process ends, however it ends.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # as on some network file systems
        return None
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether this path still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
