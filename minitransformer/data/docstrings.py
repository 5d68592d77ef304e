"""Docstrings that come with every Python: NumPy's and the standard library's, split by the function's name."""

import ast
import functools
import importlib
import inspect
import sysconfig
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from minitransformer.data.corpus import TEST, TRAINING, VALIDATION

PERIOD = 10  # of so many names, one is for validation and two for the test
NUMPY_MODULES = (
    *("", "char", "ctypeslib", "dtypes", "exceptions", "fft", "lib", "lib.format", "lib.scimath", "linalg", "ma"),
    *("polynomial", "polynomial.chebyshev", "polynomial.hermite", "polynomial.hermite_e", "polynomial.laguerre"),
    *("polynomial.legendre", "polynomial.polynomial", "random", "rec", "strings", "testing", "typing"),
)
NOT_READ = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "turtledemo"}


class Docstring(NamedTuple):
    name: str  # of the function or class, with its module
    text: str

    @property
    def side(self) -> str:
        """By a checksum of the name without its module: `numpy.sort` and `ndarray.sort` say much the same."""
        number = zlib.crc32(self.name.rpartition(".")[2].encode()) % PERIOD
        return {0: VALIDATION, 1: TEST, 2: TEST}.get(number, TRAINING)


def numpy_docstrings() -> list[Docstring]:
    """Of NumPy's public functions, classes and their methods; each text once, under the first of its names."""
    found: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names are there only to say that they will go
        for name in NUMPY_MODULES:
            for place, text in of_module(f"numpy.{name}".rstrip(".")):
                found.setdefault(text, place)
    return [Docstring(place, text) for text, place in found.items()]


def of_module(name: str) -> Iterator[tuple[str, str]]:
    """(name, docstring) of what a module of NumPy's offers. Nothing where this version has no such module."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return
    for member in public(module):
        if inspect.ismodule(member_of := getattr(module, member, None)):
            continue
        yield from documented(f"{name}.{member}", member_of)
        if inspect.isclass(member_of):
            for method in public(member_of):
                yield from documented(f"{name}.{member}.{method}", getattr(member_of, method, None))


def public(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("_")]


def documented(name: str, thing: object) -> Iterator[tuple[str, str]]:
    text = inspect.getdoc(thing) if callable(thing) else None
    if text and (getattr(thing, "__module__", None) or "numpy").startswith("numpy"):
        yield name, text


@functools.cache
def library_docstrings() -> tuple[Docstring, ...]:
    """Of the classes and functions of the standard library that is written in Python; each text once.

    The files are read and not run. That takes seconds, so it is done once.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if NOT_READ.isdisjoint(parts):
            for name, text in of_file(path, ".".join(parts).removesuffix(".__init__")):
                found.setdefault(text, name)
    return tuple(Docstring(name, text) for text, name in found.items())


def of_file(path: Path, module: str) -> Iterator[tuple[str, str]]:
    """(name, docstring) of what a file defines. Nothing for one that is not Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{module}.{node.name}", text
