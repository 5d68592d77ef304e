"""What all commands that train a model share: how long, with which settings, where to keep it, and what is shown."""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitransformer.commands.common import bad_input, file_name
from minitransformer.equations.chain_rule import bits
from minitransformer.files import check_writable
from minitransformer.learn.screen import DIM, Progress, Screen, SilentScreen, make_screen
from minitransformer.tasks.run import Kind, Run, load_run
from minitransformer.training.session import Goal, Report
from minitransformer.training.settings import described, with_changes

WHOLE = 1000  # what a progress bar of a training counts to
INTERRUPTED = 130


def add_keeping(command: argparse.ArgumentParser, name: str, settings: Any) -> None:
    """Where to keep the model, and with which settings to make it."""
    command.add_argument(
        "--out", type=file_name, metavar="RUN", help=f"where to keep it (default: {name}-1.run, -2, ...)"
    )
    command.add_argument(
        "--set",
        metavar="NAME=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help=f"other settings than {described(settings)}",
    )


def add_training(command: argparse.ArgumentParser) -> None:
    """How long to train, or with what to go on."""
    command.add_argument("--steps", type=int, metavar="N", help="of training (default: as the settings say)")
    command.add_argument("--minutes", type=float, metavar="M", help="of training; the learning rate falls with them")
    command.add_argument("--accumulate", type=int, metavar="N", help="batches a step, for a larger batch (default 1)")
    command.add_argument(
        "--resume", type=file_name, metavar="RUN", help="go on with this one, on its data, to its own end or a new one"
    )


def changed_settings(settings: Any, arguments: argparse.Namespace) -> Any:
    """With what `--set` says."""
    for text in arguments.set:
        if "=" not in text:
            raise ValueError(f"set: got {text!r}, expected NAME=VALUE")
    return with_changes(settings, dict(text.split("=", 1) for text in arguments.set))


def new_path(name: str, arguments: argparse.Namespace) -> Path:
    """Where `--out` says, or the first of name-1.run, name-2.run, ... that there is not.

    Raises ValueError for a file that exists, and for a directory that does not.
    """
    path = free_path(name) if arguments.out is None else Path(arguments.out)
    if not path.parent.is_dir():
        raise ValueError(f"out: there is no directory {str(path.parent)!r}, expected one that exists")
    check_writable("out", path)
    if path.exists():
        raise ValueError(f"out: {str(path)!r} exists already, expected a new name, or --resume {path}")
    return path


def resumed_path(arguments: argparse.Namespace) -> Path:
    """Where a resumed run goes on being kept: in its own file, or in a new one. Raises ValueError as `new_path`."""
    if arguments.out is None or arguments.out == arguments.resume:
        check_writable("resume", arguments.resume)
        return Path(arguments.resume)
    return new_path("", arguments)


def free_path(name: str) -> Path:
    number = 1
    while (path := Path(f"{name}-{number}.run")).exists():
        number += 1
    return path


def goal_of(arguments: argparse.Namespace, before: Goal) -> Goal:
    """As long as the arguments say, or else as `before`."""
    if arguments.minutes is not None and not 0 < arguments.minutes < math.inf:
        raise ValueError(f"minutes: got {arguments.minutes}, expected a number above 0")
    for name in ("steps", "accumulate"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ValueError(f"{name}: got {value}, expected 1 or more")
    accumulate = arguments.accumulate or before.accumulate
    if arguments.steps is None and arguments.minutes is None:
        return before._replace(accumulate=accumulate)
    seconds = None if arguments.minutes is None else 60 * arguments.minutes
    return Goal(arguments.steps, seconds, accumulate)


def check_resumed(arguments: argparse.Namespace, found: str, expected: str) -> None:
    """The run to go on with must be of the kind that was asked for, and keeps its settings."""
    if found != expected:
        raise ValueError(f"resume: {arguments.resume!r} is a run of {found}, expected one of {expected}")
    if arguments.set:
        raise ValueError("set: a run that is resumed keeps its settings, expected no --set beside --resume")


def show_progress(progress: Progress, report: Report, held_out: str, unit: str = "bits a word") -> None:
    """held_out: what the last look at held-out data came to; empty before the first one. unit: of the loss."""
    step = report.step
    progress.update(
        int(WHOLE * step.progress),
        f"step {step.step}  {bits(report.training):.3f} {unit}{held_out}  learning rate {step.rate:.1e}",
    )


def last_look(run: Any) -> str:
    """What the last look at held-out data came to, where that is a part that is right; empty before the first one."""
    return f", {run.looks[-1].validation:.0%} of validation right" if run.looks else ""


def resumed(arguments: argparse.Namespace, *kinds: Kind) -> tuple[Run, Path]:
    """The run of one of these kinds to go on with, and where to keep it. Raises ValueError for bad input."""
    run = load_run(arguments.resume, *kinds)
    check_resumed(arguments, run.kind.name, getattr(arguments, "model", None) or run.kind.name)
    return run._replace(goal=goal_of(arguments, run.goal)), resumed_path(arguments)


def trained(
    arguments: argparse.Namespace,
    run: Run,
    about: str,
    carry_on: Callable[[Run, Callable[[Report], None]], tuple[Run, bool]],
    measure: Callable[[Run], dict[str, Any]],
    sentence: Callable[[dict[str, Any]], str],
    path: Path,
    command: str,
    then: str,
) -> int:
    """Train with a progress bar, measure, and say what came of it, as text or as JSON.

    then: the command to go on with, `{}` where the run's path belongs
    """
    screen: Screen = SilentScreen() if arguments.json else make_screen()
    screen.say(f"{run.kind.name}: {run.n_weights:,} weights, {about}.")
    screen.say(described(run.settings), style=DIM)
    try:
        with screen.progress(WHOLE) as progress:
            run, stopped = carry_on(run, lambda r: show_progress(progress, r, last_look(r.run), "bits of loss"))
        measured = measure(run)
    except ValueError as error:
        return bad_input(error)
    screen.say(f"{'Stopped by Ctrl-C. ' if stopped else ''}{sentence(measured)} Kept in {path}.")
    screen.code(f"minitransformer {f'{command} --resume {path}' if stopped else then.format(path)}")
    if arguments.json:
        result = {
            "kind": run.kind.name,
            "settings": run.settings._asdict(),
            "weights": run.n_weights,
            "steps": run.state.step,
            "seconds": run.state.seconds,
            **measured,
            "looks": [entry._asdict() for entry in run.looks],
            "file": str(path),
            "stopped": stopped,
        }
        print(json.dumps(result, indent=2))
    return INTERRUPTED if stopped else 0
