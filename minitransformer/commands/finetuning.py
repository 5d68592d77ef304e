"""Commands for fine-tuning: make a pretrained model learn a task, then ask it."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.commands.common import add_common, add_json, bad_input, tell_unknown, text_of, utf8_lines
from minitransformer.commands.training import (
    add_keeping,
    add_training,
    changed_settings,
    goal_of,
    keeping,
    resumed,
    trained,
)
from minitransformer.data.text_file import read_pieces
from minitransformer.files import Held
from minitransformer.tasks import finetuning
from minitransformer.tasks.checksums import are_those_of
from minitransformer.tasks.classification import classification
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER
from minitransformer.tasks.language_modelling.run import load_run as load_language_model
from minitransformer.tasks.pretraining.bert import BERT
from minitransformer.tasks.reading import reading
from minitransformer.tasks.reading.questions import MEANING, RAISE, RETURN, TYPE
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Kind, Run, load_run
from minitransformer.training.checkpoint import load_checkpoint
from minitransformer.training.session import Goal

QUESTIONS = " ".join((TYPE, MEANING, RETURN, RAISE)).format("NAME", "NAME")
OPTIONS = {"source": "from", "labels": "labels", "scratch": "scratch"}


class Task(NamedTuple):
    """What `finetune` needs to know of a task."""

    module: Any  # with `prepare` and `carry_on`
    kinds: tuple[Kind, ...]
    begin: Callable[[argparse.Namespace, dict[str, Any]], Run]
    data: str  # what is learned from
    n_training: Callable[[Any], int]
    facts: Callable[[Run, Any], dict[str, Any]]
    then: str  # the command that uses what was learned in {}


def add_finetune(commands: Any) -> None:
    """`finetune qa`, `finetune classify`."""
    finetune = commands.add_parser("finetune", help="make a pretrained model learn a task")
    tasks = finetune.add_subparsers(title="tasks", metavar="TASK", required=True)
    qa = tasks.add_parser("qa", help="sections 3.5.1 and 6.3: answer questions about NumPy's docstrings")
    qa.add_argument("--model", choices=("bert", "rnn"), help="BERT, or the recurrent reader before it (default bert)")
    classify = tasks.add_parser("classify", help="section 3.5.2: tell the topic of docstrings of the standard library")
    bert = "what `pretrain bert` wrote"
    for name, command, settings, sources in (
        ("qa", qa, BERT_READER, f"{bert}; --model rnn takes its words alone"),
        ("classify", classify, BERT_CLASSIFIER, f"{bert}, or `train gpt`"),
    ):
        command.add_argument("--from", dest="source", metavar="RUN", help=sources)
        command.add_argument("--scratch", action="store_true", help="of its shape, but with random weights")
        command.add_argument("--labels", type=int, metavar="N", help="examples to learn from (default: all)")
        add_keeping(command, name, settings.kind.settings)
        add_training(command)
        command.set_defaults(run=run_finetune, task=name)
        add_common(command)


def add_answer(commands: Any) -> None:
    command = commands.add_parser("answer", help="answer a question about a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `finetune qa` wrote")
    command.add_argument("--question", required=True, metavar="Q", help=f"one of: {QUESTIONS}")
    command.add_argument("--context", required=True, metavar="FILE", help="the text, UTF-8; -: standard input")
    add_json(command)
    command.set_defaults(run=run_answer)


def add_classify(commands: Any) -> None:
    command = commands.add_parser("classify", help="tell the topic of a text")
    command.add_argument("checkpoint", metavar="RUN", help="what `finetune classify` wrote")
    command.add_argument("text", metavar="TEXT")
    add_json(command)
    command.set_defaults(run=run_classify)


def run_finetune(arguments: argparse.Namespace) -> int:
    return keeping(arguments.task, arguments, lambda path: train(arguments, path))


def train(arguments: argparse.Namespace, path: Held) -> int:
    task = TASKS[arguments.task]
    try:
        if arguments.resume:
            run = resumed(arguments, *task.kinds)
            for name in ("source", "labels", "scratch"):
                if getattr(arguments, name) is not None and getattr(arguments, name) is not False:
                    raise ValueError(f"{OPTIONS[name]}: a run that is resumed keeps its own, expected none")
        else:
            run = begun(task, arguments)
        data = task.module.prepare(run.vocabulary, run.seed, run.about.get("labels"))
        checksums = task.module.checksums(data)
        if not are_those_of(run.checksums, checksums):
            raise ValueError(
                f"resume: {task.data} have changed since the run began, expected the versions of Python and NumPy "
                "that it began with"
            )
        run = run._replace(checksums=checksums)
    except (MemoryError, TypeError, ValueError) as error:
        return bad_input(error)
    return trained(
        arguments,
        run,
        f"on {task.data}: {task.n_training(data):,} to learn from",
        lambda run, report: task.module.carry_on(run, data, path, report),
        lambda run: task.facts(run, data),
        summary,
        path,
        f"finetune {arguments.task}",
        task.then,
    )


def begun(task: Task, arguments: argparse.Namespace) -> Run:
    """A new run for the task. Raises ValueError for bad input."""
    if arguments.source is None:
        raise ValueError(
            "from: got nothing, expected a RUN of `pretrain bert`: what starts from scratch has its words, too"
        )
    run = task.begin(arguments, {"from": arguments.source, "scratch": arguments.scratch, "labels": arguments.labels})
    return run._replace(goal=goal_of(arguments, Goal(steps=run.settings.steps)))


def begin_reader(arguments: argparse.Namespace, about: dict[str, Any]) -> Run:
    pretrained = load_run(arguments.source, BERT)
    if arguments.model != "rnn":
        settings = changed_task(BERT_READER.kind.settings, arguments)
        return finetuning.reader(pretrained, settings, arguments.seed, arguments.scratch, about)
    if arguments.scratch:
        raise ValueError(
            "scratch: the recurrent reader has no pretrained weights anyway, expected no --scratch beside --model rnn"
        )
    settings = changed_settings(RNN_READER.kind.settings, arguments)
    return finetuning.rnn_reader(pretrained, settings, arguments.seed, about)


def begin_classifier(arguments: argparse.Namespace, about: dict[str, Any]) -> Run:
    """With BERT or GPT, as the pretrained run is."""
    if load_checkpoint(arguments.source).description.get("kind") == "gpt":
        settings = changed_task(GPT_CLASSIFIER.kind.settings, arguments)
        model = load_language_model(arguments.source)
        return finetuning.gpt_classifier(model, settings, arguments.seed, arguments.scratch, about)
    settings = changed_task(BERT_CLASSIFIER.kind.settings, arguments)
    pretrained = load_run(arguments.source, BERT)
    return finetuning.bert_classifier(pretrained, settings, arguments.seed, arguments.scratch, about)


def changed_task(settings: Any, arguments: argparse.Namespace) -> Any:
    """The settings of a task with what `--set` says, which cannot be the shape: that is the pretrained model's."""
    changed = changed_settings(settings, arguments)
    for name in (text.split("=", 1)[0] for text in arguments.set):
        if name in finetuning.SHAPE:
            raise ValueError(f"set: {name} is that of the run that --from names, expected other settings only")
    return changed


def reading_facts(run: Run, data: reading.Data) -> dict[str, Any]:
    found = reading.score(run, data.test)
    return {"tested": len(data.test), "right": found.exact, "f1": found.f1}


def classification_facts(run: Run, data: classification.Data) -> dict[str, Any]:
    return {"tested": len(data.test.ids), "right": classification.accuracy(run, data.test)}


TASKS = {
    "qa": Task(
        reading,
        (BERT_READER.kind, RNN_READER.kind),
        begin_reader,
        "questions about NumPy's docstrings",
        lambda data: len(data.training),
        reading_facts,
        f'answer {{}} --question "{TYPE.format("axis")}" --context FILE',
    ),
    "classify": Task(
        classification,
        (BERT_CLASSIFIER.kind, GPT_CLASSIFIER.kind),
        begin_classifier,
        "docstrings of the standard library",
        lambda data: len(data.training.ids),
        classification_facts,
        'classify {} "TEXT"',
    ),
}


def summary(facts: dict[str, Any]) -> str:
    f1 = f" (mean overlap, F1: {facts['f1']:.1%})" if "f1" in facts else ""
    return f"{facts['right']:.1%} of {facts['tested']:,} test examples right{f1}."


def is_empty(text: str, run: Run) -> bool:
    """Whether it has only white space and what the vocabulary drops, such as control characters."""
    return len(run.vocabulary.encode(" ".join(text.split()))) == 0


def run_answer(arguments: argparse.Namespace) -> int:
    try:
        run = load_run(arguments.checkpoint, BERT_READER.kind, RNN_READER.kind)
        text = "".join(utf8_lines(sys.stdin) if arguments.context == "-" else read_pieces(arguments.context))
        question = text_of("question", arguments.question)
        if is_empty(text, run):
            name = "standard input" if arguments.context == "-" else "context"
            raise ValueError(f"{name}: it is empty, expected a text")
        if is_empty(question, run):
            raise ValueError(f"question: got {question!r}, expected at least one word")
        found, score = reading.answer(run, question, text)
        tell_unknown(run.vocabulary.unknown(question) + run.vocabulary.unknown(text))
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
        text = text_of("text", arguments.text)
        if is_empty(text, run):
            raise ValueError(f"text: got {text!r}, expected at least one word")
        (p,) = classification.probabilities(run, [run.vocabulary.encode(text)])
        tell_unknown(run.vocabulary.unknown(text))
    except ValueError as error:
        return bad_input(error)
    ranked = [(run.classes[i], float(p[i])) for i in np.argsort(-p)]
    if arguments.json:
        print(json.dumps(dict(ranked)))
    else:
        print("\n".join(f"{probability:6.1%}  {name}" for name, probability in ranked[:3]))
    return 0
