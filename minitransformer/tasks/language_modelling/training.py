"""A training that a person can trust: looked at on held-out text, kept on disk, stopped by Ctrl-C without a loss."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minitransformer.tasks.language_modelling.run import Run, look, save_run, steps
from minitransformer.tasks.language_modelling.text import Text
from minitransformer.training.interrupt import stop_on_interrupt
from minitransformer.training.loop import Step

LOOKS = 10  # at the held-out text, over the whole training
SAVE_SECONDS = 15.0
SMOOTHING = 0.98  # of the training loss that is shown


class Report(NamedTuple):
    step: Step
    training: float  # nats a word, a running mean
    run: Run


def carry_on(
    run: Run, text: Text, path: Path | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """Train to the run's goal. -> the run as it then is, and whether it was stopped before.

    With a `path`, the run is saved there every 15 seconds and at the end. Ctrl-C lets the step that runs finish, saves,
    and returns. What is looked at and saved in between has no effect on what is learned.
    """
    mean = None
    saved_at = time.perf_counter()
    looked_at = run.looks[-1].step if run.looks else 0
    next_look = 1 / LOOKS
    stopped_early = False
    with stop_on_interrupt() as stopped:
        for step in steps(run, text):
            run = run._replace(state=step.state)
            mean = step.loss if mean is None else SMOOTHING * mean + (1 - SMOOTHING) * step.loss
            if step.progress >= next_look:
                next_look = step.progress + 1 / LOOKS
                run, looked_at = look(run, text, mean), step.step
            if path is not None and time.perf_counter() - saved_at > SAVE_SECONDS:
                save_run(path, run)
                saved_at = time.perf_counter()
            report(Report(step, mean, run))
            if stopped():
                stopped_early = step.progress < 1
                break
        if mean is not None and looked_at != run.state.step:
            run = look(run, text, mean)
        if path is not None:
            save_run(path, run)
    return run, stopped_early
