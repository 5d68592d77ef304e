"""Learned positions (4.3's alternative)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.learned_positions import (
    LearnedPositions,
    init_learned_positions,
    learned_positions,
    learned_positions_backward,
)


@given(sizes, seeds)
def test_each_position_adds_its_own_vector(s, seed):
    """x_i = E_i + P_i, for every sequence of the batch alike; the vectors beyond L stay unused."""
    rng = np.random.default_rng(seed)
    E, P = rng.standard_normal((s.B, s.L_q, s.d_k)), rng.standard_normal((s.L_q + 2, s.d_k))
    x, _ = learned_positions(E, LearnedPositions(P))
    assert_array_equal(x, [[E[b, i] + P[i] for i in range(s.L_q)] for b in range(s.B)], strict=True)


@given(sizes, seeds)
def test_learned_positions_gradients(s, seed):
    """Of the tokens and of the table, with batch axes, without, and with two of them."""
    rng = np.random.default_rng(seed)
    weights = LearnedPositions(rng.standard_normal((s.L_q + 1, s.d_k)))
    for batch in ((), (s.B,), (s.B, s.h)):
        E = rng.standard_normal((*batch, s.L_q, s.d_k))
        assert_gradients(learned_positions, learned_positions_backward, (E, weights), rng)


def test_a_position_without_a_token_gets_no_gradient():
    dx = np.ones((2, 3, 4))
    _, cache = learned_positions(dx, LearnedPositions(np.zeros((5, 4))))
    _, dweights = learned_positions_backward(dx, cache)
    assert dweights.P[:, 0].tolist() == [2, 2, 2, 0, 0]


def test_initial_weights_and_float32():
    """Of standard deviation 0.02."""
    weights = init_learned_positions(100, 60, np.random.default_rng(0))
    assert 0.019 < weights.P.std() < 0.021
    x, cache = learned_positions(np.ones((2, 3, 60), np.float32), weights)
    assert_float32(weights, x, learned_positions_backward(x, cache))


def test_a_text_longer_than_the_table_is_refused():
    weights = LearnedPositions(np.zeros((5, 4)))
    with refuses(ValueError, "E: got 6 positions, expected at most 5, for which there are vectors"):
        learned_positions(np.zeros((6, 4)), weights)
    with refuses(ValueError, "E: got shape (3, 5), expected (..., L, d) with d = 4"):
        learned_positions(np.zeros((3, 5)), weights)
    with refuses(ValueError, "E: got shape (4,), expected (..., L, d) with d = 4"):
        learned_positions(np.zeros(4), weights)
