"""Sections 2.3.1 and 3.3: BERT, pretrained on masked words and on pairs of sentences at once."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_finite, check_integer
from minitransformer.data.corpus import SIDES, TRAINING, Corpus, texts
from minitransformer.data.word_pieces import N_SPECIAL, WordPieces, word_piece_vocabulary
from minitransformer.equations.activations import GELU_TANH
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.files import StrPath
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.bert import Bert, init_bert
from minitransformer.models.bert_pretraining import (
    BertPretraining,
    Guesses,
    bert_pretraining,
    bert_pretraining_backward,
    init_bert_pretraining,
)
from minitransformer.tasks import run as runs
from minitransformer.tasks.checksums import Checksums, Passing, are_those_of
from minitransformer.tasks.pretraining import neighbours
from minitransformer.tasks.pretraining.masking import Masked, mask_words
from minitransformer.tasks.pretraining.sentence_pairs import Pairs, Sentences, draw_pairs, split
from minitransformer.tasks.run import Kind, Rng, Run, new_run
from minitransformer.training.loop import LossAndGradient, Step, train
from minitransformer.training.session import Report, looked

Array = np.ndarray

LEAST_CONTEXT = 8  # tokens of a pair, its marks among them
EPS = 1e-12  # of BERT's layer norms
LOOK_AT, JUDGE_AT = 10, 100  # batches of held-out pairs
SEED_OF_LOOKS = 3_3_1


class BertSettings(NamedTuple):
    n_layers: int = 3
    d_model: int = 64
    h: int = 4
    d_ff: int = 256
    norm_first: bool = True  # False: post-norm, as in Devlin et al., learns more slowly and bears smaller rates only
    looking: bool = True  # heads that look somewhere from the start, `layers.mimetic_initialization`
    rate: float = 0.0  # of dropout
    context: int = 64
    short: int = 32  # tokens of most pairs to learn from: attention finds sooner what matters where there is less of it
    long_every: int = 8  # of so many batches, one has pairs of the full length
    vocabulary: int = 4096
    B: int = 18  # pairs of the full length; of short ones so many that there are as many tokens
    peak: float = 4e-3
    decay: float = 0.01
    warmup: int = 100
    steps: int = 10000


def config(s: Any) -> Config:
    return Config(h=s.h, dropout=s.rate, activation=GELU_TANH, norm_first=s.norm_first, eps=EPS)


def init_body(V: int, s: Any, rng: Rng) -> Bert:
    """What pretraining, readers and classifiers have in common, in the shape that their settings say."""
    return init_bert(V, s.context, s.n_layers, s.d_model, s.h, s.d_ff, rng, final_norm=s.norm_first, looking=s.looking)


def init(V: int, classes: int, s: BertSettings, rng: Rng) -> BertPretraining:
    return init_bert_pretraining(init_body(V, s, rng), rng)


BERT = Kind("pretraining", "bert", BertSettings(), init)


class Text(NamedTuple):
    source: str
    vocabulary: WordPieces
    training: Sentences
    validation: Sentences
    test: Sentences
    checksums: Checksums = ()  # of the text of each side


def prepare(corpus: Corpus, words: WordPieces | int) -> Text:
    """The corpus as sentences.

    words: a vocabulary, or the size of the one to make from the training side
    """
    vocabulary = words
    if isinstance(words, int):
        check_integer("vocabulary", words, minimum=N_SPECIAL + 1)
        vocabulary = word_piece_vocabulary(texts(corpus, TRAINING), words, lines=True)
    read = {side: Passing(texts(corpus, side)) for side in SIDES}
    sentences = [split(read[side], vocabulary, side) for side in SIDES]
    return Text(corpus.source, vocabulary, *sentences, tuple(read[side].checksum for side in SIDES))


def begin(settings: BertSettings, text: Text, seed: int = 0, paths: tuple[str, ...] = ()) -> Run:
    """Raises ValueError or TypeError for settings that are out of range."""
    for name in ("context", "short"):
        check_integer(name, getattr(settings, name), minimum=LEAST_CONTEXT)
    about = {"paths": list(paths), "n_tokens": text.training.n_tokens}
    return new_run(BERT, settings, text.vocabulary, seed, about=about)._replace(checksums=text.checksums)


def check_text(run: Run, text: Text) -> None:
    """Raises ValueError unless all sides of the text are those that the run began with."""
    same_length = text.training.n_tokens == run.about.get("n_tokens")
    if not (same_length and are_those_of(run.checksums, text.checksums)):
        raise ValueError("text: it has changed since the run began, expected the same text")


def steps(run: Run, text: Text) -> Iterator[Step]:
    """Go on to the run's goal; one record a step, with the state after it. The run's own arrays change in place."""

    def batch(number: int, rng: Rng) -> tuple[Pairs, Masked]:
        return draw(text.training, run, rng, short=(number + 1) % run.settings.long_every != 0)

    return train(run.state, runs.plan(run)._replace(beta2=0.98), batch, loss_and_gradient(run), n_targets)


class Counts(NamedTuple):
    """The number of targets of each of the two losses."""

    words: int
    pairs: int


def n_targets(batch: tuple[Pairs, Masked]) -> Counts:
    pairs, masked = batch
    return Counts(len(masked.targets), len(pairs.next))


def draw(sentences: Sentences, run: Run, rng: Rng, short: bool = False) -> tuple[Pairs, Masked]:
    """A batch, of the full length or of short pairs (Devlin et al. 2019, A.2, have nine of ten steps short)."""
    s = run.settings
    context, B = (s.short, s.B * s.context // s.short) if short and s.short < s.context else (s.context, s.B)
    pairs = draw_pairs(sentences, context, B, rng)
    return pairs, mask_words(pairs.ids, run.vocabulary.size, rng)


def loss_and_gradient(run: Run) -> LossAndGradient:
    """The sum of both losses (Devlin et al. 2019, A.2)."""
    model_config = config(run.settings)

    def step(
        batch: tuple[Pairs, Masked], carry: None, rng: Rng, n: Counts | None = None
    ) -> tuple[float, BertPretraining, None]:
        pairs, masked = batch
        guesses, cache = bert_pretraining(
            masked.ids, pairs.segments, pairs.lengths, masked.places, run.weights, model_config, rng
        )
        n_words, n_pairs = n_targets(batch) if n is None else n
        word_loss, word_cache = cross_entropy(guesses.token_logits, masked.targets, n=n_words)
        next_loss, next_cache = cross_entropy(guesses.next_logits, pairs.next, n=n_pairs)
        dguesses = Guesses(cross_entropy_backward(1.0, word_cache), cross_entropy_backward(1.0, next_cache))
        return word_loss + next_loss, bert_pretraining_backward(dguesses, cache), None

    return step


class Accuracy(NamedTuple):
    word: float  # part of the masked words that are guessed right
    next: float  # part of the pairs that are told right


def held_out(sentences: Sentences, run: Run, n: int) -> list[tuple[Pairs, Masked]]:
    """The same batches each time."""
    rng = np.random.default_rng(SEED_OF_LOOKS)
    return [draw(sentences, run, rng) for _ in range(n)]


def accuracy(run: Run, batches: list[tuple[Pairs, Masked]]) -> Accuracy:
    words, nexts = [], []
    for pairs, masked in batches:
        guesses, _ = bert_pretraining(
            masked.ids, pairs.segments, pairs.lengths, masked.places, run.weights, config(run.settings)
        )
        check_finite("logits", guesses.token_logits)
        check_finite("logits", guesses.next_logits)
        words.append(guesses.token_logits.argmax(axis=-1) == masked.targets)
        nexts.append(guesses.next_logits.argmax(axis=-1) == pairs.next)
    return Accuracy(float(np.concatenate(words).mean()), float(np.concatenate(nexts).mean()))


class Baselines(NamedTuple):
    most_frequent: float  # part of the masked words that are the most frequent word
    neighbours: float  # part that a table of neighbours on both sides guesses
    width: int  # of that table, the better one on the validation text


def baselines(run: Run, text: Text) -> Baselines:
    """What can be guessed of the test's masked words without a model."""
    V = run.vocabulary.size
    documents = [np.concatenate(document) for document in text.training.documents]
    tables = neighbours.count(documents, V, max(neighbours.WIDTHS))

    def right(sentences: Sentences, width: int) -> float:
        batches = held_out(sentences, run, JUDGE_AT)
        hits = [neighbours.guess(m.ids, m.places, neighbours.up_to(tables, width), V) == m.targets for _, m in batches]
        return float(np.concatenate(hits).mean())

    best = max(neighbours.WIDTHS, key=lambda width: right(text.validation, width))
    most_frequent = np.bincount(np.concatenate(documents)).argmax()
    targets = np.concatenate([masked.targets for _, masked in held_out(text.test, run, JUDGE_AT)])
    return Baselines(float((targets == most_frequent).mean()), right(text.test, best), best)


def look(run: Run, text: Text, training_loss: float) -> Run:
    return looked(run, training_loss, accuracy(run, held_out(text.validation, run, LOOK_AT)).word)


def carry_on(
    run: Run, text: Text, path: StrPath | None = None, report: Callable[[Report], None] = lambda r: None
) -> tuple[Run, bool]:
    """As `tasks.run.carry_on`."""
    return runs.carry_on(run, steps(run, text), lambda run, loss: look(run, text, loss), path, report)
