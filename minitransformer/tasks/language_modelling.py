"""Section 3.4.1: language modelling on characters, a causal Transformer beside the bigram model of 2.1.2."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitransformer.data.batches import check_long_enough, consecutive_windows, random_windows
from minitransformer.data.corpus import Corpus
from minitransformer.data.vocabulary import Vocabulary, character_vocabulary, decode, encode
from minitransformer.decoding.sampling import sample
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.gpt import GPT, gpt, gpt_backward, init_gpt
from minitransformer.models.ngram import count_ngrams, ngram_loss
from minitransformer.training.loop import Step, train
from minitransformer.training.schedule import warmup_cosine
from minitransformer.tree import flatten

Array = np.ndarray

TEMPERATURE = 0.8


class Settings(NamedTuple):
    """Found by measuring: what learns much in some seven seconds on one core. Post-norm, as the text has it."""

    n_layers: int = 2
    d_model: int = 64
    h: int = 4
    d_ff: int = 256
    rate: float = 0.0  # of dropout: no text is seen twice in so short a training
    norm_first: bool = False
    context: int = 32
    B: int = 8
    steps: int = 1300
    warmup: int = 100
    peak_rate: float = 6e-3


class Data(NamedTuple):
    corpus: Corpus
    vocabulary: Vocabulary
    training: Array  # (n,) ids
    validation: Array  # (m,) ids


class Model(NamedTuple):
    weights: GPT
    flat_weights: Array  # the same numbers, as one array
    config: Config


def prepare(corpus: Corpus, settings: Settings) -> Data:
    """The vocabulary of the training text, and both texts as ids.

    Raises ValueError for a text of which a part is too short for one window.
    """
    for part in (corpus.training, corpus.validation):
        check_long_enough(part, settings.context)
    vocabulary = character_vocabulary(corpus.training)
    return Data(corpus, vocabulary, encode(corpus.training, vocabulary), encode(corpus.validation, vocabulary))


def new_model(data: Data, settings: Settings, rng: np.random.Generator) -> Model:
    V = len(data.vocabulary.words)
    fresh = init_gpt(V, settings.n_layers, settings.d_model, settings.h, settings.d_ff, rng)
    flat_weights, weights = flatten(fresh)
    return Model(weights, flat_weights, Config(settings.h, settings.rate, norm_first=settings.norm_first))


def train_language_model(data: Data, model: Model, settings: Settings, rng: np.random.Generator) -> Iterator[Step]:
    """Train `model` in place; one record a step."""
    s = settings

    def loss_and_gradient(batch: tuple[Array, Array]) -> tuple[float, GPT]:
        inputs, targets = batch
        logits, model_cache = gpt(inputs, model.weights, model.config, rng)
        loss, loss_cache = cross_entropy(logits, targets)
        dlogits = cross_entropy_backward(1.0, loss_cache)
        return loss, gpt_backward(dlogits, model_cache)

    batches = (random_windows(data.training, s.context, s.B, rng) for _ in range(s.steps))
    return train(
        model.flat_weights,
        loss_and_gradient,
        batches,
        lambda step: warmup_cosine(step, s.steps, s.peak_rate, s.warmup),
    )


def validation_loss(data: Data, model: Model, settings: Settings, most_batches: int = 40) -> float:
    """Nats per character on held-out text, without dropout: the first `most_batches` batches of windows side by side.

    A window's first characters are predicted from few others: the model could only do better with a longer context.
    """
    losses = []
    windows = consecutive_windows(data.validation, settings.context, 4 * settings.B)
    for inputs, targets in itertools.islice(windows, most_batches):
        logits, _ = gpt(inputs, model.weights, model.config)
        loss, _ = cross_entropy(logits, targets)
        losses.append((targets.size, float(loss)))
    return sum(n * loss for n, loss in losses) / sum(n for n, _ in losses)


def baselines(data: Data) -> dict[str, float]:
    """What each character of the same text costs one that knows nothing, ln V, and the bigram model."""
    V = len(data.vocabulary.words)
    bigram = count_ngrams(data.training, V, n=2, smoothing="add-k")
    return {"ln V": math.log(V), "bigram": ngram_loss(data.validation, bigram)}


def write(
    data: Data, model: Model, settings: Settings, prompt: str, length: int, rng: np.random.Generator
) -> Iterator[str]:
    """`length` characters after the prompt, one at a time."""

    def logits_of(ids: Array) -> Array:
        return gpt(ids, model.weights, model.config)[0]

    words = sample(logits_of, encode(prompt, data.vocabulary), settings.context, rng, TEMPERATURE)
    for word in itertools.islice(words, length):
        yield decode(np.array([word]), data.vocabulary)
