"""Commands for language models: train one, let it write, compare them all."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from minitransformer.commands.common import (
    add_common,
    add_seed,
    bad_input,
    check_count,
    check_minutes,
    file_name,
    tell_unknown,
    text_of,
)
from minitransformer.commands.training import (
    INTERRUPTED,
    WHOLE,
    add_keeping,
    add_training,
    alone_in,
    changed_settings,
    check_resumed,
    failed,
    goal_of,
    keeping,
    show_progress,
)
from minitransformer.data.corpus import VALIDATION, load_corpus
from minitransformer.data.vocabularies import KINDS as VOCABULARIES
from minitransformer.data.vocabulary import Characters
from minitransformer.decoding.sampling import SamplingParams, check_params
from minitransformer.equations.chain_rule import bits
from minitransformer.files import Held, check_writable
from minitransformer.tasks.language_modelling import plot
from minitransformer.tasks.language_modelling.evaluation import compressors, context_of, score
from minitransformer.tasks.language_modelling.kind import Kind
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.ladder import Result, climb, rungs
from minitransformer.tasks.language_modelling.run import Run, began_with, load_run, new_run, save_run
from minitransformer.tasks.language_modelling.text import Text, prepare
from minitransformer.tasks.language_modelling.training import carry_on
from minitransformer.tasks.language_modelling.writing import written
from minitransformer.tasks.picture import check_library
from minitransformer.terminal import DIM, Screen, SilentScreen, make_screen
from minitransformer.training.session import Goal, Report
from minitransformer.training.settings import MOST as MOST_OF_SETTINGS
from minitransformer.training.settings import described

VOCABULARY_SIZE = 4096  # where nothing else is asked for


def add_generate(commands: Any) -> None:
    generate = commands.add_parser("generate", help="let a trained language model write")
    generate.add_argument("checkpoint", metavar="RUN", help="what `train` wrote")
    generate.add_argument("--prompt", default="\n", help="what it goes on from (default: a new line)")
    generate.add_argument("--length", type=int, default=500, metavar="N", help="words to write (default 500)")
    generate.add_argument(
        "--temperature", type=float, default=0.8, metavar="T", help="0: the likeliest word; 1: as the model has it"
    )
    generate.add_argument("--top-k", type=int, metavar="K", help="only the K likeliest words")
    generate.add_argument(
        "--top-p", type=float, default=1.0, metavar="P", help="only the likeliest that have P together"
    )
    generate.set_defaults(run=run_generate)
    add_seed(generate)


def add_train(kinds: Any) -> None:
    """`train ngram`, `train fnn`, `train rnn`, `train gpt`."""
    for kind in KINDS.values():
        train = kinds.add_parser(kind.name, help=f"section {kind.section}: {described(kind.settings)}")
        add_text(train)
        add_keeping(train, kind.name, kind.settings)
        train.set_defaults(run=run_train, kind=kind)
        add_common(train)
        if kind.training is None:
            train.set_defaults(steps=None, minutes=None, accumulate=1, resume=None)
        else:
            add_training(train)


def add_compare(comparisons: Any) -> None:
    """`compare lm`."""
    compare = comparisons.add_parser("lm", help="the ladder of language models on one text, from bigram to GPT")
    add_text(compare)
    compare.add_argument("--minutes", type=float, default=10.0, metavar="M", help="in all (default 10)")
    compare.add_argument("--out", type=file_name, metavar="DIR", help="keep the trained models there")
    compare.add_argument(
        "--plot", type=file_name, metavar="FILE", help="draw the ladder as a PNG file (needs the extra `plots`)"
    )
    compare.set_defaults(run=run_compare)
    add_common(compare)


def add_text(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--text",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="UTF-8 text to learn from (default: the Python language reference)",
    )
    command.add_argument("--vocabulary", choices=VOCABULARIES, help=f"what a word is (default {VOCABULARIES[0]})")
    command.add_argument(
        "--vocabulary-size", type=int, metavar="V", help=f"of words or byte pairs (default {VOCABULARY_SIZE})"
    )


def run_train(arguments: argparse.Namespace) -> int:
    return keeping(arguments.kind.name, arguments, lambda path: train(arguments, path))


def train(arguments: argparse.Namespace, path: Held) -> int:
    try:
        run, text = resumed(arguments) if arguments.resume else begun(arguments)
    except (MemoryError, TypeError, ValueError) as error:
        return bad_input(error)
    screen = SilentScreen() if arguments.json else make_screen()
    screen.say(
        f"{run.kind.name}: {run.n_weights:,} weights, {text.vocabulary.size:,} words in the vocabulary, on "
        f"{text.corpus.source}: {len(text.training):,} words to learn from."
    )
    screen.say(described(run.settings), style=DIM)
    stopped = False
    try:
        if run.state is None:
            save_run(path, run)
        else:
            with screen.progress(WHOLE) as progress:
                run, stopped = carry_on(run, text, path, lambda r: show_progress(progress, r, last_look(r.run)))
    except (MemoryError, ValueError) as error:
        return failed(error, path)
    screen.say(f"{'Stopped by Ctrl-C. ' if stopped else ''}Kept in {path}. On held-out text:", style=DIM)
    result = facts(run, text) | {"file": str(path), "stopped": stopped}
    if result["unknown words"]:
        screen.say(f"{result['unknown words']:.1%} of the test words are unknown; their spelling is in the bits below.")
    screen.say(
        f"{shown(result['validation bits a character'])} bits a character on the validation text, "
        f"{shown(result['test bits a character'])} on the test text."
    )
    screen.code(f"minitransformer {'train ' + run.kind.name + ' --resume' if stopped else 'generate'} {path}")
    if arguments.json:
        print(json.dumps(result, indent=2))
    return INTERRUPTED if stopped else 0


def begun(arguments: argparse.Namespace) -> tuple[Run, Text]:
    """A new run. Raises ValueError for bad input."""
    kind: Kind = arguments.kind
    settings = changed_settings(kind.settings, arguments)
    goal = goal_of(arguments, Goal(steps=getattr(settings, "steps", None)))
    text = text_to_learn(arguments)
    return new_run(kind, settings, text, arguments.seed)._replace(goal=goal), text


def text_to_learn(arguments: argparse.Namespace) -> Text:
    """Raises ValueError for bad input."""
    kind = arguments.vocabulary or VOCABULARIES[0]
    size = VOCABULARY_SIZE if arguments.vocabulary_size is None else arguments.vocabulary_size
    check_count("vocabulary_size", size, maximum=MOST_OF_SETTINGS)
    if kind == Characters.kind and arguments.vocabulary_size is not None:
        raise ValueError(f"vocabulary_size: got {size}, expected none for characters, which are those of the text")
    return prepare(load_corpus(arguments.text), kind=kind, size=size)


def resumed(arguments: argparse.Namespace) -> tuple[Run, Text]:
    """A run that goes on. Raises ValueError for bad input, and for a text that is not the one that it began with."""
    run = load_run(arguments.resume)
    check_resumed(arguments, run.kind.name, arguments.kind.name)
    if (arguments.vocabulary, arguments.vocabulary_size) != (None, None):
        raise ValueError(
            "vocabulary: a run that is resumed keeps its own, expected no --vocabulary and no --vocabulary-size"
        )
    goal = goal_of(arguments, run.goal)
    text = prepare(load_corpus(arguments.text or run.paths), run.vocabulary)
    if not began_with(run, text):
        raise ValueError(f"text: got {text.corpus.source}, expected the text that the run began with, unchanged")
    return run._replace(goal=goal), text


def last_look(run: Run) -> str:
    return f", held out {bits(run.looks[-1].validation):.3f}" if run.looks else ""


def facts(run: Run, text: Text) -> dict[str, Any]:
    """What was trained and what came of it, for `--json`."""
    on_test = score(run, text)
    return {
        "kind": run.kind.name,
        "settings": run.settings._asdict(),
        "source": text.corpus.source,
        "vocabulary": text.vocabulary.size,
        "words": {"training": len(text.training), "validation": len(text.validation), "test": len(text.test)},
        "weights": run.n_weights,
        "steps": run.state.step if run.state else 0,
        "seconds": run.state.seconds if run.state else 0.0,
        "validation bits a character": finite(score(run, text, VALIDATION).per_character),
        "test bits a character": finite(on_test.per_character),
        "test bits a word": finite(on_test.per_word),
        "test perplexity": finite(on_test.perplexity),
        "test bits a word, unseen contexts": finite(on_test.unseen),
        "unknown words": on_test.unknown,
        "looks": [entry._asdict() for entry in run.looks],
    }


def finite(value: float) -> float | None:
    """JSON has no infinity, and nothing that is no number."""
    return value if math.isfinite(value) else None


def shown(value: float | None) -> str:
    return "infinitely many" if value is None else f"{value:.3f}"


def run_generate(arguments: argparse.Namespace) -> int:
    try:
        run = load_run(arguments.checkpoint)
        params = SamplingParams(arguments.temperature, arguments.top_k, arguments.top_p)
        check_params(params)
        check_count("length", arguments.length, minimum=0)
        prompt = text_of("prompt", arguments.prompt)
        pieces = written(run, prompt, arguments.length, params, np.random.default_rng(arguments.seed))
    except (TypeError, ValueError) as error:
        return bad_input(error)
    tell_unknown(run.vocabulary.unknown(prompt))
    print(prompt, end="", flush=True)
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    except ValueError as error:  # such as a model whose logits are NaN
        print(flush=True)
        return bad_input(error)
    print()
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        return compare(arguments)
    try:
        with alone_in(Path(arguments.out)):
            return compare(arguments)
    except ValueError as error:
        return bad_input(error)


def compare(arguments: argparse.Namespace) -> int:
    try:
        check_minutes(arguments.minutes)
        if arguments.plot:
            check_library()
            check_writable("plot", arguments.plot)
        if arguments.out:
            check_empty(Path(arguments.out))
        text = text_to_learn(arguments)
        screen = SilentScreen() if arguments.json else make_screen()
        results = show_climb(screen, text, arguments)
        packed = compressors(text)
        show_ladder(screen, text, results, packed)
        if arguments.plot:
            plot.plot_ladder(arguments.plot, results, packed)
            screen.say(f"Drawn in {arguments.plot}.")
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        rows = [facts(result.run, text) | {"name": result.rung.name} for result in results]
        print(json.dumps({"models": rows, "compressors, bits a character": packed}, indent=2))
    return INTERRUPTED if any(result.stopped for result in results) else 0


def check_empty(directory: Path) -> None:
    """Models are kept in a directory of their own, so that none is overwritten."""
    if kept := sorted(path.name for path in directory.glob("*.run")):
        raise ValueError(f"out: {str(directory)!r} has {kept[0]!r} already, expected a directory without models")
    check_writable("out", directory / "1.run")


def show_climb(screen: Screen, text: Text, arguments: argparse.Namespace) -> list[Result]:
    """Climb with one progress bar for all rungs, and keep the models where they are wanted."""
    total = sum(rung.seconds for rung in rungs(arguments.minutes))
    results: list[Result] = []
    with screen.progress(WHOLE) as progress:

        def report(rung: Any, r: Report) -> None:
            before = sum(result.rung.seconds for result in results)
            done = int(WHOLE * (before + rung.seconds * r.step.progress) / total)
            progress.update(done, f"{rung.name}: {bits(r.training):.3f} bits a word")

        for result in climb(text, arguments.minutes, arguments.seed, report):
            results.append(result)
            if arguments.out:
                save_run(Path(arguments.out) / f"{len(results)}-{result.rung.kind.name}.run", result.run)
    return results


def show_ladder(screen: Screen, text: Text, results: list[Result], packed: dict[str, float]) -> None:
    screen.say(
        f"{text.corpus.source}: {len(text.training):,} words to learn from, {len(text.test):,} to be tested on. "
        f"Unseen: bits a word where the {context_of(text)} words before never occur together in training."
    )
    rows = [
        (
            result.rung.name + (" (stopped by Ctrl-C)" if result.stopped else ""),
            result.rung.kind.section,
            f"{result.run.n_weights:,}",
            f"{result.seconds:.0f} s",
            f"{result.score.per_character:.3f}",
            f"{result.score.unseen:.3f}",
            f"{result.validation:.3f}",
        )
        for result in results
    ]
    rows += [(name, "", "", "", f"{value:.3f}", "", "") for name, value in packed.items()]
    screen.table(("model", "text", "weights", "training", "test, bits a character", "unseen", "validation"), rows)
