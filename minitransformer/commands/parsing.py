"""All commands and their arguments. Importing this brings in NumPy and nearly all of the package."""

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


def parser() -> argparse.ArgumentParser:
    main_parser = Parser(
        prog="minitransformer",
        description="The Transformer from first principles. Without a command: the tour, in under 20 seconds.",
    )
    main_parser.add_argument("--version", action="version", version=f"minitransformer {__version__}")
    learning.add_tour(main_parser)
    commands = main_parser.add_subparsers(title="commands", metavar="", dest="command")
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
    compare = commands.add_parser("compare", help="measure what each generation of models gained")
    comparisons = compare.add_subparsers(title="comparisons", metavar="WHAT", required=True)
    language_models.add_compare(comparisons)
    comparing_pretraining.add_compare(comparisons)
    return main_parser


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; sentences may also follow options, where argparse no longer looks for them."""
    main_parser = parser()
    given = sys.argv[1:] if argv is None else list(argv)
    arguments, rest = main_parser.parse_known_args(given)
    if arguments.command and given[0] != arguments.command:  # argparse forgets what is before a command
        main_parser.error(f"{arguments.command}: got {given[0]} before the command, expected options after it")
    if rest and (not hasattr(arguments, "sentences") or any(text.startswith("-") for text in rest)):
        main_parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        arguments.sentences += rest
    return arguments
