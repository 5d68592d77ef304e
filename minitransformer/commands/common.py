"""What all commands share: how they are told things, and how they say that they cannot use them."""

import argparse
import sys
from typing import NoReturn

BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage, which `--help` shows."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}\n")


def add_seed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of all random numbers (default 0)")


def add_common(command: argparse.ArgumentParser) -> None:
    add_seed(command)
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected an integer, 0 or more")
    return int(text)


def bad_input(error: ValueError) -> int:
    """What the caller gave cannot be used: one line that says why."""
    print(f"minitransformer: error: {error}", file=sys.stderr)
    return BAD_INPUT
