"""What belongs together in a trace: names in scope, a gradient with its value, a line with its backward line, axes."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.learn.trace.formulas import formula_at
from minitransformer.learn.trace.notation import base_name
from minitransformer.learn.trace.recorder import Step, Trace
from minitransformer.learn.trace.source import read_source
from minitransformer.learn.trace.values import ArrayValue, PlainValue, TreeValue, Value


class Gradient(NamedTuple):
    """A step of a backward made `name`, the gradient of what a step of its forward had made."""

    name: str  # dX
    value_name: str  # X
    value: Value
    forward_step: int


def gradients(trace: Trace) -> dict[int, list[Gradient]]:
    """By step: each `dX` that a backward made, with the X of the forward that made its cache."""
    made = {}  # (frame, name) -> (step, value): the last assignment, or the argument
    for i, step in enumerate(trace.steps):
        for name, value in step.made:
            if isinstance(value, ArrayValue):
                made[step.frame, name] = i, value
    found: dict[int, list[Gradient]] = {}
    for i, step in enumerate(trace.steps):
        mate = trace.mates.get(step.frame)
        for name, value in step.made:
            of = differentiated(step, name)
            forward = made.get((mate, of)) if of else None
            if forward and isinstance(value, ArrayValue):
                found.setdefault(i, []).append(Gradient(name, of, forward[1], forward[0]))
    return found


def differentiated(step: Step, name: str) -> str | None:
    """X for dX; what a return line gives has the name that its formula gives it."""
    formula = formula_at(step, name) if name.startswith("return") else None
    gradient = base_name(formula.left) if formula else name
    return gradient[1:] if gradient.startswith("d") else None


def jumps(trace: Trace) -> dict[int, int]:
    """From each backward step to the forward step whose value it differentiates, and back again."""
    there = {}
    for i, pairs in gradients(trace).items():
        if trace.steps[i].kind != "call":
            for pair in pairs:
                there.setdefault(i, pair.forward_step)
                there.setdefault(pair.forward_step, i)
    return there


def in_scope(trace: Trace, index: int) -> dict[str, Any]:
    """Arrays and numbers that the function of step `index` has seen so far, by their names in it."""
    frame = trace.steps[index].frame
    scope: dict[str, Any] = {}
    for step in trace.steps[: index + 1]:
        if step.frame == frame:
            for name, value in (*step.read, *step.made):
                scope |= numbers_of(name, value)
    return scope


def numbers_of(name: str, value: Value) -> dict[str, Any]:
    if isinstance(value, ArrayValue):
        return {name: value.numbers}
    if isinstance(value, TreeValue):
        return {f"{name}.{path}": array.numbers for path, array in value.arrays}
    if isinstance(value, PlainValue) and value.number is not None:
        return {name: value.number}
    return {}


Axes = tuple[str, ...]


def axes_by_step(trace: Trace) -> list[dict[str, Axes]]:
    """For each step the names of the axes of what it read and made, as comments and docstrings have them."""
    known: dict[int, dict[str, Axes]] = {}
    result = []
    for step in trace.steps:
        names = known.setdefault(step.frame, {})
        source = read_source(step.file)
        if step.kind == "call":
            names |= source.functions[step.start].shapes
        else:
            comment = source.statements[step.first].shape
            arrays = [name for name, value in step.made if isinstance(value, ArrayValue)]
            if comment and arrays:
                names[arrays[0]] = comment
        here = {}
        for name, value in (*step.read, *step.made):
            if isinstance(value, ArrayValue) and name in names:
                fitted = fit(names[name], len(value.shape))
                if fitted is not None:
                    here[name] = fitted
        result.append(here)
    return result


def fit(axes: Axes, ndim: int) -> Axes | None:
    """`(..., L_q, d_k)` for an array of `ndim` axes: what the dots stand for has no names."""
    named = [axis for axis in axes if axis != "..."]
    missing = ndim - len(named)
    if missing < 0 or (missing > 0 and "..." not in axes):
        return None
    return ("",) * missing + tuple(named)


def masked_cells(scope: dict[str, Any], value: ArrayValue) -> np.ndarray | None:
    """Where a mask in the function's scope forbids attention, in the shape of scores or weights that fit it."""
    mask = scope.get("mask")
    if not isinstance(mask, np.ndarray) or mask.ndim < 2 or not value.whole:
        return None
    if value.shape[-2:] != mask.shape[-2:] or value.dtype == "bool":
        return None
    forbidden = ~mask if mask.dtype == np.bool_ else mask == -np.inf
    try:
        return np.broadcast_to(forbidden, value.shape)
    except ValueError:
        return None
