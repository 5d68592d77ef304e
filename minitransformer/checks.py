"""What a caller may pass: every check says which argument was wrong, what came, and what was expected.

The checks come first in the functions that people call with their own arrays; the mathematics below them may then
assume that shapes and types fit. The checks that run most often first test everything in one expression: where an input
is a single row, each function call costs a noticeable part of the time.
"""

import functools
import math
import numbers
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray

LARGEST = sys.float_info.max  # Python integers and long doubles go beyond it, and a float of them does not exist
FLOATS = "fdgFDG"  # NumPy's letters for float32 and more, real and complex
MASKS = "?fdgFDG"  # boolean, or floating-point numbers (complex ones for the complex step)
HALF = "e"  # and for float16
OTHER_ARITHMETIC = (np.matrix, np.ma.MaskedArray)  # arrays for which * or sum means something else


def check_floats(name: str, x: Array, ndim: int = 1, kinds: str = FLOATS) -> None:
    """`x` must be an array of floating-point (or, for the complex step, complex) numbers with `ndim` axes or more.

    Half precision is refused, since sums and squares beyond 65,504 would be infinite.
    """
    if type(x) is Array and x.dtype.char in kinds and x.ndim >= ndim:
        return
    if not isinstance(x, Array) or isinstance(x, OTHER_ARITHMETIC):
        raise TypeError(f"{name}: got {type(x).__name__}, expected a NumPy array of floating-point numbers")
    if x.dtype.char not in kinds:
        raise TypeError(f"{name}: got dtype {x.dtype}, expected floating-point numbers such as float32")
    if x.ndim < ndim:
        raise ValueError(f"{name}: got shape {x.shape}, expected at least {ndim} axes")


def check_rank(name: str, x: Array, ndim: int) -> None:
    """`x` must be floating-point with exactly `ndim` axes."""
    if type(x) is Array and x.dtype.char in FLOATS and x.ndim == ndim:
        return
    check_floats(name, x, ndim)
    if x.ndim != ndim:
        raise ValueError(f"{name}: got shape {x.shape}, expected {ndim} axes")


def check_width(name: str, x: Array, width: int, ndim: int = 1) -> None:
    """`x` must be floating-point with `width` features on its last axis."""
    if type(x) is Array and x.dtype.char in FLOATS and x.ndim >= ndim and x.shape[-1] == width:
        return
    check_floats(name, x, ndim)
    if x.shape[-1] != width:
        raise ValueError(f"{name}: got shape {x.shape}, expected {width} features on the last axis")


def check_shape(name: str, x: Array, shape: tuple[int, ...]) -> None:
    """`x` must be floating-point and have exactly this shape."""
    if type(x) is Array and x.dtype.char in FLOATS and x.shape == shape:
        return
    check_floats(name, x, ndim=0)
    if x.shape != shape:
        raise ValueError(f"{name}: got shape {x.shape}, expected {shape}")


def check_same_shape(name: str, x: Array, other_name: str, other: Array) -> None:
    """`x` must be floating-point and have the shape of `other`."""
    check_floats(name, x, ndim=0)
    if x.shape != other.shape:
        raise ValueError(f"{name}: got shape {x.shape}, expected {other.shape}, the shape of {other_name}")


def check_reals(name: str, x: Array) -> None:
    """`x`, floating-point, must not be complex: NumPy orders complex numbers too, by their real part first."""
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: got dtype {x.dtype}, expected real numbers such as float32")


def check_mask(mask: Array, scores_shape: tuple[int, ...], name: str = "mask") -> None:
    """`mask` must be boolean (True = may attend) or of floating-point numbers (added to the scores), and broadcast
    to the scores (..., L_q, L_k)."""
    if type(mask) is Array and mask.dtype.char in MASKS and broadcasts(mask.shape, scores_shape):
        return
    if type(mask) is not Array or mask.dtype.char not in MASKS:
        given = f"dtype {mask.dtype}" if type(mask) is Array else type(mask).__name__
        raise TypeError(
            f"{name}: got {given}, expected a boolean array, True where a query may attend to a key, "
            "or floating-point numbers such as float32 to add to the scores"
        )
    check_broadcast(name, mask, scores_shape)


def check_broadcast(name: str, x: Array, scores_shape: tuple[int, ...]) -> None:
    """`x` must broadcast to the scores (..., L_q, L_k) without enlarging them."""
    if not broadcasts(x.shape, scores_shape):
        of_keys = len(scores_shape) > 2 and x.shape == (scores_shape[0], scores_shape[-1])
        raise ValueError(
            f"{name}: got shape {x.shape}, which does not broadcast to the scores' shape {scores_shape}"
            + "; where keys are masked, the queries need an axis, too: mask[:, None, :]" * of_keys
        )


@functools.lru_cache(maxsize=1024)
def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether NumPy broadcasts `shape` to `to` without enlarging it."""
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def check_finite(name: str, x: Array) -> None:
    """All of `x` must be finite."""
    if not np.isfinite(x).all():
        wrong = x[~np.isfinite(x)]
        raise ValueError(f"{name}: got {wrong[0]} among {x.size} numbers, expected only finite ones")


def check_ids(name: str, ids: Array, size: int | None, ndim: int = 0) -> None:
    """`ids` must be integers in [0, size), or any integers where `size` is None, with `ndim` axes or more."""
    if not isinstance(ids, np.ndarray) or isinstance(ids, OTHER_ARITHMETIC) or ids.dtype.kind not in "iu":
        given = f"dtype {ids.dtype}" if isinstance(ids, np.ndarray) else type(ids).__name__
        raise TypeError(f"{name}: got {given}, expected an array of integers")
    if ids.ndim < ndim:
        raise ValueError(f"{name}: got shape {ids.shape}, expected at least {ndim} axes")
    if size is not None and ids.size == 1 and 0 <= ids.item() < size:
        return
    if size is not None and ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError(f"{name}: got values from {ids.min()} to {ids.max()}, expected 0 to {size - 1}")


def check_row(name: str, ids: Array, size: int | None = None) -> None:
    """`ids` must be integers on one axis, at least one of them."""
    check_ids(name, ids, size)
    if ids.ndim != 1 or len(ids) == 0:
        raise ValueError(f"{name}: got shape {ids.shape}, expected one axis with at least one id")


def check_tokens(name: str, ids: Array, V: int | None) -> None:
    """`ids` must be integers in [0, V), or any where V is None, (..., L), with at least one position."""
    check_ids(name, ids, V, ndim=1)
    check_positions(name, ids, axis=-1)


def check_positions(name: str, x: Array, axis: int = -2) -> None:
    """`x`, floating-point or ids, must have at least one position; `axis` says where positions are."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name}: got {type(x).__name__}, expected a NumPy array")
    if x.ndim >= -axis and x.shape[axis] == 0:
        raise ValueError(f"{name}: got shape {x.shape}, expected at least one position")


def check_lengths(lengths: Array, ids: Array, minimum: int = 0) -> None:
    """`lengths` must be integers from `minimum` to L, one for each sequence of ids (..., L)."""
    check_ids("lengths", lengths, size=None)
    batch, L = ids.shape[:-1], ids.shape[-1]
    if lengths.shape != batch:
        raise ValueError(f"lengths: got shape {lengths.shape}, expected {batch}, one for each sequence")
    if lengths.size and (lengths.min() < minimum or lengths.max() > L):
        raise ValueError(f"lengths: got values from {lengths.min()} to {lengths.max()}, expected {minimum} to {L}")


def check_integer(name: str, value: int, minimum: int) -> None:
    """`value` must be an integer, `minimum` or more."""
    if type(value) is not int and (not isinstance(value, numbers.Integral) or isinstance(value, bool)):
        raise TypeError(f"{name}: got {value!r}, expected an integer")
    if value < minimum:
        raise ValueError(f"{name}: got {value}, expected {minimum} or more")


def check_rate(name: str, rate: float) -> None:
    """`rate`, the probability of dropping a number, must lie in [0, 1)."""
    if type(rate) is float and 0.0 <= rate < 1.0:
        return
    check_number(name, rate, "a number in [0, 1)")
    if not 0.0 <= rate < 1.0:
        raise ValueError(f"{name}: got {rate}, expected a probability in [0, 1)")


def check_number(name: str, value: float, expected: str = "a number") -> None:
    """`value` must be a real number, Python's or NumPy's."""
    if type(value) is not float and (not isinstance(value, numbers.Real) or isinstance(value, bool)):
        raise TypeError(f"{name}: got {value!r}, expected {expected}")


def check_limit(name: str, value: float) -> None:
    """`value` must be a number above zero, or infinity for no limit."""
    check_number(name, value, "a number above 0")
    if not value > 0.0 or LARGEST < value < math.inf:
        raise ValueError(f"{name}: got {value}, expected a number above 0")


def check_positive(name: str, value: float) -> None:
    """`value` must be a finite number above zero."""
    if type(value) is float and 0.0 < value < math.inf:
        return
    check_number(name, value, "a number above 0")
    if not 0.0 < value <= LARGEST:
        raise ValueError(f"{name}: got {value}, expected a finite number above 0")


def check_not_negative(name: str, value: float) -> None:
    """`value` must be a finite number, zero or more."""
    check_number(name, value)
    if not 0.0 <= value <= LARGEST:
        raise ValueError(f"{name}: got {value}, expected a finite number, 0 or more")


def check_fraction(name: str, value: float) -> None:
    """`value` must lie in [0, 1], both ends included."""
    check_number(name, value, "a number in [0, 1]")
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: got {value}, expected a number in [0, 1]")


def check_truth(name: str, value: bool) -> None:
    """`value` must be True or False: any non-empty string, even "no", would count as true."""
    if value is not True and value is not False and not isinstance(value, np.bool_):
        raise TypeError(f"{name}: got {value!r}, expected True or False")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """`value` must be one of these names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(map(repr, choices))}")


def check_type(name: str, value: Any, kind: type) -> None:
    """`value` must be one of these, such as the weights of a layer."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: got {type(value).__name__}, expected {kind.__name__}")


def check_heads(h: int, width_name: str, width: int, name: str = "h") -> None:
    """`width` features must divide evenly among `h` heads."""
    if type(h) is int and h > 0 and width % h == 0:
        return
    check_integer(name, h, minimum=1)
    if width % h != 0:
        raise ValueError(f"{name}: got {h} heads, expected a number that divides the {width} features of {width_name}")


def check_generator(rng: np.random.Generator) -> None:
    """`rng` must be a NumPy Generator: a bare seed would draw the same numbers at each call."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, expected a numpy.random.Generator")


def check_dtype(dtype: DTypeLike) -> None:
    """`dtype` must be a type of floating-point (or complex) numbers, and one that arrays of `check_floats` may have."""
    try:
        resolved = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"dtype: got {dtype!r}, expected a floating-point type such as float32") from error
    if dtype is None or resolved.char not in FLOATS:
        given = resolved if dtype is not None else None  # NumPy takes None for float64
        raise TypeError(f"dtype: got {given}, expected a floating-point type such as float32")


def check_start(rng: np.random.Generator, dtype: DTypeLike, **sizes: int) -> None:
    """What start values are drawn from: a generator, a floating-point type, and sizes of 1 or more."""
    check_generator(rng)
    check_dtype(dtype)
    for name, size in sizes.items():
        check_integer(name, size, minimum=1)


def check_rng(rng: np.random.Generator | None) -> None:
    """`rng` must be a NumPy Generator, or None for evaluation."""
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: got {type(rng).__name__}, expected a numpy.random.Generator, or None for evaluation")


def check_text(name: str, text: str) -> None:
    """`text` must be a string that UTF-8 can hold.

    Bytes on a command line that are not UTF-8 reach Python as lone surrogates. They are refused, not replaced, since a
    model would otherwise read a different text from the one it was given.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name}: got {type(text).__name__}, expected a string")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = text[error.start]
        raise ValueError(f"{name}: got {found!r} at character {error.start}, expected valid UTF-8 text") from None


def checked_texts(name: str, texts: Iterable[str]) -> Iterator[str]:
    """The texts, each checked when it is reached. A single string would count as many texts of one character each."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"{name}: got {type(texts).__name__}, expected several texts, such as a list of strings")
    for text in texts:
        check_text(name, text)
        yield text
