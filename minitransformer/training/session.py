"""A training that a person can trust: looked at on held-out data, kept on disk, stopped by Ctrl-C without a loss."""

import contextlib
import copy
import math
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.training.adam import Adam
from minitransformer.training.interrupt import end_update, stop_on_interrupt
from minitransformer.training.loop import Step
from minitransformer.tree import unflatten

LOOKS = 10  # at the held-out data, over the whole training
SAVE_SECONDS = 15.0
SMOOTHING = 0.98  # of the training loss that is shown
EXPECTED = "expected finite numbers: the learning rate may be too high"


class Goal(NamedTuple):
    """How long to train: so many steps or so many seconds, whichever are over first; how many batches a step has."""

    steps: int | None = None
    seconds: float | None = None
    accumulate: int = 1


class Look(NamedTuple):
    """What a training had come to when held-out data were looked at."""

    step: int
    seconds: float  # of training
    training: float  # nats per token, a mean over the last steps
    validation: float  # nats per token or the part that is right, whatever the task measures


def looked(run: Any, training_loss: float, validation: float) -> Any:
    """The run with one more look at held-out data."""
    entry = Look(run.state.step, run.state.seconds, training_loss, validation)
    return run._replace(looks=(*run.looks, entry))


class Report(NamedTuple):
    step: Step
    training: float  # nats per token, a running mean
    run: Any


def carry_on(
    run: Any,
    steps: Iterator[Step],
    look: Callable[[Any, float], Any],
    save: Callable[[Any], None] | None = None,
    report: Callable[[Report], None] = lambda r: None,
) -> tuple[Any, bool]:
    """Train to the end of `steps`. -> the run as it then is, and whether it was stopped before.

    run: a NamedTuple with `state`, which each step replaces, and `looks`, a tuple of `Look`;
    look(run, training loss) -> the run with one more of them. With `save`, the run is saved every 15 seconds and at the
    end. Ctrl-C lets the current step finish, saves, and returns. Evaluating and saving have no effect on what is
    learned.

    What is saved is the state after a whole step, at whose weights the next step finds a finite loss and gradient.
    Raises DivergedError if it does not; then the last checkpoint stays.
    """
    mean = None
    step = due = None
    saved_at = time.perf_counter()
    looked_at = run.looks[-1].step if run.looks else 0
    next_look = 1 / LOOKS
    stopped_early = False
    quiet = np.errstate(all="ignore")  # `check_finite` reports NaN and infinity in one line
    with stop_on_interrupt() as stopped, kept(save, lambda: run, lambda: check_ahead(step)), quiet:
        for step in steps:
            check_finite(step)
            run = run._replace(state=step.state)
            end_update()
            if due is not None:
                save(due)  # now that its loss is known
                due = None
            mean = step.loss if mean is None else SMOOTHING * mean + (1 - SMOOTHING) * step.loss
            if step.progress >= next_look:
                next_look = step.progress + 1 / LOOKS
                run, looked_at = look(run, mean), step.step
            if save is not None and time.perf_counter() - saved_at > SAVE_SECONDS:
                due = apart(run)
                saved_at = time.perf_counter()
            report(Report(step, mean, run))
            if stopped():
                stopped_early = step.progress < 1
                break
        if save is not None:
            check_ahead(step)
            save(run)  # before anything slow, so that a second Ctrl-C loses nothing
        if mean is not None and looked_at != run.state.step:
            run = look(run, mean)
    return run, stopped_early


def apart(run: Any) -> Any:
    """A copy that further steps do not change."""
    flat, optimizer = run.state.weights.copy(), Adam(*map(copy.copy, run.state.optimizer))
    state = run.state._replace(weights=flat, optimizer=optimizer, rng=copy.deepcopy(run.state.rng))
    return run._replace(weights=unflatten(flat, run.weights), state=state)


@contextlib.contextmanager
def kept(
    save: Callable[[Any], None] | None, run: Callable[[], Any], check: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Save `run()` at the end, and also if something fails before, such as writing to a pipe.

    A diverged training is not saved, since the last checkpoint is worth more; nor is one that has not made a step.
    check: called after a failure; raises DivergedError for a run that must not be saved
    """
    try:
        yield
    except DivergedError:
        raise
    except BaseException as error:
        if save is not None and run().state.step:
            if isinstance(error, MemoryError):
                traceback.clear_frames(error.__traceback__)  # frees the arrays of the failed step
            else:
                check_if_possible(check)  # it may have failed because the training diverged
            save(run())
        raise
    if save is not None:
        save(run())


def check_if_possible(check: Callable[[], None]) -> None:
    """A check that fails, as the step did, or that Ctrl-C ends, counts as passed."""
    try:
        check()
    except DivergedError:
        raise
    except BaseException:
        return


class DivergedError(ValueError):
    """The loss or the gradient is no longer finite."""


def check_finite(step: Step) -> None:
    """Raises DivergedError, before the step can get into a checkpoint."""
    if not (math.isfinite(step.loss) and math.isfinite(step.norm)):
        raise DivergedError(
            f"training: step {step.step} has the loss {step.loss} and a gradient of norm {step.norm}, {EXPECTED}"
        )


def check_ahead(step: Step | None) -> None:
    """The same for the state after a step, if there is one and the next step has not started from it."""
    if step is None or step.ahead is None:
        return
    loss, norm = step.ahead()
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise DivergedError(
            f"training: step {step.step} leads to the loss {loss} and a gradient of norm {norm}, {EXPECTED}"
        )
