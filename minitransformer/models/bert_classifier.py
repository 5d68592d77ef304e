"""Section 3.5.2: text classification by BERT, whose classification token stands at the start of the text."""

from typing import NamedTuple

import numpy as np

from minitransformer.equations.dropout import dropout, dropout_backward, dropping
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.pooler import PoolerCache, pooler, pooler_backward
from minitransformer.models.bert import Bert, BertCache, bert, bert_backward

Array = np.ndarray


class BertClassifier(NamedTuple):
    bert: Bert
    pooler: Linear  # W: (d_model, d_model)
    output: Linear  # W: (d_model, C)


class BertClassifierCache(NamedTuple):
    bert: BertCache
    pooler: PoolerCache
    m: Array | None  # (..., d_model), dropout's mask
    output: LinearCache


def init_bert_classifier(body: Bert, pooling: Linear, C: int, rng: np.random.Generator) -> BertClassifier:
    """A new output for C classes, on a BERT and a pooler that are pretrained, or are not."""
    return BertClassifier(body, pooling, init_linear(pooling.W.shape[-1], C, rng, pooling.W.dtype))


def bert_classifier(
    ids: Array,
    segments: Array,
    lengths: Array | None,
    weights: BertClassifier,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[Array, BertClassifierCache]:
    """logits = dropout(p) W + b, with p what the pooler makes of the first token, [CLS].

    ids, segments, lengths: as in `bert` -> logits: (..., C)
    """
    y, bert_cache = bert(ids, segments, lengths, weights.bert, config, rng)  # (..., L, d_model)
    p, pooler_cache = pooler(y, weights.pooler)  # (..., d_model)
    dropped, m = dropout(p, dropping(config.dropout, rng))
    logits, output_cache = linear(dropped, weights.output)  # (..., C)
    return logits, BertClassifierCache(bert_cache, pooler_cache, m, output_cache)


def bert_classifier_backward(dlogits: Array, cache: BertClassifierCache) -> BertClassifier:
    """The forward, read from the bottom up."""
    ddropped, doutput = linear_backward(dlogits, cache.output)
    dp = dropout_backward(ddropped, cache.m)
    dy, dpooler = pooler_backward(dp, cache.pooler)
    dbert = bert_backward(dy, cache.bert)
    return BertClassifier(dbert, dpooler, doutput)
