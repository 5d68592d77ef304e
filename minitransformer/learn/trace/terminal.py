"""The trace in the terminal: each line that ran, indented by call depth, with what it assigned."""

import numpy as np

from minitransformer.learn.trace.examples import Recording
from minitransformer.learn.trace.links import gradients
from minitransformer.learn.trace.recorder import Step
from minitransformer.learn.trace.source import read_source
from minitransformer.learn.trace.values import ArrayValue, TreeValue, Value
from minitransformer.terminal import DIM, Screen

ROWS, COLUMNS = 6, 8  # of the numbers that are shown; the page shows all


def show(screen: Screen, recording: Recording) -> None:
    trace = recording.trace
    screen.heading(f"{recording.section}  {recording.name}: {recording.equation}")
    beside = gradients(trace)
    for i, step in enumerate(trace.steps):
        rail = "│ " * step.depth
        screen.say(f"{i:>4} {rail}{step.first:>4}  {source_line(step)}", style="bold" if step.kind == "call" else "")
        of = {pair.name: pair for pair in beside.get(i, [])}
        for name, value in step.made:
            pair = of.get(name)
            note = f"   the gradient of {pair.value_name}, step {pair.forward_step}" if pair else ""
            indent = f"     {rail}        "
            for line in describe(name, value, note):
                screen.say(indent + line, style=DIM)
    if recording.error is not None:
        screen.say(f"gradient against the complex step: relative error {recording.error:.1e}")
    if not trace.complete:
        screen.say("The trace stops here: there were more steps than are kept.")


def source_line(step: Step) -> str:
    """The statement's first line as it stands in the file, without what follows a comment sign."""
    line = read_source(step.file).lines[step.first - 1].strip()
    return line.partition("  #")[0] + (" ..." if step.last > step.first else "")


def describe(name: str, value: Value, note: str) -> list[str]:
    if isinstance(value, ArrayValue):
        return [f"{name} {value.shape} {value.dtype}{note}", *numbers(value)]
    if isinstance(value, TreeValue):
        shapes = ", ".join(f"{path} {array.shape}" for path, array in value.arrays)
        return [f"{name}: {value.kind} of {shapes}" if shapes else f"{name}: {value.kind}"]
    return [f"{name} = {value.text}"]


def numbers(value: ArrayValue) -> list[str]:
    """The last two axes of the first entry of the axes before them; the rest is announced."""
    if value.numbers.size == 0:
        return ["(no numbers)"]
    array = np.atleast_1d(value.numbers)
    matrix = array.reshape(-1, array.shape[-1]) if array.ndim < 2 else array[(0,) * (array.ndim - 2)]
    part = matrix[:ROWS, :COLUMNS]
    lines = [" ".join(number(x) for x in row) for row in part]
    size = int(np.prod(value.shape))
    return [*lines, f"({part.size} of {size} numbers)"] if part.size < size else lines


def number(x: float) -> str:
    if isinstance(x, np.bool_):
        return "  yes" if x else "   no"
    if isinstance(x, np.integer):
        return f"{x:5d}"
    return f"{x:8.3f}" if abs(x) < 1e4 or not np.isfinite(x) else f"{x:8.1e}"
