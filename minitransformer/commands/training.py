"""What all commands that train a model share: how long, with which settings, where to keep it, and what is shown."""

import argparse
import contextlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from minitransformer.commands.common import bad_input, check_count, check_minutes, file_name, reason
from minitransformer.equations.chain_rule import bits
from minitransformer.files import Held, hold, hold_new, not_writable
from minitransformer.locks import create_locked
from minitransformer.tasks.run import Kind, Run, load_run
from minitransformer.terminal import DIM, Progress, Screen, SilentScreen, make_screen
from minitransformer.training.checkpoint import not_readable
from minitransformer.training.session import DivergedError, Goal, Report
from minitransformer.training.settings import MOST as MOST_OF_SETTINGS
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


def keeping(name: str, arguments: argparse.Namespace, train: Callable[[Held], int]) -> int:
    """Call `train` with the path of the run's file, held by this process from before the data are read."""
    try:
        path = path_to_keep(name, arguments)
    except ValueError as error:
        return bad_input(error)
    with path:
        return train(path)


def path_to_keep(name: str, arguments: argparse.Namespace) -> Held:
    """The path of `--out`, or a resumed run's own file, or the first free one of name-1.run, name-2.run, ...

    Free: it does not exist, and no other training holds it. Raises ValueError for a file that exists or that another
    training holds, and for a directory that does not exist.
    """
    if arguments.resume and arguments.out in (None, arguments.resume):
        return resumed_path(arguments.resume)
    return free_path(name) if arguments.out is None else new_path(Path(arguments.out))


def new_path(path: Path) -> Held:
    if not path.parent.is_dir():
        raise ValueError(f"out: there is no directory {str(path.parent)!r}, expected one that exists")
    try:
        return hold_new(path)
    except FileExistsError as error:
        raise ValueError(f"out: {str(path)!r} exists already, expected a new name, or --resume {path}") from error
    except BlockingIOError as error:
        raise ValueError(f"out: {str(path)!r} is in use by another training, expected a new name") from error
    except OSError as error:
        raise not_writable("out", path, error) from error


def free_path(name: str) -> Held:
    for number in itertools.count(1):
        path = f"{name}-{number}.run"
        try:
            return hold_new(path)
        except (FileExistsError, BlockingIOError):
            continue
        except OSError as error:
            raise not_writable("out", path, error) from error
    raise AssertionError


def resumed_path(path: str) -> Held:
    try:
        return hold(path)
    except FileNotFoundError as error:
        raise not_readable(path, error) from error
    except BlockingIOError as error:
        raise ValueError(f"resume: {path!r} is in use by another training, expected one that has ended") from error
    except OSError as error:
        raise not_writable("resume", path, error) from error


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Lock the directory where a comparison keeps its runs. Raises ValueError if it cannot."""
    if not directory.is_dir():
        raise ValueError(f"out: there is no directory {str(directory)!r}, expected one that exists")
    try:
        file = create_locked(directory / ".comparison")
    except OSError as error:
        raise not_writable("out", directory, error) from error
    if file is None:
        raise ValueError(f"out: {str(directory)!r} is in use by another comparison, expected another directory")
    try:
        yield
    finally:
        file.remove()


def goal_of(arguments: argparse.Namespace, before: Goal) -> Goal:
    """As long as the arguments say, or else as `before`."""
    if arguments.minutes is not None:
        check_minutes(arguments.minutes)
    if arguments.steps is not None:
        check_count("steps", arguments.steps)
    if arguments.accumulate is not None:
        check_count("accumulate", arguments.accumulate, maximum=MOST_OF_SETTINGS)
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
    if arguments.seed:  # 0 is the default, and is not told from none
        raise ValueError("seed: a run that is resumed keeps its own, expected no --seed beside --resume")


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


def resumed(arguments: argparse.Namespace, *kinds: Kind) -> Run:
    """The run to resume, which must be of one of these kinds. Raises ValueError for bad input."""
    run = load_run(arguments.resume, *kinds)
    check_resumed(arguments, run.kind.name, getattr(arguments, "model", None) or run.kind.name)
    return run._replace(goal=goal_of(arguments, run.goal))


def failed(error: MemoryError | ValueError, path: Held) -> int:
    """Say why a training cannot go on and, if it may have made some steps, what was saved."""
    if not isinstance(error, DivergedError | MemoryError):
        return bad_input(error)
    kept = f"the last checkpoint is in {path}" if os.path.exists(path) else "nothing was saved"
    return bad_input(f"{reason(error)}; {kept}")


def trained(
    arguments: argparse.Namespace,
    run: Run,
    about: str,
    carry_on: Callable[[Run, Callable[[Report], None]], tuple[Run, bool]],
    measure: Callable[[Run], dict[str, Any]],
    sentence: Callable[[dict[str, Any]], str],
    path: Held,
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
    except (MemoryError, ValueError) as error:
        return failed(error, path)
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
