"""Training a language model to its run's goal."""

from collections.abc import Callable

from minitransformer.files import StrPath
from minitransformer.tasks.language_modelling.run import Run, look, save_run, steps
from minitransformer.tasks.language_modelling.text import Text
from minitransformer.training import session
from minitransformer.training.session import Report


def carry_on(
    run: Run, text: Text, path: StrPath | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """As `session.carry_on`; with a `path`, the run is kept there."""
    save = None if path is None else lambda run: save_run(path, run)
    return session.carry_on(run, steps(run, text), lambda run, loss: look(run, text, loss), save, report)
