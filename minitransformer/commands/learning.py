"""Commands for whoever learns: the tour, the gradient table, traces, mistakes, and the index."""

import argparse
import json
import webbrowser
from pathlib import Path
from typing import Any

from minitransformer.commands.common import add_common, add_json, add_seed, bad_input, check_alone, file_name
from minitransformer.data.corpus import load_corpus
from minitransformer.files import write_whole
from minitransformer.learn.language_model import SETTINGS
from minitransformer.learn.mistakes import show
from minitransformer.learn.mistakes.gallery import GALLERY, find
from minitransformer.learn.tour import tour
from minitransformer.learn.trace import page, terminal
from minitransformer.learn.trace.examples import Recording, record_example
from minitransformer.tasks.language_modelling.text import check_long_enough, prepare
from minitransformer.terminal import SilentScreen, make_screen
from minitransformer.verify import gradient_table, index


def add_tour(parser: argparse.ArgumentParser) -> None:
    """What is done without a command."""
    parser.add_argument(
        "--text", metavar="FILE", action="append", help="train the tour's language model on this UTF-8 text file"
    )
    parser.set_defaults(run=run_tour)
    add_common(parser)


def add_commands(commands: Any) -> None:
    check = commands.add_parser("check", help="the gradient table: each backward against the complex step")
    check.add_argument("name", nargs="?", metavar="NAME", help="a function or module, such as attention; default: all")
    check.set_defaults(run=run_check)
    add_common(check)
    trace = commands.add_parser("trace", help="step through a function, forward and backward, with its values")
    trace.add_argument("name", metavar="NAME", help="a function such as attention, or one of the tour's examples")
    trace.add_argument(
        "--html", type=file_name, metavar="FILE", help="write the trace as a page to step through in a browser"
    )
    trace.add_argument("--open", action="store_true", help="show the page in the browser")
    trace.set_defaults(run=run_trace)
    add_seed(trace)
    mistakes = commands.add_parser("mistakes", help="wrong code that real implementations shipped, and what catches it")
    mistakes.add_argument("name", nargs="?", metavar="NAME", help="one of them, traced beside the right code")
    mistakes.add_argument("--exercise", action="store_true", help="its code alone: find the mistake")
    mistakes.add_argument(
        "--html", type=file_name, metavar="FILE", help="write right and wrong code as one page to step through"
    )
    mistakes.set_defaults(run=run_mistakes)
    add_common(mistakes)
    show_index = commands.add_parser("index", help="where each equation of the text stands in the code")
    show_index.add_argument("--markdown", action="store_true", help="as the table of the README")
    show_index.set_defaults(run=run_index)
    add_json(show_index)


def run_tour(arguments: argparse.Namespace) -> int:
    try:
        text = prepare(load_corpus(arguments.text or ()))
        check_long_enough(text, SETTINGS.context)
    except ValueError as error:
        return bad_input(error)
    screen = SilentScreen() if arguments.json else make_screen()
    result = tour(screen, text, arguments.seed)
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
    try:
        check_alone("exercise", "html", "json", given=arguments)
        entry = None if arguments.name is None else find(arguments.name)
        if arguments.json:
            print(json.dumps(show.as_dicts((entry,) if entry else GALLERY), indent=2))
        elif entry is None:
            check_name(arguments)
            show.show_list(make_screen())
        elif arguments.html:
            write_page(Path(arguments.html), show.both(entry, arguments.seed))
        elif arguments.exercise:
            show.show_exercise(make_screen(), entry)
        else:
            show.show_answer(make_screen(), entry, arguments.seed)
    except ValueError as error:
        return bad_input(error)
    return 0


def check_name(arguments: argparse.Namespace) -> None:
    """Raises ValueError for what needs the name of a mistake, where there is none."""
    for option, is_given in (("--exercise", arguments.exercise), ("--html", arguments.html)):
        if is_given:
            raise ValueError(f"NAME: got nothing, expected the name of a mistake beside {option}")


def run_index(arguments: argparse.Namespace) -> int:
    try:
        check_alone("markdown", "json", given=arguments)
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        print(json.dumps(index.as_dicts(), indent=2))
    elif arguments.markdown:
        print(index.as_markdown())
    else:
        index.show(make_screen())
    return 0
