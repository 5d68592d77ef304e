"""What is known of a line before it runs: lines that only check, and the axes that they name."""

import ast

import numpy as np
import pytest
from runs import RUNS

from minitransformer.equations.attention import attention
from minitransformer.learn.trace.recorder import PACKAGE, record
from minitransformer.learn.trace.source import read_source

MATHEMATICS = [path for folder in ("equations", "layers", "models") for path in sorted((PACKAGE / folder).glob("*.py"))]


def function(file, name):
    (found,) = (f for f in read_source(str(PACKAGE / file)).functions.values() if f.name == name)
    return found


def checks(path):
    """The calls `check(...)`, `check_mask(...)`, each with the function that it stands in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1].startswith("check"):
                    yield node, call


@pytest.mark.parametrize("name", RUNS)
def test_a_line_that_only_checks_is_no_step(name):
    """No step of any trace stands at such a line, though each of them runs."""
    lines = [read_source(step.file).lines[step.first - 1].strip() for step in record(RUNS[name]).steps]
    assert lines
    assert not [line for line in lines if line.startswith(("check", "def check"))]


def test_a_check_that_refuses_is_a_step():
    """The reader sees the line that raised the error."""

    def refused():
        with pytest.raises(ValueError, match="K: got"):
            attention(np.ones((3, 4)), np.ones((5, 7)), np.ones((5, 6)))

    step = next(step for step in record(refused).steps if step.kind == "error")
    assert read_source(step.file).lines[step.first - 1].strip().startswith('check("Q: ... L_q d_k')


def test_every_check_of_the_mathematics_is_known_for_one():
    """All are called by their bare name, on a line of their own."""
    found = 0
    for path in MATHEMATICS:
        lines = {s.first for s in read_source(str(path)).statements.values() if s.kind == "Check"}
        for _, call in checks(path):
            found += 1
            assert call.lineno in lines, f"{path.name}:{call.lineno}"
    assert found > 100


def test_axes_are_named_by_the_line_that_checks_them():
    """By its text, or by a name for the text; of two texts that differ in what may be empty, by the first."""
    shapes = function("equations/attention.py", "scaled_dot_product_backward").shapes
    assert shapes["dA"] == ("...", "L_q", "L_k")
    assert shapes["K"] == ("...", "L_k", "d_k")
    shapes = function("layers/multi_head.py", "multi_head").shapes
    assert shapes["weights.query.W"] == ("d_query", "d_qs")
    assert shapes["x_v"] == ("...", "L_k", "d_value")
    shapes = function("layers/past.py", "with_past").shapes
    assert shapes["past.K"] == ("...", "context", "d_k")
    for name in ("pre_norm_decoder_layer", "post_norm_decoder_layer"):
        assert function("layers/decoder_layer.py", name).shapes["memory"] == ("...", "L_s", "d_memory")
    assert function("equations/attention.py", "split_heads").shapes["X"] == ("...", "L", "h*d_k")


def test_every_check_names_what_the_caller_knows():
    """An argument of its function, or where a cache is one, a field of it."""
    for path in MATHEMATICS:
        for node, call in checks(path):
            known = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
            if ast.unparse(call.func) != "check" or not isinstance(call.args[0], ast.Constant) or "cache" in known:
                continue
            for part in call.args[0].value.split(","):
                assert part.split(":")[0].split(".")[0].strip() in known, f"{path.name}:{call.lineno}: {part}"
