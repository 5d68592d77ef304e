"""What tells the data that a training began with from all others: a checksum of each of their sides."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Checksums = tuple[int, ...]  # of each side; none: a run that was kept before there were any


def checksum(parts: Iterable[str | Array], code: int = 0) -> int:
    """Of texts or arrays one after the other, and of where each of them ends. code: of those before them."""
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else np.ascontiguousarray(part)
        code = zlib.crc32(content, zlib.crc32(b"%d " % len(part), code))
    return code


class Passing:
    """Texts on their way to who reads them, and the checksum of those that have passed."""

    def __init__(self, texts: Iterable[str]):
        self.texts = texts
        self.checksum = 0

    def __iter__(self) -> Iterator[str]:
        for text in self.texts:
            self.checksum = checksum([text], self.checksum)
            yield text


def are_those_of(kept: Checksums, found: Checksums) -> bool:
    """Whether data are those that a run began with, as far as it can tell."""
    return not kept or kept == found


def take_checksums(description: dict[str, Any]) -> Checksums:
    """Of a checkpoint's description. Raises TypeError for what is no list of integers."""
    found = description.get("checksums", [])
    if not isinstance(found, list) or not all(type(code) is int for code in found):
        raise TypeError(f"checksums: got {found!r}, expected a list of integers")
    return tuple(found)
