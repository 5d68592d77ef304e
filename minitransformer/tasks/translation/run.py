"""A training run for translation: a model with all that is needed to go on training it, kept as one checkpoint."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.data.vocabularies import vocabulary_from
from minitransformer.files import StrPath
from minitransformer.tasks.checksums import Checksums, are_those_of, checksum, take_checksums
from minitransformer.tasks.translation.batches import Batch, n_targets, next_batch
from minitransformer.tasks.translation.evaluation import exact_matches
from minitransformer.tasks.translation.kind import Kind
from minitransformer.tasks.translation.language import Language
from minitransformer.tasks.translation.pairs import Pairs, number_phrases, pairs_from_file
from minitransformer.tasks.translation.rnn import RNN
from minitransformer.tasks.translation.transformer import TRANSFORMER
from minitransformer.training import session
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.checkpoint import DAMAGED, Checkpoint, load_checkpoint
from minitransformer.training.loop import Plan, State, Step, new_state, train
from minitransformer.training.run_checkpoint import save_training, take_settings, take_training
from minitransformer.training.schedule import vaswani_peak
from minitransformer.training.session import Goal, Look, Report, looked
from minitransformer.training.settings import check_settings
from minitransformer.tree import Tree, flatten

Array = np.ndarray

TASK = "translation"
KINDS = {kind.name: kind for kind in (TRANSFORMER, RNN)}
LOOK_AT = 100  # validation sentences that are translated while training
N_CHECKED = 1000  # sample phrases whose checksum identifies how they are drawn
DECAY = 0.01
COOLDOWN = 0.2
WIDTH_OF_MODEL = {"transformer": "d_model", "rnn": "d_h"}


class Run(NamedTuple):
    kind: Kind
    settings: Any
    source: Language
    target: Language
    origin: str  # a direction of the number phrases, or the path of the reader's file
    from_file: bool
    seed: int
    longest: int  # words of a translation
    weights: Any
    state: State
    goal: Goal = Goal()
    looks: tuple[Look, ...] = ()
    checksums: Checksums = ()  # of its pairs

    @property
    def n_weights(self) -> int:
        return len(self.state.weights)


def load_pairs(origin: str, from_file: bool) -> Pairs:
    return pairs_from_file(origin) if from_file else number_phrases(origin)


def new_run(kind: Kind, settings: Any, pairs: Pairs, origin: str, from_file: bool = False, seed: int = 0) -> Run:
    """A model as it is before training."""
    check_settings(settings)
    rng = np.random.default_rng(seed)
    flat, weights = flatten(kind.init(pairs.source.size, pairs.target.size, settings, rng))
    longest = longest_translation(pairs)
    state = new_state(flat, rng)
    run = Run(kind, settings, pairs.source, pairs.target, origin, from_file, seed, longest, weights, state)
    return run._replace(checksums=checksums(pairs))


def checksums(pairs: Pairs) -> Checksums:
    """One for each side; if training pairs are drawn without end, of a sample of them."""
    training = pairs.training or pairs.draw(N_CHECKED, np.random.default_rng(0))
    sides = (training, pairs.validation, pairs.test, pairs.longer)
    return tuple(checksum(text for pair in side for text in pair) for side in sides)


def check_pairs(run: Run, pairs: Pairs) -> None:
    """Raises ValueError unless all sides of the pairs are those that the run began with."""
    if (pairs.source, pairs.target) != (run.source, run.target):
        raise ValueError(f"pairs: {run.origin!r} has other words than when the run began, expected the same file")
    if not are_those_of(run.checksums, checksums(pairs)):
        raise ValueError(f"pairs: {run.origin!r} has other pairs than when the run began, expected the same file")


def longest_translation(pairs: Pairs) -> int:
    """Half as many words again as the longest one that there is, with its end word."""
    sentences = [*pairs.validation, *pairs.test, *pairs.longer]
    return 8 + 3 * max(len(pairs.target.encode(target)) for _, target in sentences) // 2


def steps(run: Run, pairs: Pairs) -> Iterator[Step]:
    """Go on to the run's goal; one record a step, with the state after it. The run's own arrays change in place."""
    width = getattr(run.settings, WIDTH_OF_MODEL[run.kind.name])
    plan = Plan(
        **run.goal._asdict(),
        peak=vaswani_peak(width, run.settings.warmup),
        warmup=run.settings.warmup,
        schedule="inverse root",
        cooldown=COOLDOWN,
        decay=decay_of_matrices(run.weights, DECAY),
        beta2=0.98,
    )

    def loss_and_gradient(
        batch: Batch, carry: None, rng: np.random.Generator, n: int | None = None
    ) -> tuple[float, Tree, None]:
        return *run.kind.loss_and_gradient(batch, run.weights, run.settings, rng, n), None

    batches = next_batch(pairs, run.settings.B, run.seed, run.kind.pads_at_start)
    return train(run.state, plan, batches, loss_and_gradient, n_targets)


def look(run: Run, pairs: Pairs, training_loss: float) -> Run:
    """Translate some validation sentences, and note how many are right."""
    right = exact_matches(run, pairs.validation[:LOOK_AT])
    return looked(run, training_loss, right)


def carry_on(
    run: Run, pairs: Pairs, path: StrPath | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """As `session.carry_on`; with a `path`, the run is kept there."""
    save = None if path is None else lambda run: save_run(path, run)
    return session.carry_on(run, steps(run, pairs), lambda run, loss: look(run, pairs, loss), save, report)


def save_run(path: StrPath, run: Run) -> None:
    own = {
        "task": TASK,
        "source": run.source.vocabulary.as_dict(),
        "target": run.target.vocabulary.as_dict(),
        "origin": run.origin,
        "from_file": run.from_file,
        "seed": run.seed,
        "longest": run.longest,
        "checksums": run.checksums,
    }
    save_training(path, run, own)


def load_run(path: StrPath) -> Run:
    """Raises ValueError, naming the file, for what is not a run that `save_run` wrote."""
    checkpoint = load_checkpoint(path)
    try:
        return restore(checkpoint)
    except DAMAGED as error:
        raise ValueError(f"checkpoint: {str(path)!r} does not hold a translation model ({error})") from error


def restore(checkpoint: Checkpoint) -> Run:
    description = checkpoint.description
    if description.get("task") != TASK:
        raise ValueError(f"task: got {description.get('task')!r}, expected {TASK!r}")
    kind = KINDS[description["kind"]]
    settings = take_settings(description, kind.settings)
    source, target = (Language(vocabulary_from(description[name])) for name in ("source", "target"))
    template = kind.init(source.size, target.size, settings, np.random.default_rng(0))
    own = (description[name] for name in ("origin", "from_file", "seed", "longest"))
    training = take_training(checkpoint, template)
    return Run(kind, settings, source, target, *own, **training, checksums=take_checksums(description))
