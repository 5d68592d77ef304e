"""A training run: a model with all that is needed to go on training it, kept as one checkpoint."""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.data.vocabularies import vocabulary_from
from minitransformer.data.vocabulary import Vocabulary
from minitransformer.files import StrPath
from minitransformer.models.ngram import ngram_arrays, ngram_from
from minitransformer.tasks.checksums import Checksums, are_those_of, take_checksums
from minitransformer.tasks.language_modelling.kind import FIRST, Kind
from minitransformer.tasks.language_modelling.kinds import kind_named
from minitransformer.tasks.language_modelling.text import Text, check_long_enough
from minitransformer.training.checkpoint import DAMAGED, Checkpoint, load_checkpoint, save_checkpoint
from minitransformer.training.loop import State, Step, new_state, train
from minitransformer.training.run_checkpoint import describe, save_training, take_settings, take_training
from minitransformer.training.session import Goal, Look, looked
from minitransformer.training.settings import check_settings
from minitransformer.tree import flatten

Array = np.ndarray

LOOK_AT = 10_000  # words of the validation side that are looked at while training


class Run(NamedTuple):
    kind: Kind
    settings: Any
    vocabulary: Vocabulary
    paths: tuple[str, ...]  # of the text; none: the Python reference
    checksum: int  # of its training side
    weights: Any
    state: State | None  # None: a model that is counted, not trained
    goal: Goal = Goal()
    looks: tuple[Look, ...] = ()
    checksums: Checksums = ()  # of all its sides

    @property
    def n_weights(self) -> int:
        """How many numbers the model has learned, or counted."""
        return sum(len(c.grams) for c in self.weights.orders) if self.state is None else len(self.state.weights)


def new_run(kind: Kind, settings: Any, text: Text, seed: int = 0) -> Run:
    """A model as it is before training; an n-gram model as it will stay."""
    check_settings(settings)
    check_long_enough(text, max(FIRST, getattr(settings, "context", 1), getattr(settings, "n", 1)))
    rng = np.random.default_rng(seed)
    fresh = kind.init(text.training, text.vocabulary.size, settings, rng)
    if kind.training is None:
        run = Run(kind, settings, text.vocabulary, text.corpus.paths, checksum(text), fresh, None)
        return run._replace(checksums=text.checksums)
    flat, weights = flatten(fresh)
    kind.training.next_batch(text.training, settings)  # refuses a text that is too short for one batch
    state = new_state(flat, rng)._replace(carry=kind.training.carry(weights, settings))
    run = Run(kind, settings, text.vocabulary, text.corpus.paths, checksum(text), weights, state)
    return run._replace(checksums=text.checksums)


def checksum(text: Text) -> int:
    """Tells one training side from another, and the same text from one that was changed."""
    return zlib.crc32(text.training)


def began_with(run: Run, text: Text) -> bool:
    """Whether all sides of the text are those that the run began with."""
    return checksum(text) == run.checksum and are_those_of(run.checksums, text.checksums)


def steps(run: Run, text: Text) -> Iterator[Step]:
    """Go on to the run's goal; one record a step, with the state after it. The run's own arrays change in place."""
    training, settings = run.kind.training, run.settings
    plan = training.plan(settings, run.weights)._replace(**run.goal._asdict())
    next_batch = training.next_batch(text.training, settings)
    return train(run.state, plan, next_batch, training.loss_and_gradient(run.weights, settings), training.count)


def look(run: Run, text: Text, training_loss: float) -> Run:
    """Evaluate on the first words of the validation side, and note it."""
    validation = float(costs(run, text.validation[:LOOK_AT]).mean())
    return looked(run, training_loss, validation)


def costs(run: Run, ids: Array) -> Array:
    """What each word of a text costs, from the one with number FIRST on, in nats."""
    return run.kind.costs(ids, run.weights, run.settings)


def save_run(path: StrPath, run: Run) -> None:
    own = {
        "vocabulary": run.vocabulary.as_dict(),
        "paths": run.paths,
        "checksum": run.checksum,
        "checksums": run.checksums,
    }
    if run.state is None:
        save_checkpoint(path, describe(run) | own, ngram_arrays(run.weights))
    else:
        save_training(path, run, own)


def load_run(path: StrPath) -> Run:
    """Raises ValueError, naming the file, for what is not a run that `save_run` wrote."""
    checkpoint = load_checkpoint(path)
    try:
        return restore(checkpoint)
    except DAMAGED as error:
        raise ValueError(f"checkpoint: {str(path)!r} does not hold a language model ({error})") from error


def restore(checkpoint: Checkpoint) -> Run:
    description = checkpoint.description
    if "task" in description:
        raise ValueError(f"it holds {description['task']}, expected language modelling")
    kind = kind_named(description["kind"])
    settings = take_settings(description, kind.settings)
    vocabulary = vocabulary_from(description["vocabulary"])
    paths, code = tuple(description["paths"]), description["checksum"]
    checksums = take_checksums(description)
    if kind.training is None:
        weights = ngram_from(checkpoint.arrays, settings.n, vocabulary.size, settings.smoothing, settings.k)
        return Run(kind, settings, vocabulary, paths, code, weights, None, checksums=checksums)
    template = kind.init(np.zeros(0, np.int64), vocabulary.size, settings, np.random.default_rng(0))
    training = take_training(checkpoint, template, lambda weights: kind.training.carry(weights, settings))
    return Run(kind, settings, vocabulary, paths, code, **training, checksums=checksums)
