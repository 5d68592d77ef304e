"""What a learner sees in the terminal: through the library `rich` where it is installed, as plain text where it is not.

Both screens offer the same few methods, so that nobody who writes to them needs to know which one it is.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

INSTALL_HINT = "for colours and a live progress bar: pip install 'minitransformer[cli]'"

GOOD, BAD, DIM = "green", "bold red", "dim"


class Progress(Protocol):
    def update(self, done: int, message: str) -> None: ...


class Screen(Protocol):
    def heading(self, text: str) -> None: ...

    def say(self, text: str, style: str = "") -> None: ...

    def code(self, line: str) -> None: ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> None:
        """Rows of text; `styles` gives one style for each row."""

    def progress(self, total: int) -> AbstractContextManager[Progress]: ...


def make_screen() -> Screen:
    """The rich screen, or, with a hint on standard error about what to install, the plain one."""
    try:
        import rich  # noqa: F401
    except ImportError:
        print(INSTALL_HINT, file=sys.stderr)
        return PlainScreen()
    return RichScreen()


class SilentScreen:
    """Says nothing: for `--json`, where the result is the output."""

    def heading(self, text: str) -> None: ...

    def say(self, text: str, style: str = "") -> None: ...

    def code(self, line: str) -> None: ...

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None
    ) -> None: ...

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        yield SilentProgress()


class SilentProgress:
    def update(self, done: int, message: str) -> None: ...


class PlainScreen:
    def heading(self, text: str) -> None:
        print(f"\n== {text} ==")

    def say(self, text: str, style: str = "") -> None:
        print(text)

    def code(self, line: str) -> None:
        print(f"    {line}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> None:
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        for row in (columns, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        yield PlainProgress(total)


class PlainProgress:
    """A line for each tenth of the way: readable in a log file too."""

    def __init__(self, total: int):
        self.total = total
        self.tenths = 0

    def update(self, done: int, message: str) -> None:
        tenths = 10 * done // self.total
        if tenths > self.tenths:
            self.tenths = tenths
            print(f"  {10 * tenths:3d}%  {message}", flush=True)


class RichScreen:
    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)

    def heading(self, text: str) -> None:
        self.console.print()
        self.console.rule(f"[bold]{text}", align="left", characters="-" if self.console.options.ascii_only else "─")

    def say(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style, markup=False)

    def code(self, line: str) -> None:
        from rich.padding import Padding
        from rich.syntax import Syntax

        code = Syntax(line, "python", theme="ansi_dark", background_color="default", word_wrap=True)
        self.console.print(Padding(code, (0, 0, 0, 4)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str] | None = None) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, header_style="bold")
        for i, row in enumerate(rows):
            table.add_row(*map(Text, row), style=styles[i] if styles else "")
        self.console.print(table)

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        if not self.console.is_terminal:
            yield PlainProgress(total)
            return
        from rich import progress as rich_progress

        columns = (
            rich_progress.BarColumn(),
            rich_progress.TaskProgressColumn(),
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.TimeRemainingColumn(),
        )
        with rich_progress.Progress(*columns, console=self.console) as bar:
            yield RichProgress(bar, bar.add_task("", total=total))


class RichProgress:
    def __init__(self, bar: object, task: int):
        self.bar = bar
        self.task = task

    def update(self, done: int, message: str) -> None:
        self.bar.update(self.task, completed=done, description=message)
