"""A training run: a model with all that is needed to go on training it, kept as one checkpoint.

It serves every task that has word pieces: pretraining, and what comes after it.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_integer
from minitransformer.data.vocabularies import vocabulary_from
from minitransformer.data.vocabulary import Vocabulary
from minitransformer.files import StrPath
from minitransformer.tasks.checksums import Checksums, take_checksums
from minitransformer.training import session
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.checkpoint import DAMAGED, Checkpoint, load_checkpoint
from minitransformer.training.layer_rates import layer_rates
from minitransformer.training.loop import Plan, State, Step, new_state
from minitransformer.training.run_checkpoint import save_training, take_settings, take_training
from minitransformer.training.session import Goal, Look, Report
from minitransformer.training.settings import check_settings
from minitransformer.tree import flatten

Rng = np.random.Generator


class Kind(NamedTuple):
    """A kind of model for a task. Its `settings` are a NamedTuple of numbers and names, which a checkpoint can hold."""

    task: str
    name: str
    settings: Any  # what is used if nothing else is said
    init: Callable[[int, int, Any, Rng], Any]  # (V, classes, settings, rng) -> weights


class Run(NamedTuple):
    kind: Kind
    settings: Any
    vocabulary: Vocabulary
    classes: tuple[str, ...]  # of a classifier; else none
    about: dict[str, Any]  # where its data come from
    seed: int
    weights: Any
    state: State
    goal: Goal = Goal()
    looks: tuple[Look, ...] = ()
    checksums: Checksums = ()  # of its data

    @property
    def n_weights(self) -> int:
        return len(self.state.weights)


def new_run(
    kind: Kind,
    settings: Any,
    vocabulary: Vocabulary,
    seed: int = 0,
    classes: tuple[str, ...] = (),
    about: dict[str, Any] | None = None,
    weights: Any = None,
) -> Run:
    """A model as it is before training: with random weights, or with those that are given."""
    check_settings(settings)
    rng = np.random.default_rng(seed)
    fresh = kind.init(vocabulary.size, len(classes), settings, rng) if weights is None else weights
    flat, own = flatten(fresh)
    return Run(kind, settings, vocabulary, classes, about or {}, seed, own, new_state(flat, rng))


def plan(run: Run, body: str | None = None) -> Plan:
    """As the run's settings say, to its goal. body: the field of the weights that was pretrained, if there is one."""
    s = run.settings
    share = layer_rates(run.weights, body, s.layer_decay, s.frozen) if body else 1.0
    decay = decay_of_matrices(run.weights, s.decay)
    return Plan(**run.goal._asdict(), peak=s.peak, share=share, warmup=s.warmup, floor=0.0, decay=decay)


def carry_on(
    run: Run,
    steps: Iterator[Step],
    look: Callable[[Run, float], Run],
    path: StrPath | None = None,
    report: Callable[[Report], None] = lambda r: None,
) -> tuple[Run, bool]:
    """As `session.carry_on`; with a `path`, the run is kept there."""
    save = None if path is None else lambda run: save_run(path, run)
    return session.carry_on(run, steps, look, save, report)


def save_run(path: StrPath, run: Run) -> None:
    own = {
        "task": run.kind.task,
        "vocabulary": run.vocabulary.as_dict(),
        "classes": run.classes,
        "about": run.about,
        "seed": run.seed,
        "checksums": run.checksums,
    }
    save_training(path, run, own)


def load_run(path: StrPath, *kinds: Kind) -> Run:
    """A run of one of these kinds. Raises ValueError, naming the file, for anything else."""
    checkpoint = load_checkpoint(path)
    try:
        found = (checkpoint.description.get("task", "language modelling"), checkpoint.description["kind"])
        fitting = [kind for kind in kinds if (kind.task, kind.name) == found]
        if not fitting:
            expected = " or ".join(f"{kind.task} ({kind.name})" for kind in kinds)
            raise ValueError(f"it holds {found[0]} ({found[1]}), expected {expected}")
        return restore(checkpoint, fitting[0])
    except DAMAGED as error:
        raise ValueError(f"checkpoint: {str(path)!r} is no run to use here ({error})") from error


def restore(checkpoint: Checkpoint, kind: Kind) -> Run:
    description = checkpoint.description
    settings = take_settings(description, kind.settings)
    vocabulary = vocabulary_from(description["vocabulary"])
    classes, about = tuple(description["classes"]), description["about"]
    template = kind.init(vocabulary.size, len(classes), settings, np.random.default_rng(0))
    seed = description["seed"]
    check_integer("seed", seed, minimum=0)
    if not isinstance(about, dict):
        raise TypeError(f"about: got {about!r}, expected names and values")
    training = take_training(checkpoint, template)
    return Run(kind, settings, vocabulary, classes, about, seed, **training, checksums=take_checksums(description))
