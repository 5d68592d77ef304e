"""What can be known of a line before it runs: its statement, the names that it reads and assigns, its shape comment."""

import ast
import functools
import linecache
import re
from typing import NamedTuple

from minitransformer.shapes import parts

SHAPE_COMMENT = re.compile(r"#\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")


class Statement(NamedTuple):
    """One statement of a source file; of a compound one (if, for, with) the header alone."""

    first: int  # line
    last: int
    kind: str  # of the syntax tree's node, such as Assign, Return, For; or Check, of a call that only checks
    targets: tuple[str, ...]  # names that it assigns, in order; `a` for `a[i] = ...`
    reads: tuple[str, ...]  # names that it reads, with their attributes: `Q`, `cache.K`
    body: tuple[int, int] | None  # first and last line of a loop's body
    shape: tuple[str, ...] | None  # of the first array that it makes, as its comment has it: ("...", "L_q", "d_k")


class SourceFile(NamedTuple):
    lines: tuple[str, ...]
    statements: dict[int, Statement]  # by line: the innermost one
    functions: dict[int, "Function"]  # by first line


class Function(NamedTuple):
    name: str
    first: int  # line, that of the first decorator if there is one, as `co_firstlineno` has it
    last: int
    statements: tuple[Statement, ...]  # in the order of the lines
    shapes: dict[str, tuple[str, ...]]  # by name, of those that the docstring gives, or the line that checks them


@functools.cache
def read_source(filename: str) -> SourceFile:
    lines = tuple(linecache.getlines(filename))
    tree = ast.parse("".join(lines))
    statements: dict[int, Statement] = {}
    for node in ast.walk(tree):  # breadth first: what is inside comes later, and wins
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            statement = describe(node, lines)
            for line in range(statement.first, statement.last + 1):
                statements[line] = statement
    texts = constant_texts(tree)
    functions = [as_function(node, statements, texts) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return SourceFile(lines, statements, {function.first: function for function in functions})


def as_function(node: ast.FunctionDef, statements: dict[int, Statement], texts: dict[str, str]) -> Function:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    own = [statements[line] for line in range(first, node.end_lineno + 1) if line in statements]
    shapes = docstring_shapes(ast.get_docstring(node) or "") | checked_shapes(node, texts)
    return Function(node.name, first, node.end_lineno, tuple(dict.fromkeys(own)), shapes)


def is_check(node: ast.stmt) -> bool:
    """`check(...)`, `check_mask(...)`: lines that make nothing."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name == "check" or name.startswith("check_")
    return False


def constant_texts(tree: ast.Module) -> dict[str, str]:
    """`SHAPES = "x: ... d"` at the top of a file, by name."""
    texts = {}
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                texts[name] = text
    return texts


def checked_shapes(function: ast.FunctionDef, texts: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """The shapes that the function's own `check("Q: ... L_q d_k", Q)` gives, by name."""
    shapes = {}
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id="check" | "check_sized"), args=[spec, *_]):
                for part in parts(spec_text(spec, texts)):
                    shapes[part.name] = (*["..."] * part.batched, *(str(axis) for axis in part.axes))
    return shapes


def spec_text(spec: ast.expr, texts: dict[str, str]) -> str:
    """What a call gives as its spec: a text, the name of one, or the first of two that differ in what may be empty."""
    match spec:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return texts[name]
        case ast.IfExp(body=body):
            return spec_text(body, texts)
    raise ValueError(f"spec: got {ast.unparse(spec)}, expected a text, or the name of one in the same file")


def describe(node: ast.stmt, lines: tuple[str, ...]) -> Statement:
    body = getattr(node, "body", None)
    last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
    parts = header(node)
    comments = [SHAPE_COMMENT.search(lines[line - 1]) for line in range(node.lineno, last + 1)]
    shapes = [split_shape(comment[1]) for comment in comments if comment]
    return Statement(
        first=node.lineno,
        last=last,
        kind="Check" if is_check(node) else type(node).__name__,
        targets=tuple(dict.fromkeys(name for target in targets(node) for name in target_names(target))),
        reads=tuple(dict.fromkeys(name for part in parts for name in names_read(part))),
        body=(body[0].lineno, body[-1].end_lineno) if body else None,
        shape=shapes[-1] if shapes else None,
    )


def header(node: ast.stmt) -> list[ast.AST]:
    """The expressions that belong to the statement itself, not to its body."""
    if isinstance(node, ast.For):
        return [node.iter]
    if isinstance(node, ast.With):
        return [item.context_expr for item in node.items]
    if isinstance(node, ast.If | ast.While):
        return [node.test]
    return [] if hasattr(node, "body") else [node]


def targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
        return [node.target]
    if isinstance(node, ast.With):
        return [item.optional_vars for item in node.items if item.optional_vars]
    return []


def target_names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Tuple | ast.List):
        return [name for element in target.elts for name in target_names(element)]
    if isinstance(target, ast.Starred | ast.Subscript):
        return target_names(target.value)
    return [ast.unparse(target)]


def names_read(node: ast.AST) -> list[str]:
    """Names and attribute chains from left to right; `cache.K` once, not `cache` and `cache.K`."""
    if isinstance(node, ast.Attribute) and is_chain(node):
        return [ast.unparse(node)]
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Load) else []
    if isinstance(node, ast.AugAssign):
        return [*target_names(node.target), *names_read(node.value)]
    return [name for child in ast.iter_child_nodes(node) for name in names_read(child)]


def is_chain(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and is_chain(node.value))


def docstring_shapes(docstring: str) -> dict[str, tuple[str, ...]]:
    """`Q: (..., L_q, d_k), K: (..., L_k, d_k) -> O: (..., L_q, d_v)` as shapes by name; the result's under `->`."""
    found = re.findall(r"\b(\w+): \(([^()]*)\)", docstring)
    shapes = {name: split_shape(shape) for name, shape in found if is_shape(shape)}
    for pair in re.findall(r"\b(\w+), (\w+): \(([^()]*)\)", docstring):
        if is_shape(pair[2]):
            shapes |= {name: split_shape(pair[2]) for name in pair[:2]}
    return shapes


def is_shape(text: str) -> bool:
    return re.fullmatch(r"(\.\.\.|[A-Za-z0-9_*+\- ]+)(\s*,\s*[A-Za-z0-9_*+\- ]*)*", text) is not None and "," in text


def split_shape(text: str) -> tuple[str, ...]:
    """The sizes of a shape comment; a colon starts an explanation that is none of them."""
    depth = 0
    sizes = [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            sizes.append("")
        else:
            sizes[-1] += character
    return tuple(size.strip() for size in sizes if size.strip())
