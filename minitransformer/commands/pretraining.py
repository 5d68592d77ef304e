"""Commands for BERT: pretrain it, let it fill masks, fine-tune it, ask it."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minitransformer.commands.common import add_common, bad_input
from minitransformer.commands.training import (
    INTERRUPTED,
    WHOLE,
    add_keeping,
    add_training,
    changed_settings,
    check_resumed,
    goal_of,
    new_path,
    resumed_path,
    show_progress,
)
from minitransformer.commands.translation import utf8_lines
from minitransformer.data.corpus import load_corpus
from minitransformer.data.documentation import documentation
from minitransformer.data.text_file import read_pieces
from minitransformer.learn.screen import DIM, Screen, SilentScreen, make_screen
from minitransformer.tasks import finetuning
from minitransformer.tasks.classification import classification
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER
from minitransformer.tasks.language_modelling.run import load_run as load_language_model
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.pretraining.filling import fill
from minitransformer.tasks.reading import reading
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Run, load_run
from minitransformer.training.checkpoint import load_checkpoint
from minitransformer.training.session import Goal, Report
from minitransformer.training.settings import described

TASKS = {"qa": reading, "classify": classification}
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


def add_finetune(commands: Any) -> None:
    """`finetune qa`, `finetune classify`."""
    finetune = commands.add_parser("finetune", help="make a pretrained model learn a task")
    tasks = finetune.add_subparsers(title="tasks", metavar="TASK", required=True)
    qa = tasks.add_parser("qa", help="sections 3.5.1 and 6.3: answer questions about NumPy's docstrings")
    qa.add_argument("--model", choices=("bert", "rnn"), help="BERT, or the recurrent reader before it (default bert)")
    classify = tasks.add_parser("classify", help="section 3.5.2: tell the topic of docstrings of the standard library")
    for name, command, settings in (("qa", qa, BERT_READER), ("classify", classify, BERT_CLASSIFIER)):
        command.add_argument("--from", dest="source", metavar="RUN", help="what `pretrain bert` wrote, or `train gpt`")
        command.add_argument("--scratch", action="store_true", help="of its shape, but with random weights")
        command.add_argument("--labels", type=int, metavar="N", help="examples to learn from (default: all)")
        add_keeping(command, name, settings.kind.settings)
        add_training(command)
        command.set_defaults(run=run_finetune, task=name)
        add_common(command)


def add_answer(commands: Any) -> None:
    command = commands.add_parser("answer", help="answer a question about a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `finetune qa` wrote")
    command.add_argument("--question", required=True, metavar="Q", help="such as: what is the type of parameter axis?")
    command.add_argument("--context", required=True, metavar="FILE", help="the text, UTF-8; -: standard input")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=run_answer)


def add_classify(commands: Any) -> None:
    command = commands.add_parser("classify", help="tell the topic of a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `finetune classify` wrote")
    command.add_argument("text", metavar="TEXT")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=run_classify)


def add_fill(commands: Any) -> None:
    command = commands.add_parser("fill", help="guess the words that are masked in a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `pretrain bert` wrote")
    command.add_argument("text", metavar="TEXT", help="with [MASK] for each word to guess")
    command.add_argument("--top", type=int, default=5, metavar="K", help="guesses for each (default 5)")
    command.add_argument("--json", action="store_true", help="one JSON document on standard output, and nothing else")
    command.set_defaults(run=run_fill)


def run_pretrain(arguments: argparse.Namespace) -> int:
    try:
        if arguments.resume:
            run, path = resumed(arguments, bert.BERT)
            if arguments.text:
                raise ValueError("text: a run that is resumed keeps its own, expected no --text beside --resume")
            text = bert.prepare(corpus_of(run.about["paths"]), 0, run.vocabulary)
            if text.training.n_tokens != run.about["n_tokens"]:
                raise ValueError("text: it is not the one that the run began with, expected the same")
        else:
            settings = changed_settings(bert.BERT.settings, arguments)
            path = new_path("bert", arguments)
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
        "fill",
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


def run_finetune(arguments: argparse.Namespace) -> int:
    task = TASKS[arguments.task]
    try:
        if arguments.resume:
            run, path = resumed(arguments, *(kind for kind in finetuning.KINDS if kind.task == TASK_OF[arguments.task]))
            for name in ("source", "labels", "scratch"):
                if getattr(arguments, name) is not None and getattr(arguments, name) is not False:
                    raise ValueError(f"{OPTIONS[name]}: a run that is resumed keeps its own, expected none")
        else:
            path = new_path(arguments.task, arguments)
            run = begun(arguments)
        data = task.prepare(run.vocabulary, run.seed, run.about.get("labels"))
    except (MemoryError, TypeError, ValueError) as error:
        return bad_input(error)
    if task is reading:
        about = f"on questions about NumPy's docstrings: {len(data.training):,} to learn from"
    else:
        about = f"on docstrings of the standard library: {len(data.training.ids):,} to learn from"
    return trained(
        arguments,
        run,
        about,
        lambda run, report: task.carry_on(run, data, path, report),
        lambda run: task_facts(run, data),
        summary,
        path,
        f"finetune {arguments.task}",
        "answer" if task is reading else "classify",
    )


TASK_OF = {"qa": BERT_READER.kind.task, "classify": BERT_CLASSIFIER.kind.task}
OPTIONS = {"source": "from", "labels": "labels", "scratch": "scratch"}


def begun(arguments: argparse.Namespace) -> Run:
    """A new run for the task. Raises ValueError for bad input."""
    if arguments.source is None:
        raise ValueError("from: got nothing, expected a RUN of `pretrain bert` (with --scratch for its shape alone)")
    about = {"from": arguments.source, "scratch": arguments.scratch, "labels": arguments.labels}
    is_gpt = arguments.task == "classify" and load_checkpoint(arguments.source).description.get("kind") == "gpt"
    if is_gpt:
        settings = changed_settings(GPT_CLASSIFIER.kind.settings, arguments)
        pretrained = load_language_model(arguments.source)
        run = finetuning.gpt_classifier(pretrained, settings, arguments.seed, arguments.scratch, about)
    else:
        pretrained = load_run(arguments.source, bert.BERT)
        if arguments.task == "classify":
            settings = changed_settings(BERT_CLASSIFIER.kind.settings, arguments)
            run = finetuning.bert_classifier(pretrained, settings, arguments.seed, arguments.scratch, about)
        elif arguments.model == "rnn":
            settings = changed_settings(RNN_READER.kind.settings, arguments)
            run = finetuning.rnn_reader(pretrained, settings, arguments.seed, about)
        else:
            settings = changed_settings(BERT_READER.kind.settings, arguments)
            run = finetuning.reader(pretrained, settings, arguments.seed, arguments.scratch, about)
    return run._replace(goal=goal_of(arguments, Goal(steps=settings.steps)))


def task_facts(run: Run, data: Any) -> dict[str, Any]:
    if isinstance(data, reading.Data):
        found = reading.score(run, data.test)
        return {"tested": len(data.test), "right": found.exact, "f1": found.f1}
    return {"tested": len(data.test.ids), "right": classification.accuracy(run, data.test)}


def summary(facts: dict[str, Any]) -> str:
    f1 = f" (mean overlap, F1: {facts['f1']:.1%})" if "f1" in facts else ""
    return f"{facts['right']:.1%} of {facts['tested']:,} test examples right{f1}."


def resumed(arguments: argparse.Namespace, *kinds: Any) -> tuple[Run, Path]:
    run = load_run(arguments.resume, *kinds)
    check_resumed(arguments, run.kind.name, getattr(arguments, "model", None) or run.kind.name)
    return run._replace(goal=goal_of(arguments, run.goal)), resumed_path(arguments)


def trained(
    arguments: argparse.Namespace,
    run: Run,
    about: str,
    carry_on: Callable[[Run, Callable[[Report], None]], tuple[Run, bool]],
    measure: Callable[[Run], dict[str, Any]],
    sentence: Callable[[dict[str, Any]], str],
    path: Path,
    command: str,
    then: str,
) -> int:
    """Train with a progress bar, measure, and say what came of it, as text or as JSON."""
    screen: Screen = SilentScreen() if arguments.json else make_screen()
    screen.say(f"{run.kind.name}: {run.n_weights:,} weights, {about}.")
    screen.say(described(run.settings), style=DIM)
    try:
        with screen.progress(WHOLE) as progress:
            run, stopped = carry_on(run, lambda r: show_progress(progress, r, last_look(r.run)))
        measured = measure(run)
    except ValueError as error:
        return bad_input(error)
    screen.say(f"{'Stopped by Ctrl-C. ' if stopped else ''}{sentence(measured)} Kept in {path}.")
    screen.code(f"minitransformer {f'{command} --resume' if stopped else then} {path}")
    if arguments.json:
        result = {
            "kind": run.kind.name,
            "settings": run.settings._asdict(),
            "weights": run.n_weights,
            "steps": run.state.step,
            "seconds": run.state.seconds,
            **measured,
            "looks": [entry._asdict() for entry in run.looks],
            "file": str(path),
            "stopped": stopped,
        }
        print(json.dumps(result, indent=2))
    return INTERRUPTED if stopped else 0


def last_look(run: Run) -> str:
    return f", {run.looks[-1].validation:.0%} right" if run.looks else ""


def run_answer(arguments: argparse.Namespace) -> int:
    try:
        run = load_run(arguments.checkpoint, BERT_READER.kind, RNN_READER.kind)
        text = "".join(utf8_lines(sys.stdin) if arguments.context == "-" else read_pieces(arguments.context))
        if not text.strip():
            raise ValueError("standard input: it is empty, expected a text")
        if not arguments.question.strip():
            raise ValueError(f"question: got {arguments.question!r}, expected at least one word")
        found, score = reading.answer(run, arguments.question, text)
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        print(json.dumps({"question": arguments.question, "answer": found, "score": score}, ensure_ascii=False))
    else:
        print("(no answer)" if found is None else found)
    return 0


def run_classify(arguments: argparse.Namespace) -> int:
    try:
        run = load_run(arguments.checkpoint, BERT_CLASSIFIER.kind, GPT_CLASSIFIER.kind)
        if not arguments.text.strip():
            raise ValueError(f"text: got {arguments.text!r}, expected at least one word")
    except ValueError as error:
        return bad_input(error)
    (p,) = classification.probabilities(run, [run.vocabulary.encode(arguments.text)])
    ranked = [(run.classes[i], float(p[i])) for i in np.argsort(-p)]
    if arguments.json:
        print(json.dumps(dict(ranked)))
    else:
        print("\n".join(f"{probability:6.1%}  {name}" for name, probability in ranked[:3]))
    return 0


def run_fill(arguments: argparse.Namespace) -> int:
    try:
        guesses = fill(load_run(arguments.checkpoint, bert.BERT), arguments.text, arguments.top)
    except ValueError as error:
        return bad_input(error)
    if arguments.json:
        print(json.dumps([[{"word": word, "probability": p} for word, p in of_one] for of_one in guesses]))
    else:
        for of_one in guesses:
            print(", ".join(f"{SHOWN.get(word, word)} {p:.1%}" for word, p in of_one))
    return 0
