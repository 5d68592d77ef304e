"""Section 3.5.2: two classifiers: BERT, with a classification token at the start, and GPT, with one at the end."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minitransformer.data.batches import padded
from minitransformer.data.vocabulary import Vocabulary
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.linear import init_linear
from minitransformer.models.bert_classifier import (
    BertClassifier,
    bert_classifier,
    bert_classifier_backward,
    init_bert_classifier,
)
from minitransformer.models.gpt import GPTBody
from minitransformer.models.gpt_classifier import (
    GPTClassifier,
    gpt_classifier,
    gpt_classifier_backward,
    init_gpt_classifier,
)
from minitransformer.tasks.language_modelling import gpt as language_model
from minitransformer.tasks.pretraining.bert import config, init_body
from minitransformer.tasks.pretraining.sentence_pairs import packed
from minitransformer.tasks.run import Kind, Rng

Array = np.ndarray

TASK = "classification"


class BertClassifierSettings(NamedTuple):
    n_layers: int = 3
    d_model: int = 64
    h: int = 4
    d_ff: int = 256
    norm_first: bool = True
    looking: bool = True
    rate: float = 0.1  # of dropout
    context: int = 64
    layer_decay: float = 1.0  # of the learning rate, from each layer to the one below it
    frozen: bool = False  # the pretrained layers do not learn
    B: int = 16
    peak: float = 2e-3
    decay: float = 0.01
    warmup: int = 50
    steps: int = 500


class GptClassifierSettings(NamedTuple):
    n_layers: int = 4
    d_model: int = 128
    h: int = 4
    d_ff: int = 512
    rate: float = 0.1  # of dropout
    activation: str = "gelu_tanh"
    norm_first: bool = True
    positions: str = "learned"
    h_kv: int = 0
    context: int = 64
    layer_decay: float = 1.0
    frozen: bool = False
    B: int = 16
    peak: float = 1e-3
    decay: float = 0.01
    warmup: int = 50
    steps: int = 500


class Classifier(NamedTuple):
    kind: Kind
    pack: Callable[[Sequence[Array], int, int], tuple]  # (texts as ids, V, context) -> what the model reads
    forward: Callable[[tuple, Any, Any, Rng | None], tuple[Array, Any]]  # (inputs, weights, settings, rng)
    backward: Callable[[Array, Any], Any]
    body: str  # the field of the weights that is pretrained


def init_bert_kind(V: int, classes: int, s: BertClassifierSettings, rng: Rng) -> BertClassifier:
    return init_bert_classifier(init_body(V, s, rng), init_linear(s.d_model, s.d_model, rng), classes, rng)


def pack_for_bert(texts: Sequence[Array], V: int, context: int) -> tuple[Array, Array, Array]:
    """[CLS] text [SEP], with as much of the text as fits: ids, segments, lengths."""
    return packed([text[: context - 2] for text in texts], None)


def init_gpt_kind(V: int, classes: int, s: GptClassifierSettings, rng: Rng) -> GPTClassifier:
    """With one word more than the vocabulary has, the classification token."""
    shared = {name: value for name, value in s._asdict().items() if name in language_model.GptSettings._fields}
    as_language_model = language_model.GptSettings(**shared, tied=True)
    model = language_model.init(np.zeros(0, np.int64), V + 1, as_language_model, rng)
    return init_gpt_classifier(model.body, classes, rng)


def with_token(body: GPTBody, rng: Rng) -> GPTBody:
    """A pretrained GPT with one token more, the classification token, drawn like those that it has."""
    E = body.embedding.E
    token = (E.std() * rng.standard_normal((1, E.shape[1]))).astype(E.dtype)
    return body._replace(embedding=Embedding(np.concatenate([E, token])))


def pack_for_gpt(texts: Sequence[Array], V: int, context: int) -> tuple[Array, Array]:
    """The text, as much of it as fits, and the classification token, whose id is V: ids, lengths. Padding is V, too."""
    rows = [np.append(text[: context - 1], V) for text in texts]
    return padded(rows, V), np.array([len(row) for row in rows])


BERT_CLASSIFIER = Classifier(
    Kind(TASK, "bert", BertClassifierSettings(), init_bert_kind),
    pack_for_bert,
    lambda inputs, weights, s, rng: bert_classifier(*inputs, weights, config(s), rng),
    bert_classifier_backward,
    "bert",
)
GPT_CLASSIFIER = Classifier(
    Kind(TASK, "gpt", GptClassifierSettings(), init_gpt_kind),
    pack_for_gpt,
    lambda inputs, weights, s, rng: gpt_classifier(*inputs, weights, language_model.config(s), rng),
    gpt_classifier_backward,
    "body",
)
CLASSIFIERS = {classifier.kind.name: classifier for classifier in (BERT_CLASSIFIER, GPT_CLASSIFIER)}


def encoded(texts: Sequence[str], vocabulary: Vocabulary) -> list[Array]:
    return [vocabulary.encode(text) for text in texts]
