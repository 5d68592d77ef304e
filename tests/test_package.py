"""The shape of the code: what imports what, and the habits that make it readable."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "minitransformer"
MODULES = sorted(PACKAGE.rglob("*.py"))
MATHEMATICS = [path for path in MODULES if path.parent.name in ("equations", "layers", "models")]

# Each imports only from those before it.
LAYOUT = (
    "checks",
    "shapes",
    "tree",
    "locks",
    "memory",
    "files",
    "terminal",
    "equations",
    "layers",
    "models",
    "decoding",
    "training",
    "data",
    "tasks",
    "nn",
    "verify",
    "learn",
    "commands",
    "__main__",
)

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
every_equation = pytest.mark.parametrize("path", MATHEMATICS, ids=lambda path: str(path.relative_to(PACKAGE)))


def test_importing_the_package_needs_numpy_and_nothing_else():
    """All its modules, in a fresh interpreter, bring in no third-party module but NumPy and what NumPy brings in."""
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in MODULES]
    names = [name.removesuffix(".__init__") for name in names]
    code = f"""
import importlib, sys, numpy.random
before = set(sys.modules)
for name in {names!r}:
    importlib.import_module(name)
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["minitransformer", "numpy"]


def test_importing_the_package_alone_is_light():
    """`import minitransformer` imports no module of its own; section 5's class comes when it is asked for."""
    code = "import sys, minitransformer; print(*[m for m in sys.modules if m.startswith('minitransformer')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["minitransformer"]


def test_an_unknown_attribute_is_an_attribute_error():
    import minitransformer

    with pytest.raises(AttributeError, match="module 'minitransformer' has no attribute 'Transfomer'"):
        minitransformer.Transfomer  # noqa: B018


@every_module
def test_dependencies_run_one_way(path):
    """A part of the package imports only from the parts before it, and from itself."""
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    allowed = LAYOUT[: LAYOUT.index(part) + 1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("minitransformer."):
            assert node.module.split(".")[1] in allowed, f"{path}:{node.lineno}"


@every_equation
def test_a_backward_stands_directly_below_its_forward(path):
    """So that the two are read together."""
    functions = [
        node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    for i, name in enumerate(functions):
        if name.endswith("_backward"):
            assert functions[i - 1] == name.removesuffix("_backward")


def bindings(statements):
    """How often each name gets a value along the longest path; what a loop repeats counts once."""
    counts = Counter()
    for statement in statements:
        if isinstance(statement, ast.If):
            counts += bindings(statement.body) | bindings(statement.orelse)
        elif isinstance(statement, ast.For):
            continue  # an accumulator has to change
        else:
            nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
            counts += Counter(node.id for node in nodes if isinstance(node.ctx, ast.Store) and node.id != "_")
    return counts


@every_equation
def test_nothing_is_rebound(path):
    """A new quantity gets a new name, and a parameter keeps its value: a debugger can show every step."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            parameters = Counter(argument.arg for argument in function.args.args)
            rebound = [name for name, n in (bindings(function.body) + parameters).items() if n > 1]
            assert not rebound, f"{function.name} binds {rebound} more than once"


@every_module
def test_every_module_and_public_function_says_what_it_is(path):
    """A docstring for each module, and for each function of the mathematics but the obvious start values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if path in MATHEMATICS:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith(("init_", "check_")):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
