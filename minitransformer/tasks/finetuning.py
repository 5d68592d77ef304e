"""Section 2.3.2: from a pretrained model to one for a task, which has its words, its shape and its weights."""

from typing import Any

import numpy as np

from minitransformer.layers.bert_embedding import BertEmbedding
from minitransformer.layers.mimetic_initialization import mimetic_encoder
from minitransformer.models.bert import Bert
from minitransformer.models.bert_classifier import init_bert_classifier
from minitransformer.models.gpt_classifier import init_gpt_classifier
from minitransformer.models.span_reader import init_span_reader
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER, with_token
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.language_modelling.run import Run as LanguageModel
from minitransformer.tasks.pretraining.bert import init_body
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Rng, Run, new_run

Array = np.ndarray

SIZES = ("n_layers", "d_model", "h", "h_kv", "d_ff", "context")
SHAPE = (*SIZES, "activation", "norm_first", "looking", "positions")


def in_shape_of(pretrained: Any, settings: Any) -> Any:
    """The settings of a task, with the shape of a pretrained model."""
    shape = {name: value for name, value in pretrained._asdict().items() if name in SHAPE and name in settings._fields}
    return settings._replace(**shape)


def reader(pretrained: Run, settings: Any, seed: int, scratch: bool = False, about: dict | None = None) -> Run:
    """BERT that answers questions. scratch: of the same shape, with the same words, but with random weights.

    Raises ValueError for `frozen` with `fresh_layers`: layers that know nothing must learn.
    """
    if settings.frozen and settings.fresh_layers:
        raise ValueError("frozen: got True with fresh_layers=True, expected fresh_layers=False beside it")
    rng = np.random.default_rng(seed)
    body = None if scratch else init_span_reader(body_for_questions(pretrained, settings.fresh_layers, rng), rng)
    shaped = in_shape_of(pretrained.settings, settings)
    return new_run(BERT_READER.kind, shaped, pretrained.vocabulary, seed, (), about, body)


def body_for_questions(pretrained: Run, fresh_layers: bool, rng: Rng) -> Bert:
    """The pretrained embeddings and layers; with `fresh_layers`, the embeddings below reinitialized layers.

    Answering means finding the question's words in the text. Layers that have learned to guess masked words no longer
    attend to the same word, and relearn that more slowly than new ones; what words mean is kept either way. (Zhang et
    al. 2021, Revisiting few-sample BERT fine-tuning, reinitialize the top layers.) The new heads for the same word
    read the features that vary least with position in the pretrained embedding; the heads meant for an untrained one
    find the question's word with some seeds but not with others.
    """
    body = pretrained.weights.bert
    if not fresh_layers:
        return body
    s = pretrained.settings
    layers = init_body(pretrained.vocabulary.size, s._replace(looking=False), rng).layers
    if not s.looking:
        return body._replace(layers=layers)
    return body._replace(layers=mimetic_encoder(layers, s.h, rng, position_vectors(body.embedding)))


def position_vectors(embedding: BertEmbedding) -> Array:
    """gamma * (P_i + S_s), what position i in segment s adds to a token's vector.  -> (2 context, d_model)"""
    P, S = embedding.positions.P, embedding.segments.E
    both = (P + S[:, None, :]).reshape(-1, P.shape[-1])  # (2 context, d_model)
    return embedding.norm.gamma * both


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
    body = None if scratch else init_gpt_classifier(with_token(pretrained.weights.body, rng), len(TOPICS), rng)
    shaped = in_shape_of(pretrained.settings, settings)
    return new_run(GPT_CLASSIFIER.kind, shaped, pretrained.vocabulary, seed, TOPICS, about, body)
