"""Print a digest of the steps of each trace: the same on every version of Python.

diff <(python3.11 tests/learn/trace/steps.py) <(python3.13 tests/learn/trace/steps.py)
"""

import hashlib

from minitransformer.learn.trace.examples import record_example, traceable
from minitransformer.learn.trace.recorder import Step
from minitransformer.learn.trace.values import ArrayValue, Value


def shown(value: Value) -> str:
    """Without the last digits, which another NumPy may round otherwise."""
    if isinstance(value, ArrayValue):
        return f"{value.shape} {value.dtype}"
    return str(getattr(value, "kind", None) or value.text)


def line(step: Step) -> str:
    named = [f"{name} {shown(value)}" for name, value in (*step.made, *step.read)]
    return f"{step.frame} {step.function} {step.depth} {step.first}-{step.last} {step.kind} {step.call_site} {named}"


def main() -> None:
    for name in traceable():
        steps = record_example(name).trace.steps
        text = "\n".join(map(line, steps))
        print(name, len(steps), hashlib.sha256(text.encode()).hexdigest()[:16])


if __name__ == "__main__":
    main()
