"""The recurrent encoder-decoder (2.2.2): what the Transformer replaced."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.layers.lstm import lstm, lstm_start
from minitransformer.models.rnn_encoder_decoder import (
    init_rnn_encoder_decoder,
    rnn_encoder_decoder,
    rnn_encoder_decoder_backward,
)
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """Source (B, L_k) of d_v tokens, target (B, L_q) of d_ff tokens."""
    rng = np.random.default_rng(seed)
    weights = loud(init_rnn_encoder_decoder(s.d_v, s.d_ff, s.d_k, s.h, rng), rng)
    return rng.integers(0, s.d_v, (s.B, s.L_k)), rng.integers(0, s.d_ff, (s.B, s.L_q)), weights, rng


@given(sizes, seeds)
def test_rnn_encoder_decoder_is_its_parts(s, seed):
    """The decoder starts from the encoder's last state, both h and c, and gets nothing else of the source."""
    source, target, weights, _ = draw(s, seed)
    logits, _ = rnn_encoder_decoder(source, target, weights)
    _, cache = lstm(weights.source.E[source], lstm_start((s.B,), weights.encoder), weights.encoder)
    h, _ = lstm(weights.target.E[target], cache.last, weights.decoder)
    assert_allclose(logits, h @ weights.output.W + weights.output.b, rtol=1e-12)


@given(sizes, seeds)
def test_rnn_encoder_decoder_gradients(s, seed):
    """Every weight: the encoder learns through the one state that it hands over."""
    source, target, weights, rng = draw(s, seed)
    assert_gradients(
        lambda weights: rnn_encoder_decoder(source, target, weights), rnn_encoder_decoder_backward, (weights,), rng
    )


@given(sizes, seeds)
def test_no_token_is_predicted_from_itself_or_the_future(s, seed):
    source, target, weights, rng = draw(s, seed)
    i = int(rng.integers(s.L_q))
    changed = target.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_ff, changed[:, i + 1 :].shape)
    logits, _ = rnn_encoder_decoder(source, target, weights)
    assert_allclose(rnn_encoder_decoder(source, changed, weights)[0][:, : i + 1], logits[:, : i + 1], rtol=1e-12)


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights = init_rnn_encoder_decoder(7, 8, 5, 6, rng)
    logits, cache = rnn_encoder_decoder(np.array([[1, 2, 3]]), np.array([[1, 2]]), weights)
    assert_float32(logits, cache, rnn_encoder_decoder_backward(logits, cache))


def test_bad_input_is_refused():
    weights = init_rnn_encoder_decoder(7, 8, 5, 6, np.random.default_rng(0))
    with refuses(ValueError, "source: got values from 7 to 7, expected 0 to 6"):
        rnn_encoder_decoder(np.array([7]), np.array([1]), weights)
    with refuses(ValueError, "target: got values from 8 to 8, expected 0 to 7"):
        rnn_encoder_decoder(np.array([1]), np.array([8]), weights)
