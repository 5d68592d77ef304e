"""Commands for translation: train a model, translate with it, look at what it attended to."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from minitransformer.commands.common import (
    add_common,
    add_json,
    bad_input,
    file_name,
    tell_unknown,
    text_of,
    utf8_lines,
)
from minitransformer.commands.training import (
    INTERRUPTED,
    WHOLE,
    add_keeping,
    add_training,
    changed_settings,
    check_resumed,
    failed,
    goal_of,
    keeping,
    last_look,
    show_progress,
)
from minitransformer.data.text_file import lines, read_pieces
from minitransformer.files import Held
from minitransformer.tasks.translation.alignment import LEGEND, align, as_text, chosen, plot_alignment
from minitransformer.tasks.translation.evaluation import exact_matches, translate
from minitransformer.tasks.translation.pairs import DIRECTIONS, Pairs
from minitransformer.tasks.translation.run import KINDS, Run, carry_on, check_pairs, load_pairs, load_run, new_run
from minitransformer.terminal import DIM, SilentScreen, make_screen
from minitransformer.training.session import Goal
from minitransformer.training.settings import described

WIDEST = 1000  # beam


def add_train(kinds: Any) -> None:
    """`train translation`."""
    train = kinds.add_parser("translation", help="section 6.1: numbers and dates, or your own pairs of sentences")
    train.add_argument("--direction", choices=DIRECTIONS, help=f"of the number phrases (default {DIRECTIONS[0]})")
    train.add_argument(
        "--pairs",
        metavar="FILE",
        help="your own: on each line a sentence, a tab, its translation; a fifth is held out",
    )
    train.add_argument("--model", choices=KINDS, help="with attention, or recurrent without (default transformer)")
    add_keeping(train, "translation", KINDS["transformer"].settings)
    add_training(train)
    train.set_defaults(run=run_train)
    add_common(train)


def add_translate(commands: Any) -> None:
    command = commands.add_parser("translate", help="translate with a trained model")
    command.add_argument("checkpoint", metavar="RUN", help="what `train translation` wrote")
    command.add_argument("sentences", nargs="*", metavar="SENTENCE", help="by default, each line of standard input")
    command.add_argument("--file", metavar="FILE", help="translate each line of a UTF-8 file")
    command.add_argument(
        "--beam", type=int, default=4, metavar="W", help="hypotheses that are followed (default 4; 1: greedy)"
    )
    add_json(command)
    command.set_defaults(run=run_translate)


def add_attention(commands: Any) -> None:
    command = commands.add_parser("attention", help="what each word of a translation attended to")
    command.add_argument("checkpoint", metavar="RUN", help="what `train translation` wrote")
    command.add_argument("sentence", metavar="SENTENCE")
    command.add_argument("--layer", type=int, metavar="N", help="from 1 (default: the last)")
    command.add_argument("--head", type=int, metavar="N", help="from 1 (default: the mean of all)")
    command.add_argument(
        "--png", type=file_name, metavar="FILE", help="draw all layers and heads (needs the extra `plots`)"
    )
    add_json(command)
    command.set_defaults(run=run_attention)


def run_train(arguments: argparse.Namespace) -> int:
    return keeping("translation", arguments, lambda path: train(arguments, path))


def train(arguments: argparse.Namespace, path: Held) -> int:
    try:
        run, pairs = resumed(arguments) if arguments.resume else begun(arguments)
    except (MemoryError, TypeError, ValueError) as error:
        return bad_input(error)
    screen = SilentScreen() if arguments.json else make_screen()
    screen.say(f"{run.kind.name}: {run.n_weights:,} weights, on {pairs.name}.")
    screen.say(described(run.settings), style=DIM)
    try:
        with screen.progress(WHOLE) as progress:
            run, stopped = carry_on(run, pairs, path, lambda r: show_progress(progress, r, last_look(r.run)))
    except (MemoryError, ValueError) as error:
        return failed(error, path)
    result = facts(run, pairs) | {"file": str(path), "stopped": stopped}
    screen.say(
        f"{'Stopped by Ctrl-C. ' if stopped else ''}{result['test, exactly right']:.2%} of {len(pairs.test):,} test "
        f"sentences exactly right. Kept in {path}."
    )
    if pairs.longer:
        screen.say(f"Of numbers longer than any to learn from: {result['longer, exactly right']:.2%}.")
    screen.code(f"minitransformer {'train translation --resume' if stopped else 'translate'} {path}")
    if arguments.json:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    return INTERRUPTED if stopped else 0


def begun(arguments: argparse.Namespace) -> tuple[Run, Pairs]:
    """A new run. Raises ValueError for bad input."""
    kind = KINDS[arguments.model or "transformer"]
    settings = changed_settings(kind.settings, arguments)
    from_file = arguments.pairs is not None
    if from_file and arguments.direction:
        raise ValueError("direction: your own pairs have one already, expected no --direction beside --pairs")
    origin = os.path.abspath(arguments.pairs) if from_file else arguments.direction or DIRECTIONS[0]
    goal = goal_of(arguments, Goal(steps=settings.steps))
    pairs = load_pairs(arguments.pairs if from_file else origin, from_file)
    return new_run(kind, settings, pairs, origin, from_file, arguments.seed)._replace(goal=goal), pairs


def resumed(arguments: argparse.Namespace) -> tuple[Run, Pairs]:
    """A run that goes on, with its own pairs. Raises ValueError for bad input, and where the pairs are others now."""
    run = load_run(arguments.resume)
    check_resumed(arguments, run.kind.name, arguments.model or run.kind.name)
    if arguments.pairs is not None or arguments.direction:
        raise ValueError("pairs: a run that is resumed keeps its own, expected no --pairs and no --direction")
    pairs = load_pairs(run.origin, run.from_file)
    check_pairs(run, pairs)
    return run._replace(goal=goal_of(arguments, run.goal)), pairs


def facts(run: Run, pairs: Pairs) -> dict[str, Any]:
    """What was trained and what came of it, for `--json`."""
    return {
        "kind": run.kind.name,
        "settings": run.settings._asdict(),
        "pairs": pairs.name,
        "words": {"source": pairs.source.size, "target": pairs.target.size},
        "weights": run.n_weights,
        "steps": run.state.step,
        "seconds": run.state.seconds,
        "test, exactly right": exact_matches(run, pairs.test),
        "longer, exactly right": exact_matches(run, pairs.longer) if pairs.longer else None,
        "looks": [entry._asdict() for entry in run.looks],
    }


def run_translate(arguments: argparse.Namespace) -> int:
    try:
        run = load_run(arguments.checkpoint)
        if not 1 <= arguments.beam <= WIDEST:
            raise ValueError(f"beam: got {arguments.beam}, expected 1 to {WIDEST}")
        if arguments.file is not None and arguments.sentences:
            raise ValueError("file: got sentences besides, expected one or the other")
        sentences = [text_of("sentence", sentence) for sentence in arguments.sentences]
        if arguments.file is not None:
            sentences += lines("".join(read_pieces(arguments.file)))
        if not sentences:
            return translate_lines(run, arguments)
        rows = translations(run, sentences, arguments.beam)
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        print("\n".join(row["target"] for row in rows))
    return 0


def translations(run: Run, sentences: Sequence[str], beam: int) -> list[dict[str, str]]:
    """Each sentence beside its translation; an empty line stays one. Words that the model does not know are named."""
    sources = [sentence.strip() for sentence in sentences]
    tell_unknown(word for source in sources for word in run.source.unknown(source))
    targets = iter(translate(run, [source for source in sources if source], beam))
    return [{"source": source, "target": next(targets) if source else ""} for source in sources]


def translate_lines(run: Run, arguments: argparse.Namespace) -> int:
    """Standard input, each line as soon as it comes."""
    rows = []
    for line in utf8_lines(sys.stdin):
        rows += translations(run, [line], arguments.beam)
        if not arguments.json:
            print(rows[-1]["target"], flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    return 0


def run_attention(arguments: argparse.Namespace) -> int:
    try:
        if arguments.json and (arguments.layer, arguments.head) != (None, None):
            raise ValueError("json: it has all layers and heads, expected no --layer and no --head beside --json")
        run = load_run(arguments.checkpoint)
        sentence = text_of("sentence", arguments.sentence).strip()
        if not sentence:
            raise ValueError(f"sentence: got {arguments.sentence!r}, expected at least one word")
        alignment = align(run, sentence)
        tell_unknown(run.source.unknown(sentence))
        title, weights = chosen(alignment, arguments.layer, arguments.head)
        readable = arguments.png is None or plot_alignment(arguments.png, alignment)
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        result = {"source": alignment.source, "target": alignment.target, "weights": alignment.alpha.tolist()}
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(title)
    print("\n".join(as_text(alignment, weights)))
    print(LEGEND)
    if arguments.png is not None:
        print(f"Drawn in {arguments.png}.")
    if not readable:
        print(
            "There is no font for some of its words: install one, such as Noto Sans CJK, and if there is one already, "
            "remove matplotlib's list of fonts, which may be older (matplotlib.get_cachedir() says where).",
            file=sys.stderr,
        )
    return 0
