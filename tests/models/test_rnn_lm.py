"""The recurrent neural language model (2.1.3), with an Elman network or an LSTM."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.elman import Elman
from minitransformer.layers.lstm import LSTM
from minitransformer.models.rnn_lm import init_rnn_lm, rnn_lm, rnn_lm_backward, rnn_lm_start
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

both_cells = pytest.mark.parametrize("cell", ["elman", "lstm"])


def draw(cell, s, seed):
    """V = d_ff tokens."""
    rng = np.random.default_rng(seed)
    weights = loud(init_rnn_lm(s.d_ff, s.d_k, s.d_v, rng, cell), rng)
    return rng.integers(0, s.d_ff, (s.B, s.L_q)), weights, rng


@both_cells
@given(s=sizes, seed=seeds)
def test_the_rnn_lm_is_the_equation(cell, s, seed):
    """Vectors of the tokens, the recurrent layer from a state of zeros, one score for each token."""
    ids, weights, _ = draw(cell, s, seed)
    x, zeros = weights.embedding.E[ids[0]], np.zeros(s.d_v)
    start = (zeros, zeros) if cell == "lstm" else (zeros,)
    h = {"elman": book.elman, "lstm": book.lstm}[cell](x, *start, *weights.recurrent)
    logits, _ = rnn_lm(ids, rnn_lm_start((s.B,), weights), weights)
    assert_allclose(logits[0], book.linear(h, *weights.output), rtol=1e-8, atol=1e-10, strict=True)


@both_cells
@given(s=sizes, seed=seeds)
def test_rnn_lm_gradients(cell, s, seed):
    """Full backpropagation through the window."""
    ids, weights, rng = draw(cell, s, seed)
    start = rnn_lm_start((s.B,), weights)
    assert_gradients(lambda weights: rnn_lm(ids, start, weights), rnn_lm_backward, (weights,), rng)


@both_cells
@given(s=sizes, seed=seeds)
def test_reading_window_by_window_with_the_state_is_reading_at_once(cell, s, seed):
    """What the model predicts does not depend on where windows begin."""
    ids, weights, rng = draw(cell, s, seed)
    logits, _ = rnn_lm(ids, rnn_lm_start((s.B,), weights), weights)
    n = int(rng.integers(1, s.L_q))
    first, cache = rnn_lm(ids[:, :n], rnn_lm_start((s.B,), weights), weights)
    second, _ = rnn_lm(ids[:, n:], cache.recurrent.last, weights)
    assert_allclose(np.concatenate([first, second], axis=1), logits, rtol=1e-10, atol=1e-12)


@both_cells
@given(s=sizes, seed=seeds)
def test_truncation_as_long_as_the_text_is_full_backpropagation(cell, s, seed):
    """One window is the whole text: no gradient is cut off. In two windows, the first token's vector misses some."""
    ids, weights, rng = draw(cell, s, seed)
    ids[:, 0], ids[:, 1:] = 0, rng.integers(1, s.d_ff, ids[:, 1:].shape)  # the token 0 stands at the start alone
    start = rnn_lm_start((s.B,), weights)
    logits, cache = rnn_lm(ids, start, weights)
    dlogits = rng.standard_normal(logits.shape)
    full = rnn_lm_backward(dlogits, cache).embedding.E[0]
    _, cache_1 = rnn_lm(ids[:, :1], start, weights)
    truncated = rnn_lm_backward(dlogits[:, :1], cache_1).embedding.E[0]
    assert not np.allclose(full, truncated)
    assert_array_equal(rnn_lm_backward(dlogits, rnn_lm(ids, start, weights)[1]).embedding.E[0], full)


@both_cells
@given(s=sizes, seed=seeds)
def test_no_token_is_predicted_from_itself_or_the_future(cell, s, seed):
    ids, weights, rng = draw(cell, s, seed)
    i = int(rng.integers(s.L_q))
    changed = ids.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_ff, changed[:, i + 1 :].shape)
    start = rnn_lm_start((s.B,), weights)
    logits, _ = rnn_lm(ids, start, weights)
    assert_array_equal(rnn_lm(changed, start, weights)[0][:, : i + 1], logits[:, : i + 1])


@both_cells
def test_shapes_and_float32(cell):
    rng = np.random.default_rng(0)
    weights = init_rnn_lm(7, 5, 6, rng, cell)
    assert isinstance(weights.recurrent, {"elman": Elman, "lstm": LSTM}[cell])
    logits, cache = rnn_lm(np.array([[1, 2, 3]]), rnn_lm_start((1,), weights), weights)
    assert logits.shape == (1, 3, 7)
    assert_float32(weights, logits, rnn_lm_backward(logits, cache))
    assert init_rnn_lm(7, 5, 6, rng, cell, np.float64).output.W.dtype == np.float64


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    with refuses(ValueError, "cell: got 'gru', expected 'elman' or 'lstm'"):
        init_rnn_lm(7, 5, 6, rng, "gru")
    weights = init_rnn_lm(7, 5, 6, rng)
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        rnn_lm(np.array([0, 7]), rnn_lm_start((), weights), weights)
    with refuses(ValueError, "h_0: got shape (3, 6), expected the batch axes (2,) before (d_h,)"):
        rnn_lm(np.array([[0, 1], [2, 3]]), rnn_lm_start((3,), weights), weights)
