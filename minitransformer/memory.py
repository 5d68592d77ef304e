"""Memory between steps: a training step frees all the arrays it made, and the next step needs the same ones again.

By default glibc gives freed memory back to the system and asks for it again, page by page, each filled with zeros,
which takes up to a fifth of a small model's training step. This module tells it to keep the memory. No result changes.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**30  # bytes of free memory that the process keeps at most
LARGE = 32 * 2**20  # bytes; larger arrays always come from the system, and glibc allows no larger threshold


def keep_memory() -> None:
    """Keep freed memory for the next step. Without glibc (macOS, Windows, musl) nothing happens."""
    mallopt = glibc_mallopt()
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def glibc_mallopt() -> "ctypes._NamedFuncPointer | None":
    """The C function of this process if its C library is glibc: others have none, or one without effect."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018
        return library.mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows
        return None
