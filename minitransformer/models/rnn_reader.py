"""Section 6.3: the reader that came before BERT, recurrent, with an attention that makes one vector of the question."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_lengths, check_shape, check_tokens
from minitransformer.equations.attention import AttendCache, attend, attend_backward
from minitransformer.layers.bert_embedding import check_segments
from minitransformer.layers.bidirectional import (
    Bidirectional,
    BidirectionalCache,
    bidirectional,
    bidirectional_backward,
    init_bidirectional,
)
from minitransformer.layers.embedding import Embedding, EmbeddingCache, embedding, embedding_backward, init_embedding
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward

Array = np.ndarray


class RnnReader(NamedTuple):
    embedding: Embedding  # E: (V, d)
    rnn: Bidirectional
    pooling: Linear  # W: (2*d_h, 1)
    span: Linear  # W: (2*d_h, 2*2*d_h)


class RnnReaderCache(NamedTuple):
    embedding: EmbeddingCache
    rnn: BidirectionalCache
    y: Array  # (..., L, 2*d_h)
    pooling: LinearCache
    attend: AttendCache
    span: LinearCache
    U: Array  # (..., 2, 2*d_h)


def init_rnn_reader(V: int, d: int, d_h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> RnnReader:
    return RnnReader(
        init_embedding(V, d, rng, dtype),
        init_bidirectional(d, d_h, rng, dtype),
        init_linear(2 * d_h, 1, rng, dtype),
        init_linear(2 * d_h, 4 * d_h, rng, dtype),
    )


def rnn_reader(ids: Array, segments: Array, lengths: Array, weights: RnnReader) -> tuple[Array, RnnReaderCache]:
    """Scores of starts and ends, as `span_reader`, by two recurrent networks and two products.

    alpha = softmax(y w) over the positions of the question, q = sum_i alpha_i y_i, u_k = q W_k + b_k, and scores_ki =
    u_k . y_i (Chen et al. 2017, who read question and text apart; here, as in BERT, the one is read after the other).

    ids, segments: (..., L), the question as segment 0 and the text as segment 1; lengths: (...) -> scores: (..., 2, L)
    """
    check_tokens("ids", ids, len(weights.embedding.E))
    check_segments(segments, ids)
    check_lengths(lengths, ids)
    x, embedding_cache = embedding(ids, weights.embedding)  # (..., L, d)
    y, rnn_cache = bidirectional(x, lengths, weights.rnn)  # (..., L, 2*d_h)
    a, pooling_cache = linear(y, weights.pooling)  # (..., L, 1)
    of_question = (segments == 0) & (np.arange(ids.shape[-1]) < lengths[..., None])  # (..., L)
    A = a.mT  # (..., 1, L)
    q, attend_cache = attend(A, y, of_question[..., None, :])  # (..., 1, 2*d_h)
    u, span_cache = linear(q, weights.span)  # (..., 1, 4*d_h)
    U = u.reshape(*u.shape[:-2], 2, y.shape[-1])  # (..., 2, 2*d_h)
    scores = U @ y.mT  # (..., 2, L)
    return scores, RnnReaderCache(embedding_cache, rnn_cache, y, pooling_cache, attend_cache, span_cache, U)


def rnn_reader_backward(dscores: Array, cache: RnnReaderCache) -> RnnReader:
    """The forward, read from the bottom up. y is used three times: scored, averaged, and asked how much it counts."""
    check_shape("dscores", dscores, (*cache.y.shape[:-2], 2, cache.y.shape[-2]))
    dU = dscores @ cache.y  # (..., 2, 2*d_h)
    dy_scored = dscores.mT @ cache.U  # (..., L, 2*d_h)
    du = dU.reshape(*dU.shape[:-2], 1, 2 * dU.shape[-1])  # (..., 1, 4*d_h)
    dq, dspan = linear_backward(du, cache.span)  # (..., 1, 2*d_h)
    dA, dy_averaged = attend_backward(dq, cache.attend)
    da = dA.mT  # (..., L, 1)
    dy_asked, dpooling = linear_backward(da, cache.pooling)
    dy = dy_scored + dy_averaged + dy_asked
    dx, drnn = bidirectional_backward(dy, cache.rnn)
    dembedding = embedding_backward(dx, cache.embedding)
    return RnnReader(dembedding, drnn, dpooling, dspan)
