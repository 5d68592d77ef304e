"""Section 2.2.2, what the Transformer replaced: an encoder-decoder of recurrent networks, without attention.

The encoder reads the source token by token; all that the decoder gets of it is the encoder's last state (Sutskever et
al. 2014; Cho et al. 2014).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_lengths, check_tokens
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.lstm import LSTM, LSTMCache, init_lstm, lstm, lstm_backward, lstm_start

Array = np.ndarray


class RnnEncoderDecoder(NamedTuple):
    source: Embedding  # E: (V_s, d)
    encoder: LSTM
    target: Embedding  # E: (V_t, d)
    decoder: LSTM
    output: Linear  # W: (d_h, V_t)


class RnnEncoderDecoderCache(NamedTuple):
    source: EmbeddingCache
    encoder: LSTMCache
    target: EmbeddingCache
    decoder: LSTMCache
    output: LinearCache


def init_rnn_encoder_decoder(
    V_s: int, V_t: int, d: int, d_h: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> RnnEncoderDecoder:
    return RnnEncoderDecoder(
        init_embedding(V_s, d, rng, dtype),
        init_lstm(d, d_h, rng, dtype),
        init_embedding(V_t, d, rng, dtype),
        init_lstm(d, d_h, rng, dtype),
        init_linear(d_h, V_t, rng, dtype),
    )


def read_source(
    source: Array, weights: RnnEncoderDecoder, lengths: Array | None = None
) -> tuple[Any, EmbeddingCache, LSTMCache]:
    """The state after the last token of the source: all that the decoder will know of it.

    source: (..., L_s); lengths: (...), how many tokens each source has, at its end, after the padding.  None: all L_s
    """
    check_tokens("source", source, len(weights.source.E))
    reads = None if lengths is None else padded_at_start(source, lengths)
    x, embedding_cache = embedding(source, weights.source)  # (..., L_s, d)
    start = lstm_start(source.shape[:-1], weights.encoder)
    _, encoder_cache = lstm(x, start, weights.encoder, reads)
    return encoder_cache.last, embedding_cache, encoder_cache


def padded_at_start(source: Array, lengths: Array) -> Array:
    """Where the tokens are, after the padding.  -> (..., L_s), boolean"""
    check_lengths(lengths, source)
    L_s = source.shape[-1]
    return np.arange(L_s) >= L_s - lengths.astype(np.int64)[..., None]


def write_target(
    target: Array, state: Any, weights: RnnEncoderDecoder
) -> tuple[Array, EmbeddingCache, LSTMCache, LinearCache]:
    """logits_i scores every token as the next after w_1, ..., w_i.  target: (..., L_t) -> logits: (..., L_t, V_t)"""
    check_tokens("target", target, len(weights.target.E))
    z, embedding_cache = embedding(target, weights.target)  # (..., L_t, d)
    h, decoder_cache = lstm(z, state, weights.decoder)  # (..., L_t, d_h)
    logits, output_cache = linear(h, weights.output)
    return logits, embedding_cache, decoder_cache, output_cache


def rnn_encoder_decoder(
    source: Array, target: Array, weights: RnnEncoderDecoder, lengths: Array | None = None
) -> tuple[Array, RnnEncoderDecoderCache]:
    """logits_i scores every token as the next after w_1, ..., w_i of the target, given the source's last state.

    source: (..., L_s), padded at its start, so that its tokens come last; target: (..., L_t); lengths: (...), how many
    tokens each source has without its padding, which is not read -> logits: (..., L_t, V_t)
    """
    state, source_cache, encoder_cache = read_source(source, weights, lengths)
    logits, target_cache, decoder_cache, output_cache = write_target(target, state, weights)
    return logits, RnnEncoderDecoderCache(source_cache, encoder_cache, target_cache, decoder_cache, output_cache)


def rnn_encoder_decoder_backward(dlogits: Array, cache: RnnEncoderDecoderCache) -> RnnEncoderDecoder:
    """The forward, read from the bottom up: back through all of the target, then through all of the source.

    Between them stands one state, and all that the encoder learns has to come through it.
    """
    dh, doutput = linear_backward(dlogits, cache.output)  # (..., L_t, d_h)
    dz, dstate, ddecoder = lstm_backward(dh, cache.decoder)
    dtarget = embedding_backward(dz, cache.target)
    dh_source = np.zeros_like(cache.encoder.h)  # nothing looks at the encoder's states but at the last one
    dx, _, dencoder = lstm_backward(dh_source, cache.encoder, dstate)
    dsource = embedding_backward(dx, cache.source)
    return RnnEncoderDecoder(dsource, dencoder, dtarget, ddecoder, doutput)
