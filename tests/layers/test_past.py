"""Keys and values of the positions before (3.4.1): what is kept, and the attention that finds it."""

import numpy as np
from assertions import refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import causal_mask
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


def test_bad_input_is_refused():
    """More positions than there is room for, another batch, and a backward."""
    rng = np.random.default_rng(0)
    weights, x = init_multi_head(6, 3, rng), np.ones((2, 3, 6), np.float32)
    with refuses(ValueError, "past: got 3 positions more after 0, expected at most 2 in all"):
        multi_head(x, x, x, weights, 3, past=empty_past((2,), 2, 3, weights.key, weights.value))
    with refuses(ValueError, "past: got the batch axes and heads (1, 3), expected (2, 3)"):
        multi_head(x, x, x, weights, 3, past=empty_past((1,), 3, 3, weights.key, weights.value))
    y, cache = multi_head(x, x, x, weights, 3, past=empty_past((2,), 3, 3, weights.key, weights.value))
    with refuses(ValueError, "cache: got that of a call with `past`, expected one without: kept keys have no backward"):
        multi_head_backward(y, cache)
    with refuses(ValueError, "context: got 0, expected 1 or more"):
        empty_past((2,), 0, 3, weights.key, weights.value)
