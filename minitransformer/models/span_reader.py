"""Sections 3.5.1 and 6.3: question answering by span: where in the text the answer starts, and where it ends."""

from typing import NamedTuple

import numpy as np

from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.models.bert import Bert, BertCache, bert, bert_backward

Array = np.ndarray


class SpanReader(NamedTuple):
    bert: Bert
    span: Linear  # W: (d_model, 2), one column for the start and one for the end


class SpanReaderCache(NamedTuple):
    bert: BertCache
    span: LinearCache


def init_span_reader(body: Bert, rng: np.random.Generator) -> SpanReader:
    """A new head on a BERT that is pretrained, or is not."""
    E = body.embedding.tokens.E
    return SpanReader(body, init_linear(E.shape[-1], 2, rng, E.dtype))


def span_reader(
    ids: Array,
    segments: Array,
    lengths: Array | None,
    weights: SpanReader,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[Array, SpanReaderCache]:
    """scores_1i = y_i . s and scores_2i = y_i . e (and a bias): how well an answer would start, or end, at i.

    ids, segments, lengths: as in `bert`, with the question as segment 0 and the text as segment 1
    -> scores: (..., 2, L). softmax over the positions makes them P(start = i) and P(end = i), and the first token means
    that there is no answer (Devlin et al. 2019, sections 4.2 and 4.3 there).
    """
    y, bert_cache = bert(ids, segments, lengths, weights.bert, config, rng)  # (..., L, d_model)
    z, span_cache = linear(y, weights.span)  # (..., L, 2)
    scores = np.swapaxes(z, -1, -2)  # (..., 2, L)
    return scores, SpanReaderCache(bert_cache, span_cache)


def span_reader_backward(dscores: Array, cache: SpanReaderCache) -> SpanReader:
    """The forward, read from the bottom up."""
    dz = np.swapaxes(dscores, -1, -2)  # (..., L, 2)
    dy, dspan = linear_backward(dz, cache.span)
    dbert = bert_backward(dy, cache.bert)
    return SpanReader(dbert, dspan)
