"""Commands for pretraining: let BERT learn from text, and let it fill masks."""

import argparse
import json
from typing import Any

from minitransformer.commands.common import add_common, add_json, bad_input, tell_unknown, text_of
from minitransformer.commands.training import (
    add_keeping,
    add_training,
    changed_settings,
    goal_of,
    keeping,
    resumed,
    trained,
)
from minitransformer.data.corpus import load_corpus
from minitransformer.data.documentation import documentation
from minitransformer.files import Held
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.pretraining.filling import MARK, fill
from minitransformer.tasks.run import Run, load_run
from minitransformer.training.session import Goal

SHOWN = {"\n": "(new line)"}  # how a word is written that cannot be seen


def add_pretrain(commands: Any) -> None:
    """`pretrain bert`."""
    pretrain = commands.add_parser("pretrain", help="learn from text that nobody has labelled")
    models = pretrain.add_subparsers(title="models", metavar="MODEL", required=True)
    command = models.add_parser("bert", help="sections 2.3.1 and 3.3: masked words, and pairs of sentences")
    command.add_argument(
        "--text", metavar="FILE", nargs="+", action="extend", help="UTF-8 text (default: Python's documentation)"
    )
    add_keeping(command, "bert", bert.BERT.settings)
    add_training(command)
    command.set_defaults(run=run_pretrain)
    add_common(command)


def add_fill(commands: Any) -> None:
    command = commands.add_parser("fill", help="guess the words that are masked in a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `pretrain bert` wrote")
    command.add_argument("text", metavar="TEXT", help="with [MASK] for each word to guess")
    command.add_argument("--top", type=int, default=5, metavar="K", help="guesses for each (default 5)")
    add_json(command)
    command.set_defaults(run=run_fill)


def run_pretrain(arguments: argparse.Namespace) -> int:
    return keeping("bert", arguments, lambda path: train(arguments, path))


def train(arguments: argparse.Namespace, path: Held) -> int:
    try:
        if arguments.resume:
            run = resumed(arguments, bert.BERT)
            if arguments.text:
                raise ValueError("text: a run that is resumed keeps its own, expected no --text beside --resume")
            text = bert.prepare(corpus_of(run.about.get("paths")), run.vocabulary)
            bert.check_text(run, text)
        else:
            settings = changed_settings(bert.BERT.settings, arguments)
            goal = goal_of(arguments, Goal(steps=settings.steps))
            text = bert.prepare(corpus_of(arguments.text), settings.vocabulary)
            run = bert.begin(settings, text, arguments.seed, tuple(arguments.text or ()))._replace(goal=goal)
    except (MemoryError, TypeError, ValueError) as error:
        return bad_input(error)
    about = f"on {text.source}: {text.training.n_tokens:,} tokens to learn from"
    return trained(
        arguments,
        run,
        about,
        lambda run, report: bert.carry_on(run, text, path, report),
        lambda run: bert_facts(run, text),
        lambda facts: (
            f"Masked words of the test text guessed right: {facts['masked words']:.1%} (the most frequent word: "
            f"{facts['most frequent word']:.1%}, a table of neighbours on both sides: {facts['neighbours']:.1%}). "
            f"Pairs told right: {facts['next sentences']:.1%}."
        ),
        path,
        "pretrain bert",
        'fill {} "the [MASK] statement"',
    )


def corpus_of(paths: list[str] | None) -> Any:
    return load_corpus(paths) if paths else documentation()


def bert_facts(run: Run, text: bert.Text) -> dict[str, Any]:
    found = bert.accuracy(run, bert.held_out(text.test, run, bert.JUDGE_AT))
    without = bert.baselines(run, text)
    return {
        "text": text.source,
        "masked words": found.word,
        "next sentences": found.next,
        "most frequent word": without.most_frequent,
        "neighbours": without.neighbours,
    }


def run_fill(arguments: argparse.Namespace) -> int:
    try:
        run, text = load_run(arguments.checkpoint, bert.BERT), text_of("text", arguments.text)
        guesses = fill(run, text, arguments.top)
        tell_unknown(run.vocabulary.unknown(text.replace(MARK, " ")))
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        print(json.dumps([[{"word": word, "probability": p} for word, p in of_one] for of_one in guesses]))
    else:
        for of_one in guesses:
            print(", ".join(f"{SHOWN.get(word, word)} {p:.1%}" for word, p in of_one))
    return 0
