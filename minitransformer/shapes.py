"""Shapes, stated once: the line that says what a function takes also holds the arrays to it.

    check("Q: ... L_q d_k, K: ... L_k d_k, V: ... L_k d_v", Q, K, V)

One name is one size, wherever it stands in the line. `...` stands for any batch axes, the same ones for all arrays: an
axis of size 1 does not broadcast. `4*d_h` is four times a size, and `L?` one that may be 0; no other named axis may.
A size that is an argument itself is given by its name: `check_sized`.
"""

import functools
import re
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_floats, check_integer

Array = np.ndarray

MOST_KNOWN = 2**14

known: set[tuple] = set()  # specs with the shapes and dtypes that have been found to fit: asked again, they cost little


class Axis(NamedTuple):
    """`d_k`, `4*d_h`, `h*d_k` or `L?`"""

    times: str  # a number, or the name of a size that is given
    name: str
    may_be_empty: bool

    def __str__(self) -> str:
        return f"{self.times}*{self.name}" if self.times else self.name


class Part(NamedTuple):
    """What a spec says of one array."""

    name: str
    batched: bool
    axes: tuple[Axis, ...]

    def __str__(self) -> str:
        """As the shape of a comment, `(..., L_q, d_k)` or `(d_k,)`."""
        names = [*["..."] * self.batched, *map(str, self.axes)]
        return f"({names[0]},)" if len(names) == 1 and not self.batched else f"({', '.join(names)})"


def check(spec: str, *arrays: Array) -> None:
    """Each array must be of floating-point numbers (complex ones for the complex step), with axes as the spec says.

    Raises TypeError or ValueError, which name the array, what was given, and what was expected. Half precision is
    refused, since sums and squares beyond 65,504 would be infinite.
    """
    key: Any = spec
    for x in arrays:
        if type(x) is not Array:  # a subclass, or no array at all
            return refuse(spec, arrays, {})
        key = key, x.shape, x.dtype
    if key in known:
        return None
    refuse(spec, arrays, {})
    return remember(key)


def check_sized(spec: str, x: Array, **sizes: int) -> None:
    """The same for one array, with sizes that are arguments themselves: check_sized("X: ... L h*d_k", X, h=h)."""
    key: Any = spec, getattr(x, "shape", None), getattr(x, "dtype", None)
    for size in sizes.values():
        if type(size) is not int:  # 2.0 and True equal integers, but are no sizes
            return refuse(spec, (x,), sizes)
        key = key, size
    if type(x) is Array and key in known:
        return None
    refuse(spec, (x,), sizes)
    return remember(key)


def remember(key: Any) -> None:
    """What has fitted; all is forgotten when it gets too much, since a decoder meets another length at each step."""
    if len(known) >= MOST_KNOWN:
        known.clear()
    known.add(key)


@functools.cache
def parts(spec: str) -> tuple[Part, ...]:
    """What a spec says, array by array."""
    found = []
    for text in spec.split(","):
        name, axes = text.split(":")
        names = axes.split()
        batched = names[:1] == ["..."]
        found.append(Part(name.strip(), batched, tuple(axis(word) for word in names[batched:])))
    return tuple(found)


def axis(word: str) -> Axis:
    times, name, mark = re.fullmatch(r"(?:(\w+)\*)?(\w+)(\??)", word).groups(default="")
    return Axis(times, name, mark == "?")


def refuse(spec: str, arrays: tuple[Array, ...], given: dict[str, int]) -> None:
    """Raise the error for the first array that does not fit, if there is one."""
    sizes = dict(given)
    for name, size in given.items():
        check_integer(name, size, minimum=1)
    batch = None
    for part, x in zip(parts(spec), arrays, strict=True):
        check_floats(part.name, x, ndim=0)
        bound = {name: sizes[name] for axis in part.axes for name in (axis.times, axis.name) if name in sizes}
        n_batch = x.ndim - len(part.axes)
        if n_batch < 0 or (n_batch > 0 and not part.batched):
            raise ValueError(f"{part.name}: got shape {x.shape}, expected {expected(part, bound)}")
        if part.batched:
            batch = x.shape[:n_batch] if batch is None else batch
            if x.shape[:n_batch] != batch:
                rest = f" before {Part('', False, part.axes)}" if part.axes else ""
                raise ValueError(f"{part.name}: got shape {x.shape}, expected the batch axes {batch}{rest}")
        for axis, size in zip(part.axes, x.shape[n_batch:], strict=True):
            times = sizes[axis.times] if axis.times in sizes else int(axis.times or 1)
            if axis.name not in sizes and size % times == 0:
                sizes[axis.name] = size // times
            if size != times * sizes.get(axis.name, -1):
                raise ValueError(f"{part.name}: got shape {x.shape}, expected {expected(part, bound)}")
            if size == 0 and not axis.may_be_empty:
                raise ValueError(f"{part.name}: got shape {x.shape}, expected {part} with {axis} of 1 or more")


def expected(part: Part, bound: dict[str, int]) -> str:
    """The shape, with the sizes that the arrays before it have given."""
    known_sizes = ", ".join(f"{name} = {size}" for name, size in bound.items())
    return f"{part} with {known_sizes}" if bound else str(part)
