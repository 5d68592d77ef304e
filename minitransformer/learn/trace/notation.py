r"""Formulas as they are checked and as they are shown: index notation, evaluated by loops, printed as LaTeX.

    "alpha[j] = exps[j] / sum(k, exps[k])"   ->   \alpha_{j} = \frac{e_{j}}{\sum_{k} e_{k}}

Python's own syntax is used: `sum(k, ...)`, `mean(k, ...)` and `max_over(k, ...)` run over an index, `x if c else y` has
two cases, a comparison used as a number is 1 or 0. `rows(x)` has all axes but the last as one, `flat(x)` all of them,
and `dim(x)` is the last one's size. Axes that a formula does not mention (batch, heads, positions) are the same on both
sides. What a formula calls by a capital name, as in `LayerNorm(x + a)`, is another function: shown, not evaluated.
"""

import ast
import functools
import itertools
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Values = Mapping[str, Array | float]

OVER_INDEX = {"sum": sum, "max_over": max, "mean": lambda terms: sum(terms) / len(terms)}
FUNCTIONS = {"exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "erf": math.erf, "sin": math.sin,
             "cos": math.cos, "max": max}  # fmt: skip
RESHAPED = {"rows": lambda x: x.reshape(-1, x.shape[-1]), "flat": lambda x: x.reshape(-1)}
CONSTANTS = {"inf": math.inf, "pi": math.pi}


class Formula(NamedTuple):
    """Equal to itself alone, for syntax trees are: `parse` gives the same one for the same text."""

    text: str
    left: ast.expr
    right: ast.expr


@functools.cache
def parse(text: str) -> Formula:
    """Raises ValueError for what is not `left = right` with a name on the left."""
    try:
        (statement,) = ast.parse(text).body
        (left,) = statement.targets
        base_name(left)
    except (SyntaxError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"formula: got {text!r}, expected `name[indices] = expression`") from error
    return Formula(text, left, statement.value)


def base_name(node: ast.expr) -> str:
    """`alpha` of `alpha[i, j]`, `cache.K` of `cache.K[j, c]`."""
    inner = node.value if isinstance(node, ast.Subscript) else node
    if isinstance(inner, ast.Call):
        inner = inner.args[0]
    if not isinstance(inner, ast.Name | ast.Attribute):
        raise TypeError(f"formula: got {ast.unparse(node)}, expected a name")
    return ast.unparse(inner)


def is_symbolic(formula: Formula) -> bool:
    """Whether it calls another function by a capital name."""
    calls = [node for node in ast.walk(formula.right) if isinstance(node, ast.Call)]
    return any(ast.unparse(call.func)[0].isupper() for call in calls)


def names(formula: Formula) -> set[str]:
    """All names of values that stand on the right: no indices, no functions."""
    indices = bound_indices(formula)
    found = set()
    for node in ast.walk(formula.right):
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(ast.unparse(node))
    called = {ast.unparse(node.func) for node in ast.walk(formula.right) if isinstance(node, ast.Call)}
    parts = {name.rsplit(".", n)[0] for name in found for n in range(1, name.count(".") + 1)}
    return found - indices - called - parts - CONSTANTS.keys()


def bound_indices(formula: Formula) -> set[str]:
    """The letters that count: on the left, and those that a sum, mean or maximum runs over."""
    left = {node.id for node in ast.walk(formula.left) if isinstance(node, ast.Name)}
    left -= {base_name(formula.left)}
    over = {ast.unparse(node.args[0]) for node in ast.walk(formula.right) if is_over_index(node)}
    return left | over


def is_over_index(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in OVER_INDEX


# --- evaluation, by loops


def error(formula: Formula, made: Array, values: Values, rng: np.random.Generator, samples: int = 20) -> float:
    """The largest |left - right| / (1 + |right|) over some entries of `made`, the array that the line made.

    values: what the line could see. Raises KeyError for a name that it could not.
    """
    n_indices = len(subscripts(formula.left))
    result = made[..., 0] if n_indices == 0 and made.ndim and made.shape[-1] == 1 else made
    batch = result.shape[: result.ndim - n_indices]
    worst, compared = 0.0, 0
    seen = {**values, base_name(formula.left): made}
    for _ in range(samples):
        lead = tuple(int(rng.integers(size)) for size in batch)
        chosen = {name: int(rng.integers(extent(name, formula, seen))) for name in left_indices(formula)}
        at = lead + tuple(int(evaluate(index, seen, chosen, lead)) for index in subscripts(formula.left))
        if any(i >= size for i, size in zip(at, result.shape, strict=True)):
            continue  # the cosine that an odd width has not
        left, right = float(result[at]), float(evaluate(formula.right, seen, chosen, lead))
        if left != right:
            both_finite = math.isfinite(left) and math.isfinite(right)
            worst = max(worst, abs(left - right) / (1 + abs(right)) if both_finite else math.inf)
        compared += 1
    if compared == 0:
        raise ValueError(f"formula: {formula.text!r} could not be compared with an array of shape {made.shape}")
    return worst


def subscripts(node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.Subscript):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def left_indices(formula: Formula) -> list[str]:
    found = {node.id for index in subscripts(formula.left) for node in ast.walk(index) if isinstance(node, ast.Name)}
    return sorted(found & bound_indices(formula))


def extent(index: str, formula: Formula, values: Values) -> int:
    """How far an index runs: the size of an axis where it stands alone."""
    sizes = []
    for node in itertools.chain(ast.walk(formula.left), ast.walk(formula.right)):
        places = subscripts(node) if isinstance(node, ast.Subscript) else []
        for place, subscript in enumerate(places):
            if isinstance(subscript, ast.Name) and subscript.id == index:
                array = array_of(node.value, values)
                sizes.append(array.shape[array.ndim - len(places) + place])
    if not sizes:
        raise ValueError(f"formula: nothing in {formula.text!r} says how far {index!r} runs")
    return min(sizes)


def array_of(node: ast.expr, values: Values) -> Array:
    if isinstance(node, ast.Call):
        return RESHAPED[ast.unparse(node.func)](array_of(node.args[0], values))
    return np.asarray(values[ast.unparse(node)])


def evaluate(node: ast.expr, values: Values, indices: dict[str, int], lead: tuple[int, ...]) -> float:
    def value(part: ast.expr) -> float:
        return evaluate(part, values, indices, lead)

    match node:
        case ast.Constant(value=number):
            return number
        case ast.Name(id=name) if name in indices:
            return indices[name]
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.Name() | ast.Attribute():
            array = array_of(node, values)
            return entry(array[..., 0] if array.ndim and array.shape[-1] == 1 else array, (), lead)
        case ast.Subscript(value=base):
            return entry(array_of(base, values), tuple(int(value(index)) for index in subscripts(node)), lead)
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATIONS[type(op)](value(left), value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return float(COMPARISONS[type(op)](value(left), value(right)))
        case ast.IfExp(test=test, body=yes, orelse=no):
            return value(yes) if value(test) else value(no)
        case ast.Call(func=ast.Name(id="dim"), args=[base]):
            return array_of(base, values).shape[-1]
        case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=index), body]) if name in OVER_INDEX:
            size = extent(index, Formula("", ast.Name(index), body), values)
            return OVER_INDEX[name]([evaluate(body, values, indices | {index: i}, lead) for i in range(size)])
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in FUNCTIONS:
            return FUNCTIONS[name](*map(value, arguments))
    raise ValueError(f"formula: got {ast.unparse(node)}, expected index notation")


def entry(array: Array, at: tuple[int, ...], lead: tuple[int, ...]) -> float:
    """array[..., *at], the axes before taken from `lead`, aligned at the right; an axis of length 1 serves them all."""
    before = array.shape[: array.ndim - len(at)]
    own = [i if size > 1 else 0 for i, size in zip(lead[len(lead) - len(before) :], before, strict=True)]
    return array[(*own, *at)]


OPERATIONS = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
    ast.Pow: lambda x, y: x**y,
    ast.FloorDiv: lambda x, y: x // y,
    ast.Mod: lambda x, y: x % y,
}
COMPARISONS = {
    ast.Eq: lambda x, y: x == y,
    ast.Gt: lambda x, y: x > y,
    ast.LtE: lambda x, y: x <= y,
    ast.GtE: lambda x, y: x >= y,
}

# --- LaTeX

GREEK = {"alpha", "beta", "gamma", "sigma", "phi", "Phi", "pi", "epsilon"}
SYMBOLS = {"label_smoothing": r"\epsilon", "eps": r"\epsilon", "inf": r"\infty", "x_hat": r"\hat{x}"}
COMPARED = {ast.Eq: "=", ast.Gt: ">", ast.LtE: r"\le", ast.GtE: r"\ge"}
SUM, PRODUCT, POWER, ATOM = range(4)  # how tightly a part holds together


def latex(formula: Formula) -> str:
    return f"{show(formula.left)} = {show(formula.right)}"


def show(node: ast.expr, least: int = SUM) -> str:
    """The LaTeX of a part, in parentheses where it would fall apart among what is around it."""
    text, strength = layout(node)
    return text if strength >= least else rf"\left( {text} \right)"


def layout(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.Constant(value=number):
            return f"{number:g}", ATOM
        case ast.Name() | ast.Attribute():
            return symbol(ast.unparse(node)), ATOM
        case ast.Subscript(value=base):
            return subscripted(base, subscripts(node)), ATOM
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return rf"\frac{{{show(left)}}}{{{show(right)}}}", ATOM
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return rf"\lfloor {show(left, PRODUCT)} / {show(right, PRODUCT)} \rfloor", ATOM
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            return rf"{show(left, PRODUCT)} \bmod {show(right, POWER)}", SUM
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{power_base(left)}^{{{show(right)}}}", POWER
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            dot = r" \cdot " if isinstance(right, ast.Constant) or isinstance(left, ast.Constant) else r" \, "
            return f"{show(left, PRODUCT)}{dot}{show(right, PRODUCT)}", PRODUCT
        case ast.BinOp(left=left, op=op, right=right):
            sign = "+" if isinstance(op, ast.Add) else "-"
            return f"{show(left)} {sign} {show(right, SUM if sign == '+' else PRODUCT)}", SUM
        case ast.UnaryOp(operand=operand):
            return f"-{show(operand, PRODUCT)}", SUM
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"[{show(left)} {COMPARED[type(op)]} {show(right)}]", ATOM
        case ast.IfExp(test=test, body=yes, orelse=no):
            condition = show(test)[1:-1] if isinstance(test, ast.Compare) else show(test)
            cases = rf"{show(yes)} & \text{{if }} {condition} \\ {show(no)} & \text{{else}}"
            return rf"\begin{{cases}} {cases} \end{{cases}}", ATOM
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return call(name, arguments)
    raise ValueError(f"formula: got {ast.unparse(node)}, expected index notation")


def call(name: str, arguments: list[ast.expr]) -> tuple[str, int]:
    if name in OVER_INDEX:
        operator = {"sum": r"\sum", "max_over": r"\max", "mean": r"\operatorname{mean}"}[name]
        return rf"{operator}_{{{show(arguments[0])}}} {show(arguments[1], PRODUCT)}", PRODUCT
    if name in RESHAPED:
        return show(arguments[0]), ATOM
    if name == "dim":
        return rf"d_{{{show(arguments[0])}}}", ATOM
    if name == "exp":
        return f"e^{{{show(arguments[0])}}}", POWER
    if name == "sqrt":
        return rf"\sqrt{{{show(arguments[0])}}}", ATOM
    shown = rf"\{name}" if name in FUNCTIONS and name != "erf" else rf"\operatorname{{{name}}}"
    return rf"{shown}( {', '.join(map(show, arguments))} )", ATOM


def power_base(node: ast.expr) -> str:
    """A base with a subscript stands in braces, so that the exponent belongs to the whole."""
    return f"{{{show(node, ATOM)}}}"


def subscripted(base: ast.expr, places: list[ast.expr]) -> str:
    shown = [show(place) for place in places]
    joint = "" if all(re.fullmatch(r"\w", text) for text in shown) else ", "
    inner = base.args[0] if isinstance(base, ast.Call) else base
    return f"{{{symbol(ast.unparse(inner))}}}_{{{joint.join(shown)}}}"


def symbol(name: str) -> str:
    """`dalpha` is d alpha; `d_k` is d with the index k; of `cache.K` the K is shown."""
    last = name.rpartition(".")[2]
    if last in SYMBOLS:
        return SYMBOLS[last]
    if last in GREEK:
        return rf"\{last}"
    if len(last) == 1:
        return last
    if re.fullmatch(r"d[A-Za-z]\w*", last) and not last.startswith(("d_", "dim", "dropped")):
        return rf"\mathrm{{d}}{symbol(last[1:])}"
    head, _, tail = last.partition("_")
    if tail and len(head) <= 2:
        return rf"{symbol(head)}_{{\mathrm{{{shown_text(tail)}}}}}"
    return rf"\mathrm{{{shown_text(last)}}}"


def shown_text(text: str) -> str:
    return text.replace("_", r"\ ")
