"""The command line: `minitransformer`, the same as `python -m minitransformer`."""

import os

# The models of the tour are small, and a second thread costs them more than it gives. NumPy reads this when it is
# first imported, which is why nothing above this line imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence

from minitransformer import __version__
from minitransformer.commands import (
    comparing_pretraining,
    finetuning,
    language_models,
    learning,
    pretraining,
    translation,
)
from minitransformer.commands.common import Parser

INTERRUPTED = 130
CLOSED_PIPE = 141
NO_OUTPUT = 74


def parser() -> argparse.ArgumentParser:
    main_parser = Parser(
        prog="minitransformer",
        description="The Transformer from first principles. Without a command: the tour, in under 20 seconds.",
    )
    main_parser.add_argument("--version", action="version", version=f"minitransformer {__version__}")
    learning.add_tour(main_parser)
    commands = main_parser.add_subparsers(title="commands", metavar="")
    learning.add_commands(commands)
    train = commands.add_parser("train", help="train a model on real text, with checkpoints")
    models = train.add_subparsers(title="models", metavar="MODEL", required=True)
    language_models.add_train(models)
    translation.add_train(models)
    pretraining.add_pretrain(commands)
    finetuning.add_finetune(commands)
    language_models.add_generate(commands)
    translation.add_translate(commands)
    translation.add_attention(commands)
    pretraining.add_fill(commands)
    finetuning.add_answer(commands)
    finetuning.add_classify(commands)
    compare = commands.add_parser("compare", help="what each generation of models gave, measured")
    comparisons = compare.add_subparsers(title="comparisons", metavar="WHAT", required=True)
    language_models.add_compare(comparisons)
    comparing_pretraining.add_compare(comparisons)
    return main_parser


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; sentences may also stand after options, where argparse does not look for them any more."""
    main_parser = parser()
    arguments, rest = main_parser.parse_known_args(argv)
    if rest and (not hasattr(arguments, "sentences") or any(text.startswith("-") for text in rest)):
        main_parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.sentences += rest
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code.

    0: all is well; 1: a check failed; 2: bad input; 74: no room for the output; 130: Ctrl-C; 141: the pipe was closed.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None: closed by whoever started this
            stream.reconfigure(errors="replace")  # a console that is not UTF-8 shows `?` for what it cannot write
    arguments = parse(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader is gone, as in `minitransformer index | head`: nothing more is to be written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:  # what is left: the output cannot be written
        print(f"minitransformer: error: output: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_OUTPUT
    except KeyboardInterrupt:
        print("minitransformer: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
