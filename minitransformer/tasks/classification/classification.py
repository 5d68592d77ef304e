"""Section 3.5.2: learning the topics, telling the topic of a text, and how many are right."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_finite
from minitransformer.data.vocabulary import Vocabulary
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import softmax
from minitransformer.files import StrPath
from minitransformer.tasks import run as runs
from minitransformer.tasks.checksums import Checksums, checksum
from minitransformer.tasks.classification.classifiers import CLASSIFIERS, Classifier, encoded
from minitransformer.tasks.classification.topics import Labelled, load_topics
from minitransformer.tasks.run import Rng, Run
from minitransformer.training.loop import LossAndGradient, Step, train
from minitransformer.training.session import Report, looked

Array = np.ndarray

AT_ONCE = 64  # texts that are read side by side
LOOK_AT = 200  # texts of the validation side


class Texts(NamedTuple):
    """Texts as ids, beside their topics."""

    ids: list[Array]
    topics: Array  # (n,)


class Data(NamedTuple):
    training: Texts
    validation: Texts
    test: Texts


def prepare(vocabulary: Vocabulary, seed: int = 0, labels: int | None = None) -> Data:
    """As `load_topics`, in a model's words."""
    topics = load_topics(seed, labels)
    return Data(*(as_ids(rows, vocabulary) for rows in (topics.training, topics.validation[:LOOK_AT], topics.test)))


def checksums(data: Data) -> Checksums:
    """One for each side."""
    return tuple(checksum([*side.ids, side.topics]) for side in data)


def as_ids(rows: Sequence[Labelled], vocabulary: Vocabulary) -> Texts:
    return Texts(encoded([row.text for row in rows], vocabulary), np.array([row.topic for row in rows]))


def steps(run: Run, data: Data) -> Iterator[Step]:
    """Go on to the run's goal; one record a step, with the state after it. The run's own arrays change in place."""
    s = run.settings
    classifier = CLASSIFIERS[run.kind.name]

    def next_batch(number: int, rng: Rng) -> tuple[tuple, Array]:
        chosen = rng.integers(0, len(data.training.ids), s.B)
        texts = [data.training.ids[i] for i in chosen]
        return classifier.pack(texts, run.vocabulary.size, s.context), data.training.topics[chosen]

    plan = runs.plan(run, classifier.body)
    return train(run.state, plan, next_batch, loss_and_gradient(run, classifier), n_targets)


def n_targets(batch: tuple[tuple, Array]) -> int:
    """One topic for each text."""
    return len(batch[1])


def loss_and_gradient(run: Run, classifier: Classifier) -> LossAndGradient:
    def step(batch: tuple[tuple, Array], carry: None, rng: Rng, n: int | None = None) -> tuple[float, Any, None]:
        inputs, topics = batch
        logits, cache = classifier.forward(inputs, run.weights, run.settings, rng)
        loss, loss_cache = cross_entropy(logits, topics, n=n)
        return loss, classifier.backward(cross_entropy_backward(1.0, loss_cache), cache), None

    return step


def probabilities(run: Run, texts: Sequence[Array]) -> Array:
    """P(topic | text).  -> (n, C)"""
    classifier = CLASSIFIERS[run.kind.name]
    parts = []
    for first in range(0, len(texts), AT_ONCE):
        inputs = classifier.pack(texts[first : first + AT_ONCE], run.vocabulary.size, run.settings.context)
        logits, _ = classifier.forward(inputs, run.weights, run.settings, None)
        check_finite("logits", logits)
        parts.append(softmax(logits)[0])
    return np.concatenate(parts)


def accuracy(run: Run, texts: Texts) -> float:
    """The part of the texts whose likeliest topic is theirs."""
    return float((probabilities(run, texts.ids).argmax(axis=-1) == texts.topics).mean())


def look(run: Run, data: Data, training_loss: float) -> Run:
    return looked(run, training_loss, accuracy(run, data.validation))


def carry_on(
    run: Run, data: Data, path: StrPath | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """As `tasks.run.carry_on`."""
    return runs.carry_on(run, steps(run, data), lambda run, loss: look(run, data, loss), path, report)
