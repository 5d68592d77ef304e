"""What a function is given by mistake it refuses, and names; it gives no result that looks like one.

Every public function of the folders below is found by import, and has a row in the tables of `bad_arguments/`: right
arguments, and for each argument, by its kind, values of the wrong type, shape, sign and range, NaN, and such as NumPy
would spread over others without a word. Who adds a function, or an argument, adds it to its table.
"""

import copy
import importlib
import inspect
import itertools
import pkgutil
import time
import typing

import numpy as np
import pytest
from bad_arguments import data, decoding, equations, layers, models, training

import minitransformer
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.encoder_layer import Config
from minitransformer.tree import tree_map

FOLDERS = ("equations", "layers", "models", "decoding", "training", "data")
LOUD = (TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError, OverflowError, StopIteration)
ROWS = {row.function: row for table in (equations, layers, models, decoding, training, data) for row in table.ROWS}


def modules():
    for folder in FOLDERS:
        package = importlib.import_module(f"{minitransformer.__name__}.{folder}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def functions_of(owner, module):
    """What is defined there, has a public name, and takes arguments; of classes, but for data, their methods."""
    for name, thing in vars(owner).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            if thing in (Config, Dropout):  # which check what they are made of
                yield thing
                continue
            is_data = issubclass(thing, tuple | Exception) or getattr(thing, "_is_protocol", False)
            yield from () if is_data else functions_of(thing, module)
        elif callable(thing) and typing.get_origin(thing) is None and parameters(thing):
            yield thing


def parameters(function):
    """The names of its arguments, but for `self`, what a constructor made, and for any number of them at once."""
    of_all = inspect.signature(function).parameters.items()
    return [name for name, parameter in of_all if name != "self" and parameter.kind is not parameter.VAR_POSITIONAL]


FUNCTIONS = [function for module in modules() for function in functions_of(module, module)]


def name_of(row):
    return f"{row.function.__module__.removeprefix('minitransformer.')}.{row.function.__qualname__}"


def called(row, **changes):
    """The result with good arguments but for these. Each call has its own, since some are changed in place."""
    if row.library:
        pytest.importorskip(row.library)
    arguments = {name: argument.good for name, argument in row.arguments.items()} | changes
    result = row.function(**{name: tree_map(own, value) for name, value in arguments.items()})
    return list(itertools.islice(result, 4)) if inspect.isgenerator(result) else result


def own(leaf):
    return (
        copy.deepcopy(leaf)
        if isinstance(leaf, np.random.Generator | Dropout)
        else np.copy(leaf, "K")
        if isinstance(leaf, np.ndarray)
        else leaf
    )


def assert_same(one, other, path, inside=False):
    """The same numbers, and of the same type, but for integers that a cache has kept as they were given."""
    if isinstance(one, tuple | list):
        assert type(one) is type(other), path
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}.{number}", inside=True)
    elif isinstance(one, np.ndarray | np.generic | int | float | str):
        kept = inside and (np.ndim(one) == 0 or one.dtype.kind in "iu")
        assert kept or type(one) is type(other), path
        assert kept or not isinstance(one, np.ndarray) or one.dtype == other.dtype, path
        np.testing.assert_array_equal(one, other, path)


def is_told(message, names):
    """`name: got X, expected Y`, by one of these names; one that ends with a dot stands for all of its parts."""
    name, _, rest = message.partition(": ")
    says_what = rest.startswith("got ") or ", expected " in rest
    return says_what and any(name == n or (n.endswith(".") and name.startswith(n)) for n in names)


def with_tables(test):
    return pytest.mark.parametrize("row", ROWS.values(), ids=name_of)(test)


def test_every_function_has_a_row():
    missing = [f"{f.__module__}.{f.__qualname__}" for f in FUNCTIONS if f not in ROWS]
    assert not missing
    assert not [name_of(row) for row in ROWS.values() if row.function not in FUNCTIONS]


@with_tables
def test_every_argument_is_in_its_row(row):
    assert [name for name in row.arguments if name != "self"] == parameters(row.function)


@with_tables
def test_good_arguments_are_taken(row):
    """Else what follows would say nothing."""
    called(row)


@with_tables
def test_what_is_wrong_is_refused(row):
    """By a TypeError or ValueError that begins with the argument's name and says what came.

    Where a whole tree is of the wrong kind, or NumPy refuses a gradient's shape by itself, what they say is enough.
    """
    faults = []
    for name, argument in row.arguments.items():
        for bad in argument.bad:
            try:
                with np.errstate(all="ignore"):
                    called(row, **{name: bad.value})
                faults.append(f"{name}, {bad.what}: taken without a word")
            except LOUD as error:
                told = isinstance(error, TypeError | ValueError) and is_told(
                    str(error), (name, *argument.names, *bad.names)
                )
                if bad.told and not told:
                    faults.append(f"{name}, {bad.what}: {type(error).__name__} {error}")
    assert not faults, "\n" + "\n".join(faults)


@with_tables
def test_numbers_of_other_types_change_nothing(row, monkeypatch):
    """NumPy's numbers instead of Python's, ids of any integer type: the result is the same, and of the same type."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)  # a training says how long it took
    for name, argument in row.arguments.items():
        for value in argument.equal:
            assert_same(called(row, **{name: value}), called(row), f"{name} as {type(value).__name__}: ")


def test_a_reason_is_given_where_nothing_is_refused():
    """And only there."""
    for row in ROWS.values():
        for name, argument in row.arguments.items():
            assert bool(argument.bad) != bool(argument.because), f"{name_of(row)}: {name}"
