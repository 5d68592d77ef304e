"""The command line: `minitransformer`, the same as `python -m minitransformer`."""

import os

# The models of the tour are small, and a second thread costs them more than it gives. NumPy reads this when it is
# first imported, which is why nothing above this line imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from minitransformer import __version__
from minitransformer.data.corpus import load_corpus
from minitransformer.files import write_whole
from minitransformer.learn import gradient_table, index
from minitransformer.learn.mistakes import show
from minitransformer.learn.mistakes.gallery import find
from minitransformer.learn.screen import SilentScreen, make_screen
from minitransformer.learn.tour import tour
from minitransformer.learn.trace import page, terminal
from minitransformer.learn.trace.examples import Recording, record_example
from minitransformer.tasks.language_modelling import Settings, prepare

BAD_INPUT = 2
INTERRUPTED = 130
CLOSED_PIPE = 141


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage, which `--help` shows."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}\n")


def parser() -> Parser:
    main_parser = Parser(
        prog="minitransformer",
        description="The Transformer from first principles. Without a command: the tour, in under 20 seconds.",
    )
    main_parser.add_argument("--version", action="version", version=f"minitransformer {__version__}")
    main_parser.add_argument("--text", metavar="FILE", help="train the tour's language model on this UTF-8 text file")
    main_parser.set_defaults(run=run_tour)
    add_common(main_parser)
    commands = main_parser.add_subparsers(title="commands", metavar="")
    check = commands.add_parser("check", help="the gradient table: each backward against the complex step")
    check.add_argument("name", nargs="?", metavar="NAME", help="a function or module, such as attention; default: all")
    check.set_defaults(run=run_check)
    add_common(check)
    trace = commands.add_parser("trace", help="step through a function, forward and backward, with its values")
    trace.add_argument("name", metavar="NAME", help="a function such as attention, or one of the tour's examples")
    trace.add_argument("--html", metavar="FILE", help="write the trace as a page to step through in a browser")
    trace.add_argument("--open", action="store_true", help="show the page in the browser")
    trace.set_defaults(run=run_trace)
    add_seed(trace)
    mistakes = commands.add_parser("mistakes", help="wrong code that real implementations shipped, and what catches it")
    mistakes.add_argument("name", nargs="?", metavar="NAME", help="one of them, traced beside the right code")
    mistakes.add_argument("--exercise", action="store_true", help="its code alone: find the mistake")
    mistakes.add_argument("--html", metavar="FILE", help="write right and wrong code as one page to step through")
    mistakes.set_defaults(run=run_mistakes)
    add_common(mistakes)
    show_index = commands.add_parser("index", help="where each equation of the text stands in the code")
    show_index.add_argument("--markdown", action="store_true", help="as the table of the README")
    show_index.set_defaults(run=run_index)
    add_common(show_index)
    return main_parser


def add_seed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of all random numbers (default 0)")


def add_common(command: argparse.ArgumentParser) -> None:
    add_seed(command)
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected an integer, 0 or more")
    return int(text)


def run_tour(arguments: argparse.Namespace) -> int:
    settings = Settings()
    try:
        data = prepare(load_corpus(arguments.text), settings)
    except ValueError as error:
        return bad_input(error)
    screen = SilentScreen() if arguments.json else make_screen()
    result = tour(screen, data, settings, arguments.seed)
    if arguments.json:
        print(json.dumps(result, indent=2))
    return 0 if result["passed"] else 1


def run_check(arguments: argparse.Namespace) -> int:
    try:
        rows = gradient_table.rows_named(arguments.name)
    except ValueError as error:
        return bad_input(error)
    checks = [gradient_table.check(row, arguments.seed) for row in rows]
    if arguments.json:
        print(json.dumps([c.as_dict() for c in checks], indent=2))
    else:
        gradient_table.show(make_screen(), checks)
    return 0 if all(c.passed for c in checks) else 1


def run_trace(arguments: argparse.Namespace) -> int:
    try:
        recording = record_example(arguments.name, arguments.seed)
        if arguments.html is None and not arguments.open:
            terminal.show(make_screen(), recording)
            return 0
        path = Path(arguments.html or f"{recording.name}.html")
        write_page(path, recording)
    except ValueError as error:
        return bad_input(error)
    if arguments.open:
        webbrowser.open(path.resolve().as_uri())
    return 0


def write_page(path: Path, recording: Recording) -> None:
    """Raises ValueError where it cannot be written, or where the library for its formulas is missing."""
    try:
        text = page.build(recording)
    except ImportError as error:
        raise ValueError(page.INSTALL_HINT) from error
    write_whole(path, text.encode())
    print(f"{len(recording.trace.steps)} steps in {path}")


def run_mistakes(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(show.as_dicts(), indent=2))
        return 0
    try:
        if arguments.name is None:
            show.show_list(make_screen())
            return 0
        entry = find(arguments.name)
        if arguments.html:
            write_page(Path(arguments.html), show.both(entry, arguments.seed))
            return 0
    except ValueError as error:
        return bad_input(error)
    if arguments.exercise:
        show.show_exercise(make_screen(), entry)
    else:
        show.show_answer(make_screen(), entry, arguments.seed)
    return 0


def run_index(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(index.as_dicts(), indent=2))
    elif arguments.markdown:
        print(index.as_markdown())
    else:
        index.show(make_screen())
    return 0


def bad_input(error: ValueError) -> int:
    """What the caller gave cannot be used: one line that says why."""
    print(f"minitransformer: error: {error}", file=sys.stderr)
    return BAD_INPUT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    0: all is well; 1: a check failed; 2: bad input; 130: Ctrl-C; 141: the pipe was closed.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows `?` for what it cannot write
    arguments = parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader is gone, as in `minitransformer index | head`: nothing more is to be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except KeyboardInterrupt:
        print("minitransformer: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
