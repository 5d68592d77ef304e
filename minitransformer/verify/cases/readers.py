"""A point to check each model at that reads a text and judges it, and each layer that these models alone have."""

from collections.abc import Callable

import numpy as np

from minitransformer.equations.activations import GELU
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.bert_embedding import (
    BertEmbedding,
    bert_embedding,
    bert_embedding_backward,
    init_bert_embedding,
)
from minitransformer.layers.bidirectional import (
    Bidirectional,
    bidirectional,
    bidirectional_backward,
    init_bidirectional,
)
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear
from minitransformer.layers.mlm_head import (
    MLMHead,
    init_mlm_head,
    mlm_head,
    mlm_head_backward,
)
from minitransformer.layers.pooler import pooler, pooler_backward
from minitransformer.models.bert import Bert, bert, bert_backward, init_bert
from minitransformer.models.bert_classifier import (
    BertClassifier,
    bert_classifier,
    bert_classifier_backward,
    init_bert_classifier,
)
from minitransformer.models.bert_pretraining import (
    BertPretraining,
    Guesses,
    bert_pretraining,
    bert_pretraining_backward,
    init_bert_pretraining,
)
from minitransformer.models.gpt import init_gpt
from minitransformer.models.gpt_classifier import (
    GPTClassifier,
    gpt_classifier,
    gpt_classifier_backward,
    init_gpt_classifier,
)
from minitransformer.models.rnn_reader import RnnReader, init_rnn_reader, rnn_reader, rnn_reader_backward
from minitransformer.models.span_reader import SpanReader, init_span_reader, span_reader, span_reader_backward
from minitransformer.verify.cases.points import RATE, B, L_k, L_q, Rng, d_ff, d_k, d_model, d_v, h, loud, one
from minitransformer.verify.gradient_check import Case

Array = np.ndarray

V, C, context = 5, 8, 9  # tokens, classes, positions
CONFIG = Config(h=h, dropout=RATE, activation=GELU, eps=1e-12)
LENGTHS = np.array([L_k, 4])


def two_texts(rng: Rng) -> tuple[Array, Array]:
    """Tokens, and two segments: the first token is of the first one, the last of the second. -> ids, segments"""
    ends = rng.integers(1, 4, (B, 1))  # of the first segment
    return rng.integers(0, V, (B, L_k)), (np.arange(L_k) >= ends).astype(int)


def bert_embedding_case(rng: Rng) -> Case:
    ids, segments = two_texts(rng)
    seed = int(rng.integers(2**32))
    weights = loud(init_bert_embedding(V, context, d_model, rng), rng)

    def forward(weights: BertEmbedding) -> tuple:
        return bert_embedding(ids, segments, weights, drop=Dropout(RATE, np.random.default_rng(seed)))

    return Case(forward, one(bert_embedding_backward), (weights,))


def pooler_case(rng: Rng) -> Case:
    weights = loud(Linear(np.zeros((d_model, d_k)), np.zeros(d_k)), rng)
    return Case(pooler, pooler_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def mlm_head_case(rng: Rng) -> Case:
    y, E = rng.standard_normal((L_q, d_model)), rng.standard_normal((V, d_model))
    weights = loud(init_mlm_head(V, d_model, rng), rng)

    def forward(y: Array, weights: MLMHead, embedding: Embedding) -> tuple:
        return mlm_head(y, weights, embedding, GELU)

    return Case(forward, mlm_head_backward, (y, weights, Embedding(E)))


def bidirectional_case(rng: Rng) -> Case:
    weights = loud(init_bidirectional(d_k, d_v, rng), rng)

    def forward(x: Array, weights: Bidirectional) -> tuple:
        return bidirectional(x, LENGTHS, weights)

    return Case(forward, bidirectional_backward, (rng.standard_normal((B, L_k, d_k)), weights))


def bert_case(rng: Rng) -> Case:
    ids, segments = two_texts(rng)
    seed = int(rng.integers(2**32))
    weights = loud(init_bert(V, context, 2, d_model, h, d_ff, rng), rng)

    def forward(weights: Bert) -> tuple:
        return bert(ids, segments, LENGTHS, weights, CONFIG, np.random.default_rng(seed))

    return Case(forward, one(bert_backward), (weights,))


def bert_pretraining_case(rng: Rng) -> Case:
    """Both guesses as one array: first the tokens, then whether the segments follow."""
    ids, segments = two_texts(rng)
    positions = np.array([8, 1, 3])  # one in the second text, the first of which is full; in any order
    seed = int(rng.integers(2**32))
    weights = loud(init_bert_pretraining(init_bert(V, context, 2, d_model, h, d_ff, rng), rng), rng)

    def forward(weights: BertPretraining) -> tuple:
        guesses, cache = bert_pretraining(
            ids, segments, LENGTHS, positions, weights, CONFIG, np.random.default_rng(seed)
        )
        return np.concatenate([logits.ravel() for logits in guesses]), cache

    def backward(dy: Array, cache: tuple) -> tuple:
        n = len(positions) * V
        dguesses = Guesses(dy[:n].reshape(-1, V), dy[n:].reshape(B, 2))
        return (bert_pretraining_backward(dguesses, cache),)

    return Case(forward, backward, (weights,))


def span_reader_case(rng: Rng) -> Case:
    ids, segments = two_texts(rng)
    seed = int(rng.integers(2**32))
    body = init_bert(V, context, 2, d_model, h, d_ff, rng)
    weights = loud(init_span_reader(body, rng), rng)

    def forward(weights: SpanReader) -> tuple:
        return span_reader(ids, segments, LENGTHS, weights, CONFIG, np.random.default_rng(seed))

    return Case(forward, one(span_reader_backward), (weights,))


def bert_classifier_case(rng: Rng) -> Case:
    ids, segments = two_texts(rng)
    seed = int(rng.integers(2**32))
    pretrained = init_bert_pretraining(init_bert(V, context, 2, d_model, h, d_ff, rng), rng)
    weights = loud(init_bert_classifier(pretrained.bert, pretrained.pooler, C, rng), rng)

    def forward(weights: BertClassifier) -> tuple:
        return bert_classifier(ids, segments, LENGTHS, weights, CONFIG, np.random.default_rng(seed))

    return Case(forward, one(bert_classifier_backward), (weights,))


def gpt_classifier_case(rng: Rng) -> Case:
    ids = rng.integers(0, V, (B, L_k))
    seed = int(rng.integers(2**32))
    body = init_gpt(V, 2, d_model, h, d_ff, rng, context, tied=True, final_norm=True).body
    weights = loud(init_gpt_classifier(body, C, rng), rng)
    config = Config(h=h, dropout=RATE, activation=GELU, norm_first=True)

    def forward(weights: GPTClassifier) -> tuple:
        return gpt_classifier(ids, LENGTHS, weights, config, np.random.default_rng(seed))

    return Case(forward, one(gpt_classifier_backward), (weights,))


def rnn_reader_case(rng: Rng) -> Case:
    ids, segments = two_texts(rng)
    weights = loud(init_rnn_reader(V, d_k, d_v, rng), rng)

    def forward(weights: RnnReader) -> tuple:
        return rnn_reader(ids, segments, LENGTHS, weights)

    return Case(forward, one(rnn_reader_backward), (weights,))


CASES: dict[str, Callable[[Rng], Case]] = {
    "bert_embedding": bert_embedding_case,
    "pooler": pooler_case,
    "mlm_head": mlm_head_case,
    "bidirectional": bidirectional_case,
    "bert": bert_case,
    "bert_pretraining": bert_pretraining_case,
    "span_reader": span_reader_case,
    "bert_classifier": bert_classifier_case,
    "gpt_classifier": gpt_classifier_case,
    "rnn_reader": rnn_reader_case,
}
