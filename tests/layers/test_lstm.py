"""Long short-term memory (2.1.3)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.lstm import (
    LONG_SHORT_TERM,
    LSTM,
    State,
    init_lstm,
    lstm,
    lstm_backward,
    lstm_start,
)
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_lstm(s.d_k, s.d_v, rng), rng)
    start = State(*rng.standard_normal((2, s.B, s.d_v)))
    return rng.standard_normal((s.B, s.L_q, s.d_k)), start, weights, rng


@given(sizes, seeds)
def test_lstm_is_the_equation(s, seed):
    """Gates i, f, g, o; c_t = f c_{t-1} + i g, h_t = o tanh(c_t), token by token."""
    x, start, weights, _ = draw(s, seed)
    h, cache = lstm(x, start, weights)
    expected = [book.lstm(x[b], start.h[b], start.c[b], *weights) for b in range(s.B)]
    assert_allclose(h, expected, rtol=1e-9, atol=1e-12, strict=True)
    assert_array_equal(cache.last.h, h[:, -1])


@given(sizes, seeds)
def test_lstm_gradients(s, seed):
    """dx, both parts of the start state, and the weights; with batch axes and without."""
    x, start, weights, rng = draw(s, seed)
    assert_gradients(lstm, lstm_backward, (x, start, weights), rng)
    assert_gradients(lstm, lstm_backward, (x[0], State(start.h[0], start.c[0]), weights), rng)


@given(sizes, seeds)
def test_what_is_not_read_leaves_the_state_as_it_is(s, seed):
    """Wherever it stands: the states at the other positions are those of a sequence of these alone."""
    x, start, weights, rng = draw(s, seed)
    reads = rng.random((s.B, s.L_q)) < 0.6
    h, cache = lstm(np.where(reads[..., None], x, np.nan), start, weights, reads)
    for b in range(s.B):
        alone, alone_cache = lstm(x[b, reads[b]], State(start.h[b], start.c[b]), weights)
        assert_allclose(h[b, reads[b]], alone, rtol=1e-12, atol=1e-14)
        assert_allclose(np.stack([part[b] for part in cache.last]), np.stack(alone_cache.last), rtol=1e-12, atol=1e-14)
        before = np.concatenate([start.h[b : b + 1], h[b, :-1]])
        assert_array_equal(h[b, ~reads[b]], before[~reads[b]])


@given(sizes, seeds)
def test_lstm_gradients_around_what_is_not_read(s, seed):
    """Both gradients go around it; nothing comes to x there."""
    x, start, weights, rng = draw(s, seed)
    reads = rng.random((s.B, s.L_q)) < 0.6
    forward = lambda x, start, weights: lstm(x, start, weights, reads)  # noqa: E731
    assert_gradients(forward, lstm_backward, (x, start, weights), rng)
    dx, _, _ = lstm_backward(rng.standard_normal((s.B, s.L_q, s.d_v)), forward(x, start, weights)[1])
    assert not dx[~reads].any()


@given(sizes, seeds)
def test_lstm_gradients_by_way_of_the_last_state(s, seed):
    """Where another network goes on from it: the outputs' gradients and the last state's add."""
    x, start, weights, rng = draw(s, seed)

    def forward(x, start, weights):
        h, cache = lstm(x, start, weights)
        return np.concatenate([h.reshape(s.B, -1), cache.last.h, cache.last.c], axis=-1), cache

    def backward(dy, cache):
        d_h = cache.h.shape[-1]
        dh = dy[:, : -2 * d_h].reshape(cache.h.shape)
        return lstm_backward(dh, cache, State(dy[:, -2 * d_h : -d_h], dy[:, -d_h:]))

    assert_gradients(forward, backward, (x, start, weights), rng)


@given(sizes, seeds)
def test_a_text_in_two_windows_is_the_text_in_one(s, seed):
    """The state, both parts of it, carries over."""
    x, start, weights, rng = draw(s, seed)
    h, _ = lstm(x, start, weights)
    n = int(rng.integers(1, s.L_q))
    first, cache = lstm(x[:, :n], start, weights)
    second, _ = lstm(x[:, n:], cache.last, weights)
    assert_allclose(np.concatenate([first, second], axis=1), h, rtol=1e-11, atol=1e-13)


def test_an_open_memory_keeps_what_it_has():
    """With f = 1 and i = 0 the state c never changes, and its gradient comes back undamped over 100 tokens."""
    b = np.repeat([-50.0, 50.0, 0.0, 50.0], 2)
    weights = LSTM(np.zeros((3, 8)), np.zeros((2, 8)), b)
    start = State(np.zeros(2), np.array([0.3, -0.4]))
    _, cache = lstm(np.ones((100, 3)), start, weights)
    assert_allclose(cache.last.c, start.c, rtol=1e-12)
    dh = np.zeros((100, 2))
    dh[-1] = 1
    _, dstart, _ = lstm_backward(dh, cache)
    assert_allclose(dstart.c, 1 - np.tanh(start.c) ** 2, rtol=1e-12)


def test_start_values_and_float32():
    """The forget gate starts open."""
    rng = np.random.default_rng(0)
    weights = init_lstm(30, 100, rng)
    assert weights.W_x.shape == (30, 400)
    assert weights.W_h.shape == (100, 400)
    assert 0.099 < np.abs(weights.W_x).max() <= 0.1
    assert 0.099 < np.abs(weights.W_h).max() <= 0.1
    assert weights.b.tolist() == [0] * 100 + [1] * 100 + [0] * 200
    assert {w.dtype for w in init_lstm(2, 3, rng, np.float64)} == {np.dtype("float64")}
    h, cache = lstm(np.ones((2, 4, 30), np.float32), lstm_start((2,), weights), weights)
    assert not cache.start.h.any()
    assert not cache.start.c.any()
    assert_float32(h, cache, lstm_backward(h, cache))
    assert (lstm, lstm_backward) == LONG_SHORT_TERM


def test_bad_input_is_refused():
    weights = init_lstm(4, 3, np.random.default_rng(0))
    start = lstm_start((2,), weights)
    with refuses(ValueError, "x: got shape (2, 5), expected (..., L, d_in) with d_in = 4"):
        lstm(np.ones((2, 5)), start, weights)
    with refuses(ValueError, "x: got shape (4,), expected (..., L, d_in) with d_in = 4"):
        lstm(np.ones(4), start, weights)
    with refuses(ValueError, "start.h: got shape (3,), expected the batch axes (2,) before (d_h,)"):
        lstm(np.ones((2, 5, 4)), start._replace(h=np.ones(3)), weights)
    with refuses(ValueError, "start.c: got shape (3,), expected the batch axes (2,) before (d_h,)"):
        lstm(np.ones((2, 5, 4)), start._replace(c=np.ones(3)), weights)


def test_a_sequence_of_nothing_ends_where_it_starts():
    start = State(np.ones((2, 3)), np.full((2, 3), 2.0))
    h, cache = lstm(np.ones((2, 0, 4)), start, init_lstm(4, 3, np.random.default_rng(0), np.float64))
    assert h.shape == (2, 0, 3)
    assert cache.last == start


def test_reads_of_another_shape_or_type_are_refused():
    weights = init_lstm(4, 3, np.random.default_rng(0))
    x = np.ones((2, 5, 4), np.float32)
    for reads in (np.ones((2, 4), bool), np.ones(5, bool)):
        with refuses(ValueError, f"reads: got shape {reads.shape}, expected (2, 5), one for each position of x"):
            lstm(x, lstm_start((2,), weights), weights, reads)
    for reads, kind in ((np.ones((2, 5), np.int64), "dtype int64"), ([[True] * 5] * 2, "list")):
        with refuses(TypeError, f"reads: got {kind}, expected a boolean array, True where there is no padding"):
            lstm(x, lstm_start((2,), weights), weights, reads)


def test_both_matrices_are_drawn_from_both_sides_of_zero():
    weights = init_lstm(30, 100, np.random.default_rng(0))
    for W in (weights.W_x, weights.W_h):
        assert abs(W.mean()) < 0.002
        assert W.min() < -0.099
        assert abs(W.std() * np.sqrt(3) - 0.1) < 0.002


@given(sizes, seeds, st.sampled_from([np.nan, np.inf]))
def test_padding_has_no_influence_whatever_it_contains(s, seed, garbage):
    """On outputs, gradients and weights."""
    x, start, weights, rng = draw(s, seed)
    reads = rng.random((s.B, s.L_q)) < 0.6
    dh = rng.standard_normal((s.B, s.L_q, s.d_v))
    spoilt = np.where(reads[..., None], x, garbage)

    def forward_and_backward(x):
        h, cache = lstm(x, start, weights, reads)
        return leaves((h, lstm_backward(dh, cache)))

    for a, b in zip(forward_and_backward(x), forward_and_backward(spoilt), strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-13)
