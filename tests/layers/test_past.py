"""Keys and values of the positions before (3.4.1): what is kept, and the attention that finds it."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import causal_mask, padding_mask
from minitransformer.layers.linear import Linear
from minitransformer.layers.multi_head import init_multi_head, multi_head, multi_head_backward
from minitransformer.layers.past import empty_past, further, past_of, with_past
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_multi_head(s.d_model, s.h, rng), rng)
    return rng.standard_normal((s.B, s.L_q, s.d_model)), weights, rng


@given(sizes, seeds)
def test_positions_in_pieces_are_all_positions_at_once(s, seed):
    """Causal self-attention, cut anywhere: each piece adds its keys and values, and sees those before."""
    x, weights, rng = draw(s, seed)
    whole, _ = multi_head(x, x, x, weights, s.h, causal_mask(s.L_q))
    past = empty_past((s.B,), s.L_q, s.h, weights.key, weights.value)
    cut = int(rng.integers(1, s.L_q))
    for start, end in ((0, cut), (cut, s.L_q)):
        piece = x[:, start:end]
        y, _ = multi_head(piece, piece, piece, weights, s.h, causal_mask(end)[start:], past=past)
        assert_allclose(y, whole[:, start:end], rtol=1e-11, atol=1e-12)
        past = further(past, end - start)
    assert past.n == s.L_q


@given(sizes, seeds)
def test_a_memory_is_a_past_to_which_nothing_is_added(s, seed):
    """Its keys and values are computed once; nothing is new in it, and the attention is the same."""
    x, weights, rng = draw(s, seed)
    memory = rng.standard_normal((s.B, s.L_k, s.d_model))
    kept = past_of(memory, s.h, weights.key, weights.value)
    nothing = memory[:, :0]
    y, _ = multi_head(x, nothing, nothing, weights, s.h, past=kept)
    assert_allclose(y, multi_head(x, memory, memory, weights, s.h)[0], rtol=1e-12, atol=1e-13)


def test_room_is_filled_from_the_left_and_what_comes_back_shares_its_memory():
    maps = Linear(np.ones((4, 6)), np.zeros(6)), Linear(np.ones((4, 8)), np.zeros(8))
    past = empty_past((3,), 5, 2, *maps)
    assert (past.n, past.K.shape, past.V.shape, past.K.dtype) == (0, (3, 2, 5, 3), (3, 2, 5, 4), np.dtype(float))
    K, V = with_past(further(past, 1), np.ones((3, 2, 2, 3)), 2 * np.ones((3, 2, 2, 4)))
    assert_array_equal(past.K[0, 0, :, 0], [0, 1, 1, 0, 0])
    assert_array_equal(past.V[0, 0, :, 0], [0, 2, 2, 0, 0])
    assert K.shape == (3, 2, 3, 3) and V.shape == (3, 2, 3, 4)
    assert np.shares_memory(K, past.K) and np.shares_memory(V, past.V)


@given(sizes, seeds)
def test_a_text_in_many_pieces_under_a_mask_of_numbers(s, seed):
    """One position after another, with numbers on the scores, which each step gets for the keys so far."""
    x, weights, rng = draw(s, seed)
    mask = np.where(causal_mask(s.L_q), rng.standard_normal((s.B, s.L_q, s.L_q)), -np.inf)
    whole, _ = multi_head(x, x, x, weights, s.h, mask)
    past = empty_past((s.B,), s.L_q, s.h, weights.key, weights.value)
    for i in range(s.L_q):
        piece = x[:, i : i + 1]
        y, _ = multi_head(piece, piece, piece, weights, s.h, mask[:, i : i + 1, : i + 1], past=past)
        assert_allclose(y, whole[:, i : i + 1], rtol=1e-11, atol=1e-12)
        past = further(past, 1)


@given(sizes, seeds)
def test_turned_keys_are_kept_turned(s, seed):
    """With rotary positions, a piece goes on at the position where the past ends."""
    rng = np.random.default_rng(seed)
    d_model = 2 * s.d_model  # rotary positions turn pairs of features
    weights = loud(init_multi_head(d_model, s.h, rng), rng)
    x = rng.standard_normal((s.B, s.L_q, d_model))
    whole, _ = multi_head(x, x, x, weights, s.h, causal_mask(s.L_q), rotary=True)
    past = empty_past((s.B,), s.L_q, s.h, weights.key, weights.value)
    cut = int(rng.integers(1, s.L_q))
    for start, end in ((0, cut), (cut, s.L_q)):
        piece = x[:, start:end]
        y, _ = multi_head(piece, piece, piece, weights, s.h, causal_mask(end)[start:], past=past, rotary=True)
        assert_allclose(y, whole[:, start:end], rtol=1e-11, atol=1e-12)
        past = further(past, end - start)


@given(sizes, seeds)
def test_a_kept_memory_under_a_mask(s, seed):
    """Padding of the source stays unseen, as in the attention to the memory itself."""
    x, weights, rng = draw(s, seed)
    memory = rng.standard_normal((s.B, s.L_k, s.d_model))
    mask = padding_mask(rng.integers(1, s.L_k + 1, s.B), s.L_k)
    kept = past_of(memory, s.h, weights.key, weights.value)
    nothing = memory[:, :0]
    for form in (mask, np.where(mask, 0.0, -np.inf)):
        y, _ = multi_head(x, nothing, nothing, weights, s.h, form, past=kept)
        assert_allclose(y, multi_head(x, memory, memory, weights, s.h, mask)[0], rtol=1e-12, atol=1e-13)


@given(sizes, seeds)
def test_past_of_a_memory_is_its_keys_and_values_head_by_head(s, seed):
    """x W_i^K + b and x W_i^V + b, at every position, and no room for more."""
    _, weights, rng = draw(s, seed)
    memory = rng.standard_normal((s.B, s.L_k, s.d_model))
    kept = past_of(memory, s.h, weights.key, weights.value)
    assert kept.n == s.L_k
    for found, (W, b) in ((kept.K, weights.key), (kept.V, weights.value)):
        assert found.shape == (s.B, s.h, s.L_k, s.d_k)
        assert_allclose(np.concatenate(list(found.swapaxes(0, 1)), axis=-1), memory @ W + b, rtol=1e-12, atol=1e-13)


def draw_bad():
    rng = np.random.default_rng(0)
    return init_multi_head(6, 3, rng), np.ones((2, 3, 6), np.float32)


weights, x = draw_bad()


def room(batch=(2,), context=3, h=3):
    return empty_past(batch, context, h, weights.key, weights.value)


def attends(x_v=x, past=None):
    return multi_head(x, x, x_v, weights, 3, past=room() if past is None else past)


NOT_OF_HEADS = "heads, expected a number that divides the 6 features of"
REFUSALS = [
    (lambda: attends(past=room(context=2)), "past: got 3 positions after 0, expected at most 2 in all"),
    (lambda: attends(past=further(room(), 1)), "past: got 3 positions after 1, expected at most 3 in all"),
    (
        lambda: attends(past=room((1,))),
        "past.K: got shape (1, 3, 3, 2), expected the batch axes (2, 3) before (context, d_k)",
    ),
    (
        lambda: attends(past=room(h=1)),
        "past.K: got shape (2, 1, 3, 6), expected the batch axes (2, 3) before (context, d_k)",
    ),
    (lambda: attends(x[:, :1]), "V: got shape (2, 3, 1, 2), expected (..., L, d_v) with L = 3"),
    (lambda: attends(x[:1]), "V: got shape (1, 3, 3, 2), expected the batch axes (2, 3) before (L, d_v)"),
    (lambda: attends(x[0]), "V: got shape (3, 3, 2), expected the batch axes (2, 3) before (L, d_v)"),
    (
        lambda: with_past(room(), np.ones((2, 3, 1, 1)), np.ones((2, 3, 1, 2))),
        "past.K: got shape (2, 3, 3, 2), expected (..., context, d_k) with d_k = 1",
    ),
    (
        lambda: with_past(room(), np.ones((2, 3, 1, 2)), np.ones((2, 3, 1, 1))),
        "past.V: got shape (2, 3, 3, 2), expected (..., context, d_v) with context = 3, d_v = 1",
    ),
    (lambda: room(context=0), "context: got 0, expected 1 or more"),
    (lambda: room(h=4), f"h: got 4 {NOT_OF_HEADS} weights.key.W"),
    (
        lambda: past_of(x[:, :0], 3, weights.key, weights.value),
        "memory: got shape (2, 0, 6), expected (..., L_s, d_memory) with L_s of 1 or more",
    ),
    (
        lambda: multi_head_backward(x, attends()[1]),
        "cache: got that of a call with `past`, expected one without: kept keys have no backward",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS, ids=[row[-1] for row in REFUSALS])
def test_bad_input_is_refused(call, message):
    """More positions than there is room for, what NumPy would spread over the room, and a backward."""
    with refuses(ValueError, message):
        call()


@pytest.mark.parametrize("x_v", [x[:, :1], x[:1]], ids=["one position", "one sequence"])
def test_what_is_refused_leaves_the_past_as_it_was(x_v):
    past = room()
    with pytest.raises(ValueError, match=r"^V: got shape "):
        attends(x_v, past)
    assert not past.K.any() and not past.V.any()


def test_room_is_for_heads_of_what_the_maps_make():
    """As many as divide the columns, whatever the rows are."""
    of_6, of_4 = Linear(np.ones((4, 6)), np.zeros(6)), Linear(np.ones((6, 4)), np.zeros(4))
    assert empty_past((), 5, 3, of_6, of_6).K.shape == (3, 5, 2)
    for key, value, name in ((of_4, of_6, "key"), (of_6, of_4, "value")):
        message = f"h: got 3 heads, expected a number that divides the 4 features of weights.{name}.W"
        with refuses(ValueError, message):
            empty_past((), 5, 3, key, value)


def test_room_of_another_type_is_refused():
    """Else float64 would lose digits, and complex numbers the derivative that they carry."""
    for dtype in (np.float64, np.complex128):
        K = np.ones((2, 3, 1, 2), dtype)
        with refuses(TypeError, f"past: got float32 and float32, expected {K.dtype} and {K.dtype}, as of x"):
            with_past(room(), K, K)
        single = np.ones((2, 3, 1, 2), np.float32)
        with refuses(TypeError, f"past: got float32 and float32, expected {K.dtype} and float32, as of x"):
            with_past(room(), K, single)
        with refuses(TypeError, f"past: got float32 and float32, expected float32 and {K.dtype}, as of x"):
            with_past(room(), single, K)
