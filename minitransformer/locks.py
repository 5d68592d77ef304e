"""Files that one process alone has, for as long as it runs: what is left of a process that was killed is free again."""

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
    """A file that is open and locked. The lock goes where the file goes, also under another name."""

    def __init__(self, path: Path, handle: int):
        self.path = path
        self.handle: int | None = handle

    def move(self, target: Path) -> None:
        """Give it another name, and replace the file that had it."""
        if fcntl is None:  # Windows moves no file that is open
            self.close()
        os.replace(self.path, target)
        self.path = target

    def remove(self) -> None:
        """Close it, and remove it, unless another file has its name by now."""
        if self.handle is None:
            return
        ours = is_at(self.handle, self.path)
        if fcntl is None:  # nor does it remove one
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
    """Create a file that this process alone has. None: another process has it.

    A file with this name that no process has was left behind, and is replaced.
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
        os.close(handle)  # between creation and lock another process took it for one that was left behind


def lock(path: Path) -> Locked | None:
    """Lock a file that is there. None: another process has it. Raises OSError as `open`."""
    while True:
        handle = os.open(path, os.O_RDONLY | BINARY)
        if locked(handle) is False:
            os.close(handle)
            return None
        if is_at(handle, path):
            file = Locked(path, handle)
            if fcntl is None:  # Windows replaces no file that is open
                file.close()
            return file
        os.close(handle)  # between opening and lock it was replaced by a new one


def remove_if_free(path: Path) -> bool:
    """Remove a file unless a process has it. -> whether it is gone; it is not where that cannot be told"""
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
    """Lock an open file for this process. -> whether no other has it; None where the system has no such locks

    Readers are not held off. The system takes the lock back when the process ends, however it ends.
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
    """Whether an open file is still the one with this name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False
