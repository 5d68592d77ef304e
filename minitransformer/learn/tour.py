"""The tour: the text's equations on worked examples, the gradient table, a language model trained on real text."""

import time
from typing import Any

import numpy as np

from minitransformer.learn import language_model
from minitransformer.learn.worked_examples import EXAMPLES, Example, code_lines, section_and_formula
from minitransformer.tasks.language_modelling.text import Text
from minitransformer.terminal import BAD, DIM, GOOD, Screen
from minitransformer.verify import gradient_table
from minitransformer.verify.gradient_check import TOLERANCE

Array = np.ndarray

SHOWN_IN_FULL = 40  # numbers; of a larger array only the shape is shown

NEXT_STEPS = (
    ("minitransformer check attention", "one gradient alone; minitransformer check for all"),
    ("minitransformer trace attention --open", "step through the code of attention in the browser, with all values"),
    ("minitransformer mistakes", "wrong code that real implementations shipped: find the mistake"),
    ("minitransformer index", "where each equation of the text stands in the code"),
    ("minitransformer --text FILE", "the same model on your own text"),
    ("minitransformer train gpt", "a larger one, in some minutes; then minitransformer generate gpt-1.run"),
    ("minitransformer compare lm", "what each generation of language models gave: bigram, FNN, RNN, GPT"),
    (
        'python -m pdb -c "from minitransformer.equations.softmax import softmax" -c "b softmax" -c c '
        "-m minitransformer check attention",
        "stop in the softmax of attention, in the debugger: n is the next line, p prints, w says where you are",
    ),
)


def tour(screen: Screen, text: Text, seed: int) -> dict[str, Any]:
    """Show everything on `screen`; return what was checked and measured, as one dictionary for `--json`."""
    start = time.perf_counter()
    screen.heading("1. The equations of the text, in order")
    examples = [show_example(screen, example, seed) for example in EXAMPLES]
    screen.heading("2. Is that really the gradient?")
    checks = show_gradients(screen, seed)
    screen.heading("3. A causal language model on real text")
    model = language_model.show(screen, text, seed)
    screen.heading("4. What to do next")
    show_next_steps(screen)
    passed = all(example["holds"] for example in examples) and all(c.passed for c in checks) and model["learned"]
    seconds = time.perf_counter() - start
    screen.say(
        f"\n{'Every check passed' if passed else 'A check FAILED'}, in {seconds:.1f} s.", style=GOOD if passed else BAD
    )
    return {
        "passed": passed,
        "seed": seed,
        "seconds": seconds,
        "examples": examples,
        "gradients": [c.as_dict() for c in checks],
        "language_model": model,
    }


def show_example(screen: Screen, example: Example, seed: int) -> dict[str, Any]:
    """Run one worked example; show its formula, and each line of its code with the value that it made."""
    section, formula = section_and_formula(example)
    values = example(np.random.default_rng(seed))
    holds = bool(values["holds"])
    screen.say("")
    screen.say(f"{section}  {formula}", style="bold")
    for line, names in code_lines(example):
        screen.code(line)
        for name in names:
            if name != "holds":
                screen.say(describe(name, values[name]), style=DIM)
    screen.say("    holds" if holds else "    DOES NOT HOLD", style=GOOD if holds else BAD)
    arrays = {name: array_record(value) for name, value in values.items() if isinstance(value, np.ndarray)}
    return {
        "name": example.__name__,
        "section": section,
        "formula": formula,
        "code": [line for line, _ in code_lines(example)],
        "arrays": arrays,
        "holds": holds,
    }


def describe(name: str, value: Any) -> str:
    """An array as its shape and, if there are few, its numbers; another value as it prints, if that is short."""
    indent = " " * 8
    if isinstance(value, np.ndarray) and value.size > SHOWN_IN_FULL:
        return f"{indent}{name}: {value.shape} {value.dtype}"
    if isinstance(value, np.ndarray):
        numbers = np.array2string(value, precision=3, suppress_small=True, prefix=indent, floatmode="maxprec")
        return f"{indent}{name}: {value.shape}\n{indent}{numbers}"
    if isinstance(value, int | float | np.generic):
        return f"{indent}{name} = {value:.6g}"
    return f"{indent}{name}: {type(value).__name__}"


def array_record(value: Array) -> dict[str, Any]:
    record: dict[str, Any] = {"shape": value.shape, "dtype": str(value.dtype)}
    if value.size <= SHOWN_IN_FULL:
        record["values"] = value.tolist()
    return record


def show_gradients(screen: Screen, seed: int) -> list[gradient_table.Check]:
    checks = [gradient_table.check(row, seed) for row in gradient_table.rows_named(None)]
    screen.say(
        f"Each backward against the complex step, for every input and weight, relative error below {TOLERANCE:.0e}:"
    )
    gradient_table.show(screen, checks)
    return checks


def show_next_steps(screen: Screen) -> None:
    for command, purpose in NEXT_STEPS:
        screen.code(command)
        screen.say(f"        {purpose}", style=DIM)
