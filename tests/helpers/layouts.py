"""The same numbers, laid out in memory as callers have them: views, every second element, columns first, read-only."""

import numpy as np

Array = np.ndarray


def read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


def every_second(x: Array) -> Array:
    """Along every axis of a larger array, whose other numbers are NaN."""
    larger = np.full([2 * n + 1 for n in x.shape], np.nan)
    view = larger[..., *(slice(1, None, 2),) * x.ndim]
    view[...] = x
    return view


def reversed_axes(x: Array) -> Array:
    """Negative strides along every axis."""
    backwards = (..., *(slice(None, None, -1),) * x.ndim)
    return x[backwards].copy()[backwards]


def columns_first(x: Array) -> Array:
    """Fortran's order."""
    return x.copy("F")


def unaligned(x: Array) -> Array:
    """From an odd byte on."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


STRIDES = {
    "every second element": every_second,
    "negative strides": reversed_axes,
    "columns first": columns_first,
    "unaligned": unaligned,
}
