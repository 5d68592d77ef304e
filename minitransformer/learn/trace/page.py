"""The trace as one page: a single file without network, in which the code is stepped through beside its arrays."""

import base64
import functools
import hashlib
import html
import io
import json
import keyword
import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from minitransformer.learn.trace.examples import Recording
from minitransformer.learn.trace.formulas import formula_at
from minitransformer.learn.trace.links import axes_by_step, gradients, in_scope, jumps, masked_cells
from minitransformer.learn.trace.notation import Formula, is_symbolic, latex, names
from minitransformer.learn.trace.recorder import Step
from minitransformer.learn.trace.source import Function, read_source
from minitransformer.learn.trace.values import ArrayValue, TreeValue, Value

INSTALL_HINT = "for the page: pip install 'minitransformer[page]'"
DIGITS = 4
PARTS = Path(__file__).parent / "page_parts"


def build(recording: Recording) -> str:
    """The whole page as text.

    Raises ImportError where the library that turns LaTeX into MathML is not installed (the extra `page`).
    """
    data = json.dumps(page_data(recording), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    style, script, template = (
        (PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "page.html")
    )
    policy = f"default-src 'none'; style-src '{sha256(style)}'; script-src '{sha256(script)}'; base-uri 'none'"
    parts = {
        "TITLE": html.escape(f"{recording.name}: {recording.equation}"),
        "POLICY": policy,
        "STYLE": style,
        "SCRIPT": script,
        "DATA": data.replace("<", "\\u003c"),  # so that no text in it can end the element
    }
    page = template
    for name, part in parts.items():
        page = page.replace(f"__{name}__", part, 1)
    return page


def sha256(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def page_data(recording: Recording) -> dict[str, Any]:
    """What the page shows, as JSON: steps that refer to pools of values, formulas and functions."""
    trace = recording.trace
    values, formulas, functions = Pool(), Pool(), Pool()
    axes, beside, across = axes_by_step(trace), gradients(trace), jumps(trace)
    steps = []
    for i, step in enumerate(trace.steps):
        scope = in_scope(trace, i)
        pairs = beside.get(i, [])
        of_gradients = {pair.name: axes[pair.forward_step].get(pair.value_name, ()) for pair in pairs}
        own_axes = of_gradients | axes[i]
        steps.append(
            {
                "fn": functions.add(function_data(step.file, step.start)),
                "frame": step.frame,
                "depth": step.depth,
                "first": step.first,
                "last": step.last,
                "kind": step.kind,
                "made": [[name, values.add(value_data(v, scope)), own_axes.get(name, ())] for name, v in step.made],
                "read": [[name, values.add(value_data(v, scope)), own_axes.get(name, ())] for name, v in step.read],
                "formulas": [formulas.add(mathml(formula)) for formula in formulas_of(step, scope)],
                "gradients": [
                    [pair.name, pair.value_name, values.add(value_data(pair.value, scope)), pair.forward_step]
                    for pair in pairs
                ],
                "jump": across.get(i),
                "caller": calling_text(trace.steps, i),
            }
        )
    return {
        "name": recording.name,
        "section": recording.section,
        "equation": recording.equation,
        "error": recording.error,
        "complete": trace.complete,
        "functions": functions.items,
        "steps": steps,
        "values": values.items,
        "formulas": formulas.items,
    }


def calling_text(steps: tuple[Step, ...], index: int) -> str | None:
    """Of a call from traced code: the calling expression, which of several on its line it is."""
    step = steps[index]
    if step.call_site is None:
        return None
    caller = next(s for s in reversed(steps[:index]) if s.depth == step.depth - 1)
    first, last, start, end = step.call_site
    lines = [line.rstrip("\n") for line in read_source(caller.file).lines[first - 1 : last]]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return " ".join(line.strip() for line in lines)


class Pool:
    """Each thing once, by its number."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.numbers: dict[str, int] = {}

    def add(self, item: Any) -> int:
        key = json.dumps(item, ensure_ascii=False)
        if key not in self.numbers:
            self.numbers[key] = len(self.items)
            self.items.append(item)
        return self.numbers[key]


def formulas_of(step: Step, scope: dict[str, Any]) -> list[Formula]:
    """The formulas of what a line makes; none that speaks of what is not there, such as a mask that is None."""
    found = [formula_at(step, name) for name, _ in step.made]
    return [f for f in dict.fromkeys(found) if f and (is_symbolic(f) or names(f) <= scope.keys())]


@functools.cache
def mathml(formula: Formula) -> str:
    """Raises ValueError for a LaTeX macro that the library does not know."""
    from latex2mathml.converter import convert

    text = latex(formula)
    converted = convert(text, display="block")
    if "\\" in converted:
        raise ValueError(f"formula: got {text!r}, in which a macro is unknown to latex2mathml")
    return converted


def value_data(value: Value, scope: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, ArrayValue):
        masked = masked_cells(scope, value)
        data = {
            "shape": value.shape,
            "dtype": value.dtype,
            "part": value.numbers.shape,
            "numbers": [rounded(x) for x in value.numbers.reshape(-1).tolist()],
            "top": rounded(max(abs(value.least), abs(value.greatest))),
        }
        return data if masked is None else data | {"masked": np.flatnonzero(masked).tolist()}
    if isinstance(value, TreeValue):
        return {"kind": value.kind, "arrays": [[path, array.shape] for path, array in value.arrays]}
    return {"text": value.text}


def rounded(x: float) -> float | int | str:
    """JSON has no infinity and no NaN; a few digits keep the page small."""
    if isinstance(x, bool | int):
        return int(x)
    if not math.isfinite(x):
        return str(x)
    return float(f"{x:.{DIGITS}g}")


@functools.cache
def function_data(file: str, start: int) -> dict[str, Any]:
    source = read_source(file)
    function = source.functions[start]
    path = Path(file)
    return {
        "name": function.name,
        "file": f"{path.parent.name}/{path.name}",
        "first": function.first,
        "lines": highlighted(source.lines, function),
    }


def highlighted(lines: tuple[str, ...], function: Function) -> list[str]:
    """The function's lines as HTML, with keywords, strings, numbers and comments marked."""
    own = [line.rstrip("\n") for line in lines[function.first - 1 : function.last]]
    marks: list[list[tuple[int, int, str]]] = [[] for _ in own]
    for token in tokenize.generate_tokens(io.StringIO("\n".join(own) + "\n").readline):
        kind = token_kind(token)
        if kind:
            for row in range(token.start[0], token.end[0] + 1):
                start = token.start[1] if row == token.start[0] else 0
                end = token.end[1] if row == token.end[0] else len(own[row - 1])
                marks[row - 1].append((start, end, kind))
    return [marked(text, spans) for text, spans in zip(own, marks, strict=True)]


def token_kind(token: tokenize.TokenInfo) -> str | None:
    if token.type == tokenize.NAME:
        return "keyword" if keyword.iskeyword(token.string) else None
    kinds = {tokenize.COMMENT: "comment", tokenize.STRING: "string", tokenize.NUMBER: "number"}
    return kinds.get(token.type)


def marked(text: str, spans: list[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, kind in spans:
        parts += [html.escape(text[at:start]), f'<span class="{kind}">{html.escape(text[start:end])}</span>']
        at = end
    return "".join([*parts, html.escape(text[at:])])
