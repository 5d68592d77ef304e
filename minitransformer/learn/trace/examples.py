"""What can be traced: each forward/backward pair at a random point, and each worked example of the text."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.learn import worked_examples
from minitransformer.learn.trace.recorder import Trace, record
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import gradient_error
from minitransformer.verify.index import INDEX


class Recording(NamedTuple):
    name: str
    section: str  # of the text
    equation: str  # as the index, or the worked example, has it
    trace: Trace
    error: float | None  # of the gradient, against the complex step; None for a worked example


def traceable() -> list[str]:
    """All names, pairs first, in the order of the text."""
    return [row.name for row in INDEX if row.backward] + [example.__name__ for example in worked_examples.EXAMPLES]


def record_example(name: str, seed: int = 0, backend: str = "auto") -> Recording:
    """Run and record one of them; a module's name stands for its first pair, as `encoder_layer` does.

    Raises ValueError for an unknown name, with the names that there are.
    """
    pairs = [row for row in INDEX if row.backward]
    by_name = [row for row in pairs if name in (row.name, row.function)]
    by_module = [row for row in pairs if name == row.module.rpartition(".")[2]]
    for row in (by_name + by_module)[:1]:
        rng = np.random.default_rng(seed)
        case = CASES[row.name](rng)
        trace = record(forward_and_backward(row.name, seed), backend=backend)
        return Recording(row.name, row.section, row.equation, trace, gradient_error(case, rng))
    for example in worked_examples.EXAMPLES:
        if name == example.__name__:
            section, formula = worked_examples.section_and_formula(example)
            rng = np.random.default_rng(seed)
            trace = record(functools.partial(example, rng), files=(worked_examples.__file__,), backend=backend)
            return Recording(name, section, formula, trace, None)
    raise ValueError(f"NAME: got {name!r}, expected one of {', '.join(traceable())}")


def forward_and_backward(name: str, seed: int) -> Callable[[], tuple[Any, tuple]]:
    """A pair at its random point: the forward, then the backward of a random gradient."""

    def run() -> tuple[Any, tuple]:
        rng = np.random.default_rng(seed)
        case = CASES[name](rng)
        y, cache = case.forward(*case.inputs)
        dy = rng.standard_normal(np.shape(y))
        return y, case.backward(dy, cache)

    return run
