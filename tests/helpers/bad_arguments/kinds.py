"""The kinds of arguments: of each a right value, the same value in other types, and what a function must refuse."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.equations.activations import GELU, relu
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.encoder_layer import Config
from minitransformer.tree import leaves, named_leaves, tree_map

Array = np.ndarray
NAN, INFINITY = float("nan"), float("inf")

CACHE = "what the forward returned"
CALLABLE = "a callable: Python itself refuses what cannot be called, and what it returns is checked"
ANYTHING = "the caller's own, passed on as it is"


class Bad(NamedTuple):
    what: str  # is wrong with it, shown where it is not refused
    value: Any
    names: tuple[str, ...] = ()  # of a part, such as `weights.b`, that the message may name instead
    told: bool = True  # False: what Python or NumPy say is enough, and the argument need not be named


class Argument(NamedTuple):
    good: Any
    bad: tuple[Bad, ...] = ()
    equal: tuple[Any, ...] = ()  # the same in other types: with them the result is the same, to its dtype
    names: tuple[str, ...] = ()  # under which a function below, to which it is passed on, may refuse it
    because: str = ""  # why nothing is refused, where that is so


class Row(NamedTuple):
    function: Callable[..., Any]
    arguments: dict[str, Argument]
    library: str = ""  # without which there is nothing to call


def row(function: Callable[..., Any], **arguments: Argument) -> Row:
    return Row(function, arguments)


def with_library(name: str, function: Callable[..., Any], **arguments: Argument) -> Row:
    """Of an extra, which may not be there."""
    return Row(function, arguments, name)


def internal(function: Callable[..., Any], **values: Any) -> Row:
    """A step of other functions, which have checked what they pass to it: it is run, and that is all."""
    because = "a step of other functions, which have checked what they pass"
    return Row(function, {name: given(value, because) for name, value in values.items()})


def given(good: Any, because: str) -> Argument:
    """Nothing is refused, for a reason."""
    return Argument(good, because=because)


def cache(good: Any) -> Argument:
    return given(good, CACHE)


def passed_on(argument: Argument, *names: str) -> Argument:
    """The functions below know it under other names."""
    return argument._replace(names=(*argument.names, *names))


def also(argument: Argument, what: str, value: Any) -> Argument:
    """Wrong for this function alone."""
    return argument._replace(bad=(*argument.bad, Bad(what, value)))


def optional(argument: Argument) -> Argument:
    """None is right, too."""
    return argument._replace(bad=tuple(bad for bad in argument.bad if bad.value is not None))


# Numbers


def wrong_types(*but: str) -> tuple[Bad, ...]:
    values = {"None": None, "text": "3", "a list": [3], "a complex number": 1j, "an array": np.ones(2), "True": True}
    return tuple(Bad(what, value) for what, value in values.items() if what not in but)


def integer(good: int, least: int = 1, most: int | None = None) -> Argument:
    bad = [*wrong_types(), Bad("a float", float(good)), Bad("a fraction", good + 0.5), Bad("NaN", NAN)]
    bad += [Bad("too small", least - 1), Bad("far too small", least - 10)]
    bad += [] if most is None else [Bad("too large", most + 1)]
    return Argument(good, tuple(bad), equal=(np.int64(good), np.int32(good), np.uint8(good)) if 0 <= good < 256 else ())


def number(good: float, *outside: float) -> Argument:
    """A float; `outside`: numbers that are none of its range."""
    bad = (*wrong_types(), Bad("NaN", NAN), Bad("-infinity", -INFINITY), *(Bad(f"{x}", x) for x in outside))
    return Argument(good, bad, equal=(np.float64(good), np.array(good, np.float64)[()]))


def positive(good: float) -> Argument:
    return number(good, 0.0, -1.0, INFINITY)


def not_negative(good: float) -> Argument:
    return number(good, -1e-9, -1.0, INFINITY)


def fraction(good: float) -> Argument:
    """In [0, 1]."""
    return number(good, -1e-9, 1.001, INFINITY)


def rate(good: float = 0.3) -> Argument:
    """In [0, 1)."""
    return number(good, -1e-9, 1.0, INFINITY)


def truth(good: bool) -> Argument:
    bad = (Bad("text", "no"), Bad("1", 1), Bad("0", 0), Bad("0.0", 0.0), Bad("None", None), Bad("a list", []))
    return Argument(good, bad, equal=(np.bool_(good),))


def one_of(good: str) -> Argument:
    bad = (
        Bad("another name", "nonsense"),
        Bad("upper case", good.upper() + "!"),
        Bad("None", None),
        Bad("a number", 3),
    )
    return Argument(good, bad)


# Arrays


def wrong_arrays(good: Array) -> tuple[Bad, ...]:
    bad = [Bad("None", None), Bad("a list", good.tolist()), Bad("text", "x")]
    bad += [Bad(f"dtype {dtype}", good.real.astype(dtype)) for dtype in ("bool", "object", "str", "float16")]
    return tuple(bad)


def fewer_axes(good: Array, ndim: int) -> tuple[Bad, ...]:
    return () if ndim == 0 else (Bad("an axis less", good[(0,) * (good.ndim - ndim + 1)]),)


def other_lengths(good: Array, axes: tuple[int, ...]) -> tuple[Bad, ...]:
    """One more, one less, and the one that NumPy spreads without a word."""
    bad = []
    for axis in axes:
        n = good.shape[axis]
        bad.append(Bad(f"one more on axis {axis}", np.concatenate([good, good.take([0], axis)], axis)))
        if n > 1:
            bad.append(Bad(f"one alone on axis {axis}", good.take([0], axis)))
        if n > 2:
            bad.append(Bad(f"one less on axis {axis}", good.take(range(n - 1), axis)))
    return tuple(bad)


def other_shapes(good: Array) -> tuple[Bad, ...]:
    bad = [*other_lengths(good, tuple(range(good.ndim))), Bad("an axis more", np.stack([good, good]))]
    bad.append(Bad("an axis of one more", good[None]))
    if good.ndim:
        bad.append(Bad("a number alone", np.array(good.reshape(-1)[0])))
    if good.ndim > 1:
        bad.append(Bad("an axis less", good[0]))
        turned = good.swapaxes(0, 1)
        bad += [Bad("two axes swapped", turned)] if turned.shape != good.shape else []
    return tuple(bad)


def floats(good: Array, ndim: int = 0, features: bool = False) -> Argument:
    """Of any shape with `ndim` axes or more; `features`: as many on its last axis as the weights are made for."""
    bad = (*wrong_arrays(good), Bad("integers", good.real.astype(np.int64)), *fewer_axes(good, ndim))
    return Argument(good, (*bad, *(other_lengths(good, (-1,)) if features else ())))


def shaped(good: Array) -> Argument:
    """Of one shape alone."""
    return Argument(good, (*wrong_arrays(good), Bad("integers", good.real.astype(np.int64)), *other_shapes(good)))


def gradient(good: Array) -> Argument:
    """Of the shape of what the forward returned. What only hands it on leaves the check, and the name, to its head."""
    bad = (wrong._replace(told=wrong.what != "a number alone") for wrong in other_shapes(good))
    return Argument(good, tuple(bad), names=("dy", "dlogits"))


def ids(good: Array, size: int | None = None, ndim: int = 0, same_shape: bool = False) -> Argument:
    """Integers in [0, size)."""
    bad = [*wrong_arrays(good), Bad("floats", good.astype(np.float32)), *fewer_axes(good, ndim)]
    if size is not None:
        for what, value in (("below 0", -1), ("too large", size)):
            wrong = good.copy()
            wrong.reshape(-1)[0] = value
            bad.append(Bad(what, wrong))
    bad += other_shapes(good) if same_shape else ()
    smaller = good.min(initial=0) >= 0
    return Argument(
        good, tuple(bad), tuple(good.astype(t) for t in (("uint8", "uint64") if smaller else ()) + ("int32",))
    )


def mask(good: Array) -> Argument:
    """Booleans, or numbers to add, that broadcast to the scores."""
    bad = [Bad("None", None)]
    bad += [Bad(f"dtype {dtype}", good.astype(dtype)) for dtype in ("int64", "uint8", "object", "str", "float16")]
    bad += [Bad("a list", good.tolist()), Bad("True", True), Bad("1.0", 1.0)]
    bad += [Bad("one key more", np.concatenate([good, good], -1)), Bad("a larger batch", np.stack([good] * 7))]
    bad += [Bad("numbers for one key more", np.concatenate([good, good], -1).astype(np.float32))]
    return Argument(good, tuple(bad))


# What is made of several


def rng(required: bool = True) -> Argument:
    bad = [Bad("a seed", 3), Bad("True", True), Bad("the module", np.random), Bad("old", np.random.RandomState(0))]
    bad += [Bad("None", None)] if required else []
    return Argument(np.random.default_rng(5), tuple(bad))


def dtype(good: Any = np.float32) -> Argument:
    values = (int, bool, np.float16, object, "nonsense", "U3", None, 3)
    return Argument(good, tuple(Bad(f"{value!r}", value) for value in values), (np.dtype(good), np.dtype(good).name))


def fields(kind: type, **arguments: Argument) -> Argument:
    """A NamedTuple whose fields are given by the caller."""
    good = kind(**{name: argument.good for name, argument in arguments.items()})
    bad = [Bad("None", None, told=False), Bad("text", "x", told=False)]
    for name, argument in arguments.items():
        names = (name, *argument.names)
        bad += [Bad(f"{name}: {b.what}", good._replace(**{name: b.value}), names, b.told) for b in argument.bad]
    return Argument(good, tuple(bad), tuple(good._replace(**{n: e}) for n, a in arguments.items() for e in a.equal))


def drop() -> Argument:
    """Probability and generator, which have been checked where they were put together."""
    bad = tuple(Bad(f"{x!r}", x) for x in (None, 0.3, "0.3", (0.3, None)))
    return Argument(Dropout(0.3, np.random.default_rng(5)), bad)


def config(h: int = 2, **changes: Any) -> Argument:
    """A layer's `Config`, which has been checked where it was made; but the heads must divide the features."""
    good = Config(**{"h": h, "dropout": 0.3, "activation": GELU, "eps": 0.01} | changes)
    bad = [Bad("None", None, told=False), Bad("text", "x", told=False)]
    bad += [Bad("heads that do not divide", dataclasses.replace(good, h=3), ("h",))]
    return Argument(good, tuple(bad))


CONFIG_FIELDS = {
    "h": integer(2),
    "dropout": rate(),
    "activation": Argument(GELU, tuple(Bad(f"{x!r}", x) for x in ("relu", None, relu, 3))),
    "norm_first": truth(False),
    "eps": positive(0.01),
    "final_eps": optional(positive(0.02)),
    "rotary": truth(True),
    "alibi": truth(False),
}


def weights(good: Any, *but: str, name: str = "weights", other: tuple[str, ...] = ()) -> Argument:
    """The leaves of a tree of arrays, each spoiled alone; `but`: those that may have another number of columns.

    other: arguments that a message may name instead, for what does not fit is as wrong here as there.
    """
    paths = [path for path, _ in named_leaves(good)]
    bad = [Bad("None", None, told=False), Bad("text", "x", told=False), Bad("an array", drawn(3), told=False)]
    for number, path in enumerate(paths):
        leaf = leaves(good)[number]
        wrong = [
            Bad("text", "x", told=False),
            Bad("a list", leaf.tolist(), told=False),
            Bad("integers", leaf.astype(np.int64)),
        ]
        wrong += [Bad("float16", leaf.astype(np.float16)), Bad("objects", leaf.astype(object))]
        wrong += [] if path.rpartition(".")[2] in but else other_lengths(leaf, (-1,))
        wrong += [Bad("an axis more", leaf[None]), Bad("a number alone", np.float32(1), told=False)]
        for b in wrong:
            bad.append(Bad(f"{path}: {b.what}", with_leaf(good, number, b.value), told=b.told))
    return Argument(
        good, tuple(bad), names=(f"{name}.", "weights.", *(path.rpartition(".")[2] for path in paths), *other)
    )


def with_leaf(tree: Any, number: int, value: Any) -> Any:
    """The tree with another leaf at this place."""
    numbers = iter(range(len(leaves(tree))))
    return tree_map(lambda leaf: value if next(numbers) == number else leaf, tree)


def text(good: str) -> Argument:
    return Argument(good, tuple(Bad(f"{x!r}", x) for x in (None, 3, good.encode(), [good], np.array(good))))


def texts(good: list[str]) -> Argument:
    """An iterable of texts; one text alone is no such thing, though Python takes it for its characters."""
    return Argument(good, tuple(Bad(f"{x!r}", x) for x in (None, 3, "abc", b"abc", [3], [None], [b"abc"])))


@functools.cache
def drawn(*shape: int, seed: int = 0) -> Array:
    """Numbers of order 1 in float32, so that what turns into float64 is seen."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
