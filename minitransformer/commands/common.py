"""What all commands share: how they are told things, and how they say that they cannot use them."""

import argparse
import io
import math
import sys
from collections.abc import Iterable, Iterator
from typing import NoReturn, TextIO

from minitransformer.checks import check_text
from minitransformer.data.text_file import universal_newlines

BAD_INPUT = 2
NAMED = 20  # unknown words, at most
MOST = 10**12  # limit for anything that is counted, from steps to words


class Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: TextIO | None = None) -> None:
        """Where the message cannot be written, `main` tells; argparse would keep silent, with exit code 0."""
        if message:
            (file or sys.stderr).write(message)

    def error(self, message: str) -> NoReturn:
        """One line, without the usage, which `--help` shows."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}\n")


def add_seed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of all random numbers (default 0)")


def add_common(command: argparse.ArgumentParser) -> None:
    add_seed(command)
    add_json(command)


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected an integer, 0 or more")
    return int(text)


def check_count(name: str, value: int, minimum: int = 1, maximum: int = MOST) -> None:
    """Raises ValueError, naming the option, for a number that is too small, or too large for any machine."""
    if value < minimum:
        raise ValueError(f"{name}: got {value}, expected {minimum} or more")
    if value > maximum:
        raise ValueError(f"{name}: got {value}, expected at most {maximum}")


def check_alone(*names: str, given: argparse.Namespace) -> None:
    """Raises ValueError where more than one of these options is given: each says what to show, or where."""
    both = [f"--{name}" for name in names if getattr(given, name)]
    if len(both) > 1:
        raise ValueError(f"{both[0][2:]}: got {' and '.join(both)}, expected one of them")


def check_minutes(minutes: float) -> None:
    if not minutes > 0 or minutes == math.inf:
        raise ValueError(f"minutes: got {minutes}, expected a number above 0")
    if minutes > MOST:
        raise ValueError(f"minutes: got {minutes}, expected at most {MOST}")


def file_name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("got '', expected the name of a file")
    return text


def bad_input(error: Exception | str) -> int:
    """What the caller gave cannot be used: one line that says why."""
    print(f"minitransformer: error: {reason(error)}", file=sys.stderr)
    return BAD_INPUT


def tell_unknown(words: Iterable[str]) -> None:
    """Name the words that the model does not know, each once, so that nobody wonders about the answer."""
    names = [repr(word) for word in sorted(set(words))]
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        print(f"Not in the vocabulary, so taken for any word: {', '.join(names[:NAMED])}{more}", file=sys.stderr)


def text_of(name: str, value: str) -> str:
    """A text from the command line, read like a file with the same content. Raises ValueError if it is not UTF-8."""
    check_text(name, value)
    return universal_newlines(value)


def reason(error: Exception | str) -> str:
    if isinstance(error, MemoryError):
        return f"memory: {str(error) or 'not enough'}, expected something smaller"
    return str(error)


def utf8_lines(stream: TextIO | None) -> Iterator[str]:
    """Raises ValueError for a line that is not UTF-8, whatever the console takes for granted; and without a stream."""
    if stream is None:
        raise ValueError("standard input: it is closed, expected lines of UTF-8")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8-sig", errors="strict", newline=None)
    try:
        yield from stream
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input: not UTF-8 ({error.reason}), expected lines of UTF-8") from error
