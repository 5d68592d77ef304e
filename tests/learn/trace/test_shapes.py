"""Comments that cannot lie: each shape comment is compared with the shape that its line really made.

The sizes of the traced examples are pairwise different, so that no axis can be taken for another.
"""

import ast
import inspect
import math

import numpy as np
import pytest
from runs import RUNS

from minitransformer.learn.trace.recorder import PACKAGE, record
from minitransformer.learn.trace.source import SHAPE_COMMENT, read_source, split_shape
from minitransformer.learn.trace.values import ArrayValue
from minitransformer.verify.cases import CASES


def size_of(text, sizes):
    """The number that a part of a shape comment stands for, if all its names are known."""
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)} - {"ceil"}
    if not names <= sizes.keys():
        return None
    return eval(text, {"ceil": math.ceil}, sizes)


def contradiction(comment, shape, sizes):
    """What is wrong with a comment, or None. Names that are met for the first time get their size here."""
    named = [part for part in comment if part != "..."]
    if len(named) > len(shape) or (len(named) < len(shape) and "..." not in comment):
        return f"{len(shape)} axes"
    for part, size in zip(named, shape[len(shape) - len(named) :], strict=True):
        expected = size_of(part, sizes)
        if expected is None and part.isidentifier():
            sizes[part] = size
        elif expected is not None and expected != size:
            return f"{part} is {expected}, not {size}"
    return None


def compare(trace):
    """-> the lines whose comment was compared, and what contradicts: (file, line, comment, shape, reason)."""
    compared, wrong, sizes_of = set(), [], {}
    for step in trace.steps:
        sizes = sizes_of.setdefault(step.frame, {})
        source = read_source(step.file)
        arrays = [(name, value) for name, value in step.made if isinstance(value, ArrayValue)]
        if step.kind == "call":
            shapes = source.functions[step.start].shapes
            comments = [(shapes[name], value) for name, value in arrays if name in shapes]
        else:
            comment = source.statements[step.first].shape
            comments = [(comment, arrays[0][1])] if comment and arrays else []
        for comment, value in comments:
            reason = contradiction(comment, value.shape, sizes)
            compared.add((step.file, step.first))
            if reason:
                wrong.append((step.file, step.first, comment, value.shape, reason))
    return compared, wrong


@pytest.mark.parametrize("name", RUNS)
def test_shape_comments_are_true(name):
    """Of every line that runs, and of the arguments in docstrings."""
    _, wrong = compare(record(RUNS[name]))
    assert not wrong


def test_every_shape_comment_is_compared():
    """No line with a shape comment, in equations, layers and models, is left out."""
    compared = set()
    for run in RUNS.values():
        compared |= compare(record(run))[0]
    unseen = []
    for package in ("equations", "layers", "models"):
        for path in (PACKAGE / package).glob("*.py"):
            for function in read_source(str(path)).functions.values():
                commented = {s.first for s in function.statements if s.shape and s.targets}
                unseen += [f"{path.name}:{line}" for line in commented if (str(path), line) not in compared]
    assert sorted(unseen) == []


def test_a_wrong_comment_is_found(tmp_path):
    """Of another size, of too few axes, and one that forgets keepdims."""
    file = tmp_path / "lies.py"
    file.write_text(
        "def f(x, w):\n"
        "    q = x @ w  # (T, D)\n"
        "    s = q @ q.T  # (T, T)\n"
        "    m = s.max(-1)  # (T, 1)\n"
        "    o = s @ q  # (D, T)\n"
        "    return o  # (T, D)\n",
        encoding="utf-8",
    )
    module = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module)
    trace = record(lambda: module["f"](np.ones((3, 4)), np.ones((4, 5))), files=(str(file),))
    compared, wrong = compare(trace)
    assert len(compared) == 5
    assert [line for _, line, *_ in wrong] == [4, 5]


def named_tuples(tree):
    """All NamedTuples of the package in a tree."""
    if isinstance(tree, tuple):
        if type(tree).__module__.startswith("minitransformer."):
            yield tree
        for branch in tree:
            yield from named_tuples(branch)


def field_comments(kind):
    """The shape comments beside the fields of a NamedTuple."""
    comments = {}
    for line in inspect.getsource(kind).splitlines():
        found = SHAPE_COMMENT.search(line)
        name, colon, _ = line.strip().partition(":")
        if found and colon and name.isidentifier():
            comments[name] = split_shape(found[1])
    return comments


@pytest.mark.parametrize("name", CASES)
def test_shape_comments_of_caches_and_weights_are_true(name):
    """Fields of one NamedTuple that name the same size have it."""
    rng = np.random.default_rng(0)
    case = CASES[name](rng)
    _, cache = case.forward(*case.inputs)
    for node in named_tuples((cache, case.inputs)):
        sizes = {}
        for field, comment in field_comments(type(node)).items():
            array = getattr(node, field)
            if isinstance(array, np.ndarray):
                assert contradiction(comment, array.shape, sizes) is None, f"{type(node).__name__}.{field}"
