"""Every task of the text as a training that is about to begin: tiny models, loud weights, sides that differ.

What is said of all tasks is said of the five things that a training is made of: state, plan, batches, loss and
gradient, and the count of targets.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from few_documents import sided_documents
from few_pairs import sided_pairs
from few_questions import sided_questions
from few_topics import sided_topics
from small_language import sided_text

from minitransformer.decoding.sampling import GREEDY, SamplingParams
from minitransformer.equations.activations import GELU, GELU_TANH, RELU
from minitransformer.equations.cross_entropy import IGNORE
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.bert_classifier import bert_classifier
from minitransformer.models.bert_pretraining import bert_pretraining
from minitransformer.models.fnn_lm import fnn_lm
from minitransformer.models.gpt import gpt
from minitransformer.models.gpt_classifier import gpt_classifier
from minitransformer.models.rnn_encoder_decoder import rnn_encoder_decoder
from minitransformer.models.rnn_lm import rnn_lm
from minitransformer.models.rnn_reader import rnn_reader
from minitransformer.models.span_reader import span_reader
from minitransformer.models.transformer import transformer
from minitransformer.tasks import run as runs
from minitransformer.tasks.classification import classification
from minitransformer.tasks.classification.classifiers import CLASSIFIERS
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.language_modelling import evaluation
from minitransformer.tasks.language_modelling import kinds as language_models
from minitransformer.tasks.language_modelling import run as language_modelling
from minitransformer.tasks.language_modelling.writing import written
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.pretraining.filling import fill
from minitransformer.tasks.reading import reading
from minitransformer.tasks.reading.readers import READERS
from minitransformer.tasks.translation import run as translation
from minitransformer.tasks.translation.alignment import align
from minitransformer.tasks.translation.batches import POOL, Batch
from minitransformer.tasks.translation.evaluation import exact_matches, translate
from minitransformer.training.loop import new_state
from minitransformer.training.session import Goal
from minitransformer.tree import flatten, named_leaves, tree_map
from minitransformer.verify.cases.points import loud

ACTIVATIONS = {"relu": RELU, "gelu": GELU, "gelu_tanh": GELU_TANH}
BERT_EPS = 1e-12
SIZES = {"n_layers": 1, "d_model": 8, "h": 2, "d_ff": 10, "d": 5, "d_h": 6, "d_hidden": 7, "B": 3, "rate": 0.0}


class Loss(NamedTuple):
    """One loss of a batch, by its definition: the sum over its targets of -log P, and how many targets there are."""

    total: Any
    count: int


class Task(NamedTuple):
    settings: Any
    data: Any
    new: Callable[[Any, int], Any]  # (settings, seed) -> the run as it is before training
    steps: Callable[[Any, Any], Any]  # (run, data)
    look: Callable[[Any, Any, float], Any]  # (run, data, training loss)
    losses: Callable[..., list[Loss]]  # (run, batch, carry, rng)
    evaluate: Callable[[Any, Any], list]  # (run, data) -> whatever can be asked of a model, as numbers and texts
    judge: Callable[[Any, Any], float]  # (run, one side) -> what a look at this side comes to


class Training(NamedTuple):
    """What a task hands to the training loop."""

    state: Any
    plan: Any
    next_batch: Any
    loss_and_gradient: Any
    count: Any


def training_of(task, run):
    """What `train` is given for this run: a generator that has not begun still has its arguments."""
    handed = inspect.getgeneratorlocals(task.steps(run, task.data))
    return Training(*(handed[name] for name in Training._fields))


def same(ours, theirs):
    """Whether two trees of arrays, numbers and texts are equal to the last bit."""
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and same(list(ours.values()), list(theirs.values()))
    if isinstance(ours, np.ndarray | float):
        return np.array_equal(ours, theirs, equal_nan=np.asarray(ours).dtype.kind == "f")
    return ours == theirs


def batches_of(training, n=2):
    """The first ones; of sentences those with the most padding."""
    drawn = [training.next_batch(number, np.random.default_rng(number)) for number in range(n)]
    if isinstance(drawn[0], Batch):
        drawn = [training.next_batch(number, None) for number in range(POOL)]
        drawn.sort(key=lambda batch: (batch.targets == IGNORE).sum(), reverse=True)
    return drawn[:n]


def loud_run(task, seed=0, dtype=np.float64, **changes):
    """Its weights and what it carries are random numbers of order 0.5, in double precision."""
    run = task.new(task.settings._replace(**changes), seed)._replace(goal=Goal(steps=9))
    rng = np.random.default_rng(seed)
    of_weights, carry = (
        tree_map(lambda array: array.astype(dtype), loud(tree, rng)) for tree in (run.weights, run.state.carry)
    )
    flat, weights = flatten(of_weights)
    state = new_state(flat, rng)._replace(carry=carry)
    return run._replace(weights=weights, state=state)


def lively_run(task, seed=9, **changes):
    """Loud matrices, but gains near 1 and biases near 0: what it says depends on what it reads.

    Where biases are as large as the rest, a model says the same whatever it is asked.
    """
    run = loud_run(task, seed, **changes)
    for path, leaf in named_leaves(run.weights):
        if path.endswith("gamma"):
            leaf[:] = 1 + 0.3 * leaf
        elif leaf.ndim == 1:
            leaf *= 0.2
        elif "cross_attention" in path:
            leaf *= 2
    return run


def of(settings, **own):
    """The settings with small sizes."""
    changes = SIZES | own
    return settings._replace(**{name: value for name, value in changes.items() if name in settings._fields})


def minus_log_p(logits, targets, smoothing=0.0):
    """Of rows of logits the sum of -sum_w q_w log p_w, one by one.  logits: (..., V), targets: (...)"""
    V = logits.shape[-1]
    total, count = 0.0, 0
    for row, target in zip(logits.reshape(-1, V), targets.reshape(-1), strict=True):
        if target == IGNORE:
            continue
        log_p = row - np.log(np.exp(row).sum())
        total = total - (1 - smoothing) * log_p[target] - smoothing * log_p.mean()
        count += 1
    return Loss(total, count)


def fnn_losses(run, windows, carry, rng):
    return [minus_log_p(fnn_lm(windows[:, :-1], run.weights)[0], windows[:, -1])]


def rnn_losses(run, batch, carry, rng):
    return [minus_log_p(rnn_lm(batch[0], carry, run.weights)[0], batch[1])]


def gpt_config(s):
    of_layers = {"rotary": s.positions == "rotary", "alibi": s.positions == "alibi"}
    return Config(h=s.h, dropout=s.rate, activation=ACTIVATIONS[s.activation], norm_first=s.norm_first, **of_layers)


def gpt_losses(run, batch, carry, rng):
    s = run.settings
    return [minus_log_p(gpt(batch[0], run.weights, gpt_config(s), rng)[0], batch[1])]


def transformer_losses(run, batch, carry, rng):
    s = run.settings
    config = Config(h=s.h, dropout=s.rate, activation=RELU, norm_first=s.norm_first)
    logits, _ = transformer(batch.source, batch.inputs, run.weights, config, batch.lengths, rng)
    return [minus_log_p(logits, batch.targets, s.label_smoothing)]


def rnn_translation_losses(run, batch, carry, rng):
    """Sentence by sentence, without padding."""
    parts = []
    for source, n, inputs, targets in zip(*batch, strict=True):
        logits, _ = rnn_encoder_decoder(source[-n:], inputs, run.weights)
        parts.append(minus_log_p(logits, targets, run.settings.label_smoothing))
    return [Loss(sum(part.total for part in parts), sum(part.count for part in parts))]


def bert_config(s):
    return Config(h=s.h, dropout=s.rate, activation=GELU_TANH, norm_first=s.norm_first, eps=BERT_EPS)


def pretraining_losses(run, batch, carry, rng):
    """Of the masked words and of the pairs; what is read is the text with its masks."""
    pairs, masked = batch
    guesses, _ = bert_pretraining(
        masked.ids, pairs.segments, pairs.lengths, masked.places, run.weights, bert_config(run.settings), rng
    )
    words = pairs.ids.reshape(-1)[masked.places]
    return [minus_log_p(guesses.token_logits, words), minus_log_p(guesses.next_logits, pairs.next)]


def bert_reader_losses(run, rows, carry, rng):
    scores, _ = span_reader(rows.ids, rows.segments, rows.lengths, run.weights, bert_config(run.settings), rng)
    return [of_spans(scores, rows)]


def rnn_reader_losses(run, rows, carry, rng):
    return [of_spans(rnn_reader(rows.ids, rows.segments, rows.lengths, run.weights)[0], rows)]


def of_spans(scores, rows):
    """Starts and ends, each a choice among the places of the text, which ends with [SEP], and the first one."""
    total = 0.0
    for of_row, segments, n, targets in zip(scores, rows.segments, rows.lengths, rows.targets, strict=True):
        places = [0, *(i for i in range(n - 1) if segments[i] == 1)]
        for of_one, target in zip(of_row, targets, strict=True):
            total = total - of_one[target] + np.log(np.exp(of_one[places]).sum())
    return Loss(total, 2 * len(scores))


def bert_classifier_losses(run, batch, carry, rng):
    inputs, topics = batch
    return [minus_log_p(bert_classifier(*inputs, run.weights, bert_config(run.settings), rng)[0], topics)]


def gpt_classifier_losses(run, batch, carry, rng):
    (ids, lengths), topics = batch
    s = run.settings
    return [minus_log_p(gpt_classifier(ids, lengths, run.weights, gpt_config(s), rng)[0], topics)]


def evaluate_language_model(run, text):
    ids = text.test.astype(np.int64)
    logits, state = run.kind.read(ids[:3], None, run.weights, run.settings)
    more, _ = run.kind.read(ids[3:4], state, run.weights, run.settings)
    samples = [
        "".join(written(run, "abc", 20, params, np.random.default_rng(0)))
        for params in (GREEDY, SamplingParams(1.5, 3, 0.9))
    ]
    scores = [tuple(evaluation.score(run, text, side)) for side in ("validation", "test")]
    return [language_modelling.costs(run, ids), logits, more, *samples, *scores]


def evaluate_translator(run, pairs):
    sources = [source for source, _ in pairs.test]
    translations = [translate(run, sources, width) for width in (1, 3)]
    looks = [align(run, sources[0]).alpha] if run.kind.name == "transformer" else []
    return [*translations, exact_matches(run, pairs.test), *looks]


def evaluate_pretraining(run, text):
    return [tuple(bert.accuracy(run, bert.held_out(text.test, run, 5))), fill(run, "the [MASK] is [MASK]", 60)]


def evaluate_reader(run, data):
    answers = [tuple(found) for found in reading.best_answers(run, data.test)]
    one = data.test[0]
    question = run.vocabulary.decode(one.question)
    return [*answers, tuple(reading.score(run, data.test)), reading.answer(run, question, one.document.text)]


def evaluate_classifier(run, data):
    return [classification.probabilities(run, data.test.ids), classification.accuracy(run, data.test)]


def language_model(name, losses, **own):
    kind, text = language_models.KINDS[name], sided_text()
    return Task(
        of(kind.settings, n=4, context=6, **own),
        text,
        lambda settings, seed=0: language_modelling.new_run(kind, settings, text, seed),
        language_modelling.steps,
        language_modelling.look,
        losses,
        evaluate_language_model,
        lambda run, ids: float(language_modelling.costs(run, ids).mean()),
    )


def translator(name, losses, **own):
    kind, pairs = translation.KINDS[name], sided_pairs()
    return Task(
        of(kind.settings, **own),
        pairs,
        lambda settings, seed=0: translation.new_run(kind, settings, pairs, "letters", seed=seed),
        translation.steps,
        translation.look,
        losses,
        evaluate_translator,
        exact_matches,
    )


def pretraining(**own):
    text = sided_documents()
    return Task(
        of(bert.BERT.settings, context=24, short=12, long_every=2, **own),
        text,
        lambda settings, seed=0: bert.begin(settings, text, seed),
        bert.steps,
        bert.look,
        pretraining_losses,
        evaluate_pretraining,
        lambda run, sentences: bert.accuracy(run, bert.held_out(sentences, run, bert.LOOK_AT)).word,
    )


def reader(name, losses, **own):
    kind = READERS[name].kind
    vocabulary, data = sided_questions()
    return Task(
        of(kind.settings, **{"context": 40, **own}),
        data,
        lambda settings, seed=0: runs.new_run(kind, settings, vocabulary, seed),
        reading.steps,
        reading.look,
        losses,
        evaluate_reader,
        lambda run, asked: reading.score(run, asked).exact,
    )


def classifier(name, losses, **own):
    kind = CLASSIFIERS[name].kind
    vocabulary, data = sided_topics()
    return Task(
        of(kind.settings, context=12, **own),
        data,
        lambda settings, seed=0: runs.new_run(kind, settings, vocabulary, seed, TOPICS),
        classification.steps,
        classification.look,
        losses,
        evaluate_classifier,
        classification.accuracy,
    )


POST_NORM = {"norm_first": False}
PLAIN_GPT = {"norm_first": False, "positions": "sinusoidal", "activation": "relu"}
MAKE = {
    "fnn": lambda: language_model("fnn", fnn_losses),
    "rnn, elman": lambda: language_model("rnn", rnn_losses, cell="elman"),
    "rnn, lstm": lambda: language_model("rnn", rnn_losses, cell="lstm"),
    "gpt": lambda: language_model("gpt", gpt_losses),
    "gpt, post-norm": lambda: language_model("gpt", gpt_losses, tied=False, **PLAIN_GPT),
    "gpt, rotary": lambda: language_model("gpt", gpt_losses, positions="rotary", h_kv=1),
    "gpt, alibi": lambda: language_model("gpt", gpt_losses, positions="alibi"),
    "translation, transformer": lambda: translator("transformer", transformer_losses),
    "translation, pre-norm": lambda: translator("transformer", transformer_losses, norm_first=True, tied=False),
    "translation, rnn": lambda: translator("rnn", rnn_translation_losses),
    "pretraining, bert": pretraining,
    "pretraining, post-norm": lambda: pretraining(looking=False, **POST_NORM),
    "reading, bert": lambda: reader("bert", bert_reader_losses),
    "reading, post-norm": lambda: reader("bert", bert_reader_losses, looking=False, **POST_NORM),
    "reading, rnn": lambda: reader("rnn", rnn_reader_losses, context=36),
    "classification, bert": lambda: classifier("bert", bert_classifier_losses),
    "classification, post-norm": lambda: classifier("bert", bert_classifier_losses, looking=False, **POST_NORM),
    "classification, gpt": lambda: classifier("gpt", gpt_classifier_losses),
    "classification, plain gpt": lambda: classifier("gpt", gpt_classifier_losses, **PLAIN_GPT),
}
NAMES = tuple(MAKE)


@functools.cache
def task_named(name):
    return MAKE[name]()
