"""Docstrings: every machine has them, each text once, and a name is on one side only."""

import binascii
import functools
import sys
import sysconfig
import types
import warnings
from collections import Counter

import pytest

from minitransformer.data import docstrings
from minitransformer.data import documentation as documentation_module
from minitransformer.data.corpus import SIDES, TEST, TRAINING, Document, texts
from minitransformer.data.docstrings import Docstring, library_docstrings, numpy_docstrings, of_file, of_module
from minitransformer.data.documentation import documentation


@pytest.mark.parametrize("load", [numpy_docstrings, library_docstrings])
def test_there_are_enough_and_each_once(load):
    found = load()
    assert len(found) > 800
    assert len({docstring.text for docstring in found}) == len(found)
    sides = Counter(docstring.side for docstring in found)
    assert set(sides) == set(SIDES)
    assert 0.6 < sides[TRAINING] / len(found) < 0.8
    assert 0.1 < sides[TEST] / len(found) < 0.3


def test_a_name_is_on_one_side_whatever_its_module():
    """`numpy.sort` and `numpy.ndarray.sort` say much the same."""
    assert Docstring("numpy.sort", "a").side == Docstring("numpy.ndarray.sort", "b").side


def test_the_same_twice():
    assert numpy_docstrings() == numpy_docstrings()


def test_documentation_keeps_the_docstrings_of_the_test_out_of_the_training():
    """No paragraph of a test docstring is in the training text unless a training docstring has it, too."""
    corpus = documentation()
    training = "".join(texts(corpus, TRAINING))
    theirs = {d.text for d in numpy_docstrings() if d.side == TRAINING}
    test = [d for d in numpy_docstrings() if d.side == TEST and len(d.text) > 2000]
    assert len(test) > 20
    assert not any(d.text in training and d.text not in theirs for d in test)


@pytest.mark.parametrize("name", ["sort", "mean", "reshape", "a", "b", "c", "d", "e", "f", "g", "h"])
def test_a_side_is_the_checksum_of_the_name_itself(name):
    """The same on every machine: of ten remainders one is for validation, two are for the test."""
    side = ("validation", "test", "test", *["training"] * 7)[binascii.crc32(name.encode()) % 10]
    assert Docstring(f"some.module.{name}", "text").side == Docstring(name, "another text").side == side


SMALL_FILE = '''
"""Of the file itself: not taken."""

def plain():
    """Of a function.

    Its second line.
    """

async def waiting():
    """Of an async function."""

class Outer:
    """Of a class."""

    def method(self):
        """Of a method."""
        def inner():
            """Of a function within."""

    def silent(self):
        return 1
'''
ITS_DOCSTRINGS = [
    ("small.plain", "Of a function.\n\nIts second line."),
    ("small.waiting", "Of an async function."),
    ("small.Outer", "Of a class."),
    ("small.method", "Of a method."),
    ("small.inner", "Of a function within."),
]


def test_of_a_file_every_function_and_class_is_read(tmp_path):
    """However deep it stands; without running it. What is no Python, or is not there, has none."""
    path = tmp_path / "small.py"
    path.write_text("raise SystemExit\n" + SMALL_FILE, encoding="utf-8")
    assert sorted(of_file(path, "small")) == sorted(ITS_DOCSTRINGS)
    path.write_bytes(b"# -*- coding: latin-1 -*-\ndef f():\n    '''\xe9'''\n")
    assert list(of_file(path, "m")) == [("m.f", "é")]
    for content in (b"def f(:\n", b"\xff\xfe", b"x = 1\0"):
        path.write_bytes(content)
        assert list(of_file(path, "m")) == []
    assert list(of_file(tmp_path / "missing.py", "m")) == []


def test_the_library_is_what_stands_in_its_folder_without_its_tests(tmp_path, monkeypatch):
    """A name has its module, also within a package; a text that occurs twice has the first of its names."""

    def write(path, *texts):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        source = "".join(f'def f{i}():\n    """{text}"""\n' for i, text in enumerate(texts))
        (tmp_path / path).write_text(source, encoding="utf-8")

    write("b.py", "one", "two")
    write("a.py", "two")
    write("package/__init__.py", "three")
    write("package/inner/part.py", "four")
    write("package/test/part.py", "of a test")
    write("site-packages/other.py", "of another package")
    write("test/a.py", "of a test, too")
    write("c.txt", "of no Python file")
    monkeypatch.setattr(sysconfig, "get_path", {"stdlib": str(tmp_path)}.get)
    expected = {"a.f0": "two", "b.f0": "one", "package.f0": "three", "package.inner.part.f0": "four"}
    assert {docstring.name: docstring.text for docstring in library_docstrings.__wrapped__()} == expected


def small_module():
    """A module of NumPy's that there is not: `numpy.small`."""

    def function():
        """Of a function."""

    def foreign():
        """Of another package's function."""

    def silent():
        pass

    class WithLess(type):
        def __dir__(cls):
            return [*super().__dir__(), "gone"]

    class Class(metaclass=WithLess):
        """Of a class."""

        value = 1

        def method(self):
            """Of a method."""

        def _hidden(self):
            """Of no public method."""

    module = types.ModuleType("numpy.small", "Of the module itself.")
    of_c = functools.partial(print)  # what is written in C may have no module
    of_c.__doc__, of_c.__module__ = "Of something in C.", None
    module.function, module.foreign, module.silent, module.Class = function, foreign, silent, Class
    module.of_c, module._private, module.number, module.inner = of_c, function, 7, types.ModuleType("numpy.inner", "x")
    module.__dir__ = lambda: [*vars(module), "gone"]
    for thing, name in ((function, "numpy"), (foreign, "os"), (silent, "numpy"), (Class, "numpy.small")):
        thing.__module__ = name
    Class.method.__module__ = "numpy.small"
    return module


def test_of_a_module_every_public_function_class_and_method_is_read(monkeypatch):
    """Those of NumPy, with a docstring; not what it has from elsewhere, no numbers or modules, no name that is gone."""
    monkeypatch.setitem(sys.modules, "numpy.small", small_module())
    assert list(of_module("numpy.small")) == [
        ("numpy.small.Class", "Of a class."),
        ("numpy.small.Class.method", "Of a method."),
        ("numpy.small.function", "Of a function."),
        ("numpy.small.of_c", "Of something in C."),
    ]
    assert list(of_module("numpy.no_such_module")) == []


def test_numpy_docstrings_are_those_of_its_modules_each_under_its_first_name(monkeypatch):
    """`numpy` itself, and the modules that are listed; deprecation warnings are not shown."""
    read = []

    def of_one(name):
        read.append(name)
        warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
        return [(f"{name}.own", f"Of {name}."), (f"{name}.shared", "Of all of them.")]

    monkeypatch.setattr(docstrings, "of_module", of_one)
    monkeypatch.setattr(docstrings, "NUMPY_MODULES", ("", "fft", "ma"))
    assert numpy_docstrings() == [
        Docstring("numpy.own", "Of numpy."),
        Docstring("numpy.shared", "Of all of them."),
        Docstring("numpy.fft.own", "Of numpy.fft."),
        Docstring("numpy.ma.own", "Of numpy.ma."),
    ]
    assert read == ["numpy", "numpy.fft", "numpy.ma"]


def test_documentation_is_the_reference_and_the_docstrings_of_numpy_and_of_the_library(monkeypatch):
    """Each document on its own side, in this order, as often as it is read."""
    monkeypatch.setattr(documentation_module, "reference_documents", lambda: [Document("validation", "a topic")])
    monkeypatch.setattr(documentation_module, "numpy_docstrings", lambda: [Docstring("numpy.a", "of numpy")])
    monkeypatch.setattr(documentation_module, "library_docstrings", lambda: (Docstring("abc.b", "of the library"),))
    corpus = documentation()
    expected = [
        Document("validation", "a topic"),
        Document(Docstring("numpy.a", "").side, "of numpy"),
        Document(Docstring("abc.b", "").side, "of the library"),
    ]
    assert list(corpus.documents()) == list(corpus.documents()) == expected
    assert corpus.paths == ()
    for side in SIDES:
        assert list(texts(corpus, side)) == [f"{document.text}\n\n" for document in expected if document.side == side]
