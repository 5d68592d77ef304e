"""Section 2.3.2: from a pretrained model to one for a task, which has its words, its shape and its weights."""

from typing import Any

import numpy as np

from minitransformer.models.bert_classifier import init_bert_classifier
from minitransformer.models.gpt_classifier import init_gpt_classifier
from minitransformer.models.span_reader import init_span_reader
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER, with_token
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.language_modelling.run import Run as LanguageModel
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Kind, Run, new_run

SHAPE = ("n_layers", "d_model", "h", "d_ff", "context", "activation", "norm_first", "looking", "learned_positions")


def in_shape_of(pretrained: Any, settings: Any) -> Any:
    """The settings of a task, with the shape of a pretrained model."""
    shape = {name: value for name, value in pretrained._asdict().items() if name in SHAPE and name in settings._fields}
    return settings._replace(**shape)


def reader(pretrained: Run, settings: Any, seed: int, scratch: bool = False, about: dict | None = None) -> Run:
    """BERT that answers questions. scratch: of the same shape, with the same words, but with random weights."""
    kind = BERT_READER.kind
    body = None if scratch else init_span_reader(pretrained.weights.bert, np.random.default_rng(seed))
    return new_run(kind, in_shape_of(pretrained.settings, settings), pretrained.vocabulary, seed, (), about, body)


def rnn_reader(pretrained: Run, settings: Any, seed: int, about: dict | None = None) -> Run:
    """The recurrent reader, which has nothing of the pretrained model but its words."""
    return new_run(RNN_READER.kind, settings, pretrained.vocabulary, seed, (), about)


def bert_classifier(pretrained: Run, settings: Any, seed: int, scratch: bool = False, about: dict | None = None) -> Run:
    rng = np.random.default_rng(seed)
    weights = pretrained.weights
    body = None if scratch else init_bert_classifier(weights.bert, weights.pooler, len(TOPICS), rng)
    shaped = in_shape_of(pretrained.settings, settings)
    return new_run(BERT_CLASSIFIER.kind, shaped, pretrained.vocabulary, seed, TOPICS, about, body)


def gpt_classifier(
    pretrained: LanguageModel, settings: Any, seed: int, scratch: bool = False, about: dict | None = None
) -> Run:
    rng = np.random.default_rng(seed)
    body = None if scratch else init_gpt_classifier(with_token(pretrained.weights, rng), len(TOPICS), rng)
    shaped = in_shape_of(pretrained.settings, settings)
    return new_run(GPT_CLASSIFIER.kind, shaped, pretrained.vocabulary, seed, TOPICS, about, body)


KINDS: tuple[Kind, ...] = (BERT_READER.kind, RNN_READER.kind, BERT_CLASSIFIER.kind, GPT_CLASSIFIER.kind)
