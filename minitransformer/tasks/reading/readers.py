"""Sections 3.5.1 and 6.3: the two readers, BERT with a span on top, and the recurrent one before it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.models.rnn_reader import init_rnn_reader, rnn_reader, rnn_reader_backward
from minitransformer.models.span_reader import SpanReader, init_span_reader, span_reader, span_reader_backward
from minitransformer.tasks.pretraining.bert import config, init_body
from minitransformer.tasks.reading.windows import Batch
from minitransformer.tasks.run import Kind, Rng

Array = np.ndarray

TASK = "reading comprehension"


class BertReaderSettings(NamedTuple):
    n_layers: int = 3
    d_model: int = 64
    h: int = 4
    d_ff: int = 256
    norm_first: bool = True
    looking: bool = True
    rate: float = 0.0  # of dropout
    context: int = 64
    with_answer: float = 0.7  # of the windows to learn from
    misnamed: float = 0.4  # part of those with a named parameter whose question gets another name, so has no answer
    renamed: float = 0.95  # part of the questions to learn from whose parameter gets another name
    layer_decay: float = 1.0  # of the learning rate, from each layer to the one below it
    frozen: bool = False  # the pretrained layers do not learn
    fresh_layers: bool = True  # only the embeddings are pretrained, see `finetuning.body_for_questions`
    B: int = 24
    peak: float = 2e-3
    decay: float = 0.01
    warmup: int = 80
    steps: int = 2000


class RnnReaderSettings(NamedTuple):
    d: int = 64  # of a word's vector
    d_h: int = 64  # of each direction
    context: int = 96
    with_answer: float = 0.5
    misnamed: float = 0.0  # it learns faster without misnamed
    renamed: float = 0.0  # and renamed questions
    B: int = 16
    peak: float = 3e-3
    decay: float = 0.01
    warmup: int = 80
    steps: int = 2000


class Reader(NamedTuple):
    """How a kind of reader scores a batch. scores: (B, 2, L)"""

    kind: Kind
    forward: Callable[[Batch, Any, Any, Rng | None], tuple[Array, Any]]  # (batch, weights, settings, rng)
    backward: Callable[[Array, Any], Any]
    body: str | None  # the field of the weights that may be pretrained


def init_bert_reader(V: int, classes: int, s: BertReaderSettings, rng: Rng) -> SpanReader:
    return init_span_reader(init_body(V, s, rng), rng)


def bert_scores(batch: Batch, weights: SpanReader, s: BertReaderSettings, rng: Rng | None) -> tuple[Array, Any]:
    return span_reader(batch.ids, batch.segments, batch.lengths, weights, config(s), rng)


BERT_READER = Reader(
    Kind(TASK, "bert", BertReaderSettings(), init_bert_reader), bert_scores, span_reader_backward, "bert"
)
RNN_READER = Reader(
    Kind(TASK, "rnn", RnnReaderSettings(), lambda V, classes, s, rng: init_rnn_reader(V, s.d, s.d_h, rng)),
    lambda batch, weights, s, rng: rnn_reader(batch.ids, batch.segments, batch.lengths, weights),
    rnn_reader_backward,
    None,
)
READERS = {reader.kind.name: reader for reader in (BERT_READER, RNN_READER)}
