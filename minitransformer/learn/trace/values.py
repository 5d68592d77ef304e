"""Values as they were at one moment: copies, so that nothing that happens later changes what a step shows."""

import hashlib
from typing import Any, NamedTuple

import numpy as np

from minitransformer.tree import named_leaves

Array = np.ndarray

MOST_NUMBERS = 2048  # of a larger array only a part is kept
PART = 8  # rows and columns of that part; of the axes before them, the first entry alone


class ArrayValue(NamedTuple):
    shape: tuple[int, ...]
    dtype: str
    numbers: Array  # a copy: the whole array, or its first rows and columns
    whole: bool
    least: float  # of all numbers that are finite
    greatest: float


class TreeValue(NamedTuple):
    """Weights, gradients or a cache: what kind of tree, and its arrays by their paths."""

    kind: str
    arrays: tuple[tuple[str, ArrayValue], ...]


class PlainValue(NamedTuple):
    """A number, a string, None; of anything else its name, or that of its type."""

    text: str
    number: float | None = None


Value = ArrayValue | TreeValue | PlainValue


def snapshot(value: Any) -> Value:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return array_value(value)
    if isinstance(value, tuple) and value:
        arrays = tuple((path, snapshot(leaf)) for path, leaf in named_leaves(value) if isinstance(leaf, np.ndarray))
        return TreeValue(type(value).__name__, arrays)
    if isinstance(value, float | np.floating):
        return PlainValue(f"{value:.6g}", float(value))
    if isinstance(value, int | np.integer | np.bool_):
        return PlainValue(str(value), float(value))
    if value is None or isinstance(value, str):
        return PlainValue(str(value))
    return PlainValue(getattr(value, "__name__", type(value).__name__))


def array_value(array: Array) -> ArrayValue:
    whole = array.size <= MOST_NUMBERS
    part = (slice(1),) * (array.ndim - 2) + (slice(PART),) * min(array.ndim, 2)
    numbers = array.copy() if whole else array[part].copy()
    finite = array[np.isfinite(array)]
    least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return ArrayValue(array.shape, str(array.dtype), numbers, whole, least, greatest)


def digest(array: Array) -> bytes:
    """Equal for equal arrays: shows what was changed in place, or through a view."""
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=8).digest()
