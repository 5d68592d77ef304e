"""The gallery in the terminal: the list, one mistake with its answer, or as an exercise without it."""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minitransformer.learn.mistakes import wrong_code
from minitransformer.learn.mistakes.answers import ANSWERS
from minitransformer.learn.mistakes.gallery import GALLERY, Mistake, difference
from minitransformer.learn.trace import terminal
from minitransformer.learn.trace.examples import Recording
from minitransformer.learn.trace.recorder import record
from minitransformer.terminal import DIM, Screen


def show_list(screen: Screen) -> None:
    for entry in GALLERY:
        screen.say(f"{entry.name}, off by {off_by(entry)}", style="bold")
        screen.say(ANSWERS[entry.name])
        screen.say(f"caught by {entry.test}\n", style=DIM)
    screen.say("minitransformer mistakes NAME shows one of them, traced beside the right code;")
    screen.say("minitransformer mistakes NAME --exercise shows the code alone: find it.")


def show_exercise(screen: Screen, entry: Mistake) -> None:
    screen.heading(f"{entry.name}: find the mistake")
    for line in inspect.getsource(entry.wrong).splitlines():
        screen.code(line)
    screen.say(f"\nThe answer: minitransformer mistakes {entry.name}")


def show_answer(screen: Screen, entry: Mistake, seed: int) -> None:
    screen.heading(entry.name)
    for line in inspect.getsource(entry.wrong).splitlines():
        screen.code(line)
    screen.say(f"\n{ANSWERS[entry.name]}")
    screen.say(f"Off by {off_by(entry)}. Caught by {entry.test}.")
    for title, function in (("right", entry.right), ("wrong", entry.wrong)):
        terminal.show(screen, recording(title, entry, function, seed))


def recording(title: str, entry: Mistake, function: Callable[..., Any], seed: int) -> Recording:
    """The right or the wrong function on the same arguments."""
    arguments = entry.arguments(np.random.default_rng(seed))
    trace = record(lambda: function(*arguments), files=(wrong_code.__file__,))
    return Recording(function.__name__, title, "", trace, None)


def both(entry: Mistake, seed: int) -> Recording:
    """First the right, then the wrong function, in one trace: for the page."""
    right, wrong = (entry.arguments(np.random.default_rng(seed)) for _ in range(2))

    def run() -> None:
        entry.right(*right)
        entry.wrong(*wrong)

    return Recording(
        entry.name, "the right code, then the wrong", ANSWERS[entry.name], record(run, (wrong_code.__file__,)), None
    )


def as_dicts(entries: Iterable[Mistake] = GALLERY) -> list[dict[str, Any]]:
    """For `--json`."""
    return [
        {
            "name": entry.name,
            "function": entry.right.__name__,
            "wrong": ANSWERS[entry.name],
            "off_by": number if math.isfinite(number := difference(entry)) else None,
            "test": entry.test,
        }
        for entry in entries
    ]


def off_by(entry: Mistake) -> str:
    return f"{difference(entry):.1%}"
