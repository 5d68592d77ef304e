"""Checksums of the training, validation and test data, so that a training resumes only with the data it began with."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Checksums = tuple[int, ...]  # one for each side; empty for runs saved before there were any


def checksum(parts: Iterable[str | Array], code: int = 0) -> int:
    """A checksum of texts or arrays in order, and of their lengths. code: the checksum of those before them."""
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else np.ascontiguousarray(part)
        code = zlib.crc32(content, zlib.crc32(b"%d " % len(part), code))
    return code


class Passing:
    """Yields texts, and keeps a checksum of those it has yielded."""

    def __init__(self, texts: Iterable[str]):
        self.texts = texts
        self.checksum = 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.checksum = checksum([text], self.checksum)
            yield text


def are_those_of(kept: Checksums, found: Checksums) -> bool:
    """Whether the data are those that the run began with, as far as the run can tell."""
    return not kept or kept == found


def take_checksums(description: dict[str, Any]) -> Checksums:
    """The checksums in a checkpoint's description. Raises TypeError for anything but a list of integers."""
    found = description.get("checksums", [])
    if not isinstance(found, list) or not all(type(code) is int for code in found):
        raise TypeError(f"checksums: got {found!r}, expected a list of integers")
    return tuple(found)
