"""Section 2.1.3: the recurrent neural language model (RNNLM; Mikolov et al. 2010), with an Elman network or an LSTM."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_tokens
from minitransformer.equations.op import Op
from minitransformer.layers.elman import ELMAN, Elman, elman_start, init_elman
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.lstm import LONG_SHORT_TERM, LSTM, init_lstm, lstm_start

Array = np.ndarray


class RnnLM(NamedTuple):
    embedding: Embedding  # E: (V, d)
    recurrent: Elman | LSTM
    output: Linear  # W: (d_h, V)


class RnnLMCache(NamedTuple):
    embedding: EmbeddingCache
    recurrent: Any
    output: LinearCache


def init_rnn_lm(
    V: int, d: int, d_h: int, rng: np.random.Generator, cell: str = "elman", dtype: DTypeLike = np.float32
) -> RnnLM:
    """cell: "elman" or "lstm"."""
    if cell not in ("elman", "lstm"):
        raise ValueError(f"cell: got {cell!r}, expected 'elman' or 'lstm'")
    init_recurrent = init_elman if cell == "elman" else init_lstm
    return RnnLM(init_embedding(V, d, rng, dtype), init_recurrent(d, d_h, rng, dtype), init_linear(d_h, V, rng, dtype))


def rnn_lm_start(shape: tuple[int, ...], weights: RnnLM) -> Any:
    """The state of a model that has read nothing, for sequences with these batch axes."""
    if isinstance(weights.recurrent, LSTM):
        return lstm_start(shape, weights.recurrent)
    return elman_start(shape, weights.recurrent)


def op_of(weights: Elman | LSTM) -> Op:
    """The layer that these weights belong to."""
    return LONG_SHORT_TERM if isinstance(weights, LSTM) else ELMAN


def rnn_lm(ids: Array, state: Any, weights: RnnLM) -> tuple[Array, RnnLMCache]:
    """logits_i = h_i W + b, with h_i the state after w_1, ..., w_i: softmax of it is P(w_{i+1} | w_1, ..., w_i).

    ids: (..., L) integers in [0, V); state: what `rnn_lm_start` gives, or `cache.recurrent.last` of the text before
    -> logits: (..., L, V).
    """
    check_tokens("ids", ids, len(weights.embedding.E))
    x, embedding_cache = embedding(ids, weights.embedding)
    h, recurrent_cache = op_of(weights.recurrent).forward(x, state, weights.recurrent)  # (..., L, d_h)
    logits, output_cache = linear(h, weights.output)  # (..., L, V)
    return logits, RnnLMCache(embedding_cache, recurrent_cache, output_cache)


def rnn_lm_backward(dlogits: Array, cache: RnnLMCache) -> RnnLM:
    """The forward, read from the bottom up.

    The gradient stops at the state that the window began with: for a text that is read window by window that is
    truncated backpropagation through time.
    """
    dh, doutput = linear_backward(dlogits, cache.output)  # (..., L, d_h)
    dx, _, drecurrent = op_of(cache.recurrent.weights).backward(dh, cache.recurrent)
    dembedding = embedding_backward(dx, cache.embedding)
    return RnnLM(dembedding, drecurrent, doutput)
