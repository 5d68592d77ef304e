"""A recurrent network that reads a text twice, from its start and from its end (2.1.3, 6.3)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.bidirectional import (
    bidirectional,
    bidirectional_backward,
    in_order,
    init_bidirectional,
    turned_order,
)
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """Of the B sequences one is full, and the others have any length, 0 included."""
    rng = np.random.default_rng(seed)
    weights = loud(init_bidirectional(s.d_k, s.d_v, rng), rng)
    lengths = rng.integers(0, s.L_q + 1, s.B)
    lengths[rng.integers(s.B)] = s.L_q
    return rng.standard_normal((s.B, s.L_q, s.d_k)), lengths, weights, rng


@given(sizes, seeds)
def test_bidirectional_is_the_equation(s, seed):
    """Each row is what it would be alone, at its own length: the state after x_1 ... x_t, and after x_L ... x_t."""
    x, lengths, weights, _ = draw(s, seed)
    y, _ = bidirectional(x, lengths, weights)
    assert y.shape == (s.B, s.L_q, 2 * s.d_v)
    for b, n in enumerate(lengths):
        if n:
            assert_allclose(y[b, :n], book.bidirectional(x[b, :n], weights), rtol=1e-9, atol=1e-12, strict=True)


@given(sizes, seeds)
def test_bidirectional_gradients(s, seed):
    """With batch axes and without."""
    x, lengths, weights, rng = draw(s, seed)
    for rows, n in ((x, lengths), (x[0], lengths[0, ...])):
        assert_gradients(
            lambda x, weights, n=n: bidirectional(x, n, weights),
            bidirectional_backward,
            (rows, weights),
            rng,
        )


@given(sizes, seeds, st.sampled_from([1.0, 1e200, np.inf, np.nan]))
def test_padding_changes_nothing(s, seed, size):
    """Neither what stands before it nor a gradient, whatever it is, as long as the loss does not look at padding."""
    x, lengths, weights, rng = draw(s, seed)
    tokens = np.arange(s.L_q) < lengths[:, None]  # (B, L)
    other = np.where(tokens[..., None], x, size * rng.standard_normal(x.shape))
    y, cache = bidirectional(x, lengths, weights)
    again, cache_again = bidirectional(other, lengths, weights)
    assert_array_equal(again[tokens], y[tokens])
    dy = rng.standard_normal(y.shape) * tokens[..., None]
    dx, dweights = bidirectional_backward(dy, cache)
    dother, dweights_again = bidirectional_backward(dy, cache_again)
    assert not dx[~tokens].any()
    assert_allclose(dother, dx, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(leaves(dweights), leaves(dweights_again), strict=True):
        assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_each_half_sees_its_own_side(s, seed):
    """A token changes the onward states from it on, the backward states up to it, and no other."""
    x, _, weights, rng = draw(s, seed)
    full = np.full(s.B, s.L_q)
    t = int(rng.integers(s.L_q))
    changed = x.copy()
    changed[:, t] += 1
    y, _ = bidirectional(x, full, weights)
    moved = bidirectional(changed, full, weights)[0] != y  # (B, L, 2*d_h)
    assert_array_equal(moved[..., : s.d_v].any(axis=(0, 2)), np.arange(s.L_q) >= t)
    assert_array_equal(moved[..., s.d_v :].any(axis=(0, 2)), np.arange(s.L_q) <= t)


@given(sizes, seeds)
def test_turning_around_twice_changes_nothing(s, seed):
    """The order is an involution; within its length a row is turned around, and padding stays where it is."""
    x, lengths, _, _ = draw(s, seed)
    order = turned_order(lengths, s.L_q)
    turned = in_order(x, order)
    assert_array_equal(in_order(turned, order), x)
    for b, n in enumerate(lengths):
        assert_array_equal(turned[b], np.concatenate([x[b, :n][::-1], x[b, n:]]))


def test_orders_by_hand():
    assert turned_order(np.array([4, 3, 1, 0]), 4).tolist() == [
        [3, 2, 1, 0],
        [2, 1, 0, 3],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
    ]


def test_initial_weights_and_float32():
    """Two networks of the same shapes, which are not the same network."""
    rng = np.random.default_rng(0)
    weights = init_bidirectional(4, 3, rng)
    assert weights.onward.W_x.shape == weights.back.W_x.shape == (4, 12)
    assert not np.allclose(weights.onward.W_x, weights.back.W_x)
    y, cache = bidirectional(np.ones((2, 5, 4), np.float32), np.array([5, 2]), weights)
    assert_float32(weights, y, cache, bidirectional_backward(y, cache))
    assert {leaf.dtype for leaf in leaves(init_bidirectional(4, 3, rng, np.float64))} == {np.dtype(float)}


def test_bad_input_is_refused():
    weights = init_bidirectional(4, 3, np.random.default_rng(0))
    with refuses(ValueError, "x: got shape (2, 5, 3), expected (..., L, d_in) with d_in = 4"):
        bidirectional(np.ones((2, 5, 3)), np.array([5, 5]), weights)
    with refuses(ValueError, "x: got shape (4,), expected (..., L, d_in)"):
        bidirectional(np.ones(4), np.array(1), weights)
    with refuses(ValueError, "lengths: got values from 2 to 6, expected 0 to 5"):
        bidirectional(np.ones((2, 5, 4)), np.array([2, 6]), weights)
    with refuses(TypeError, "lengths: got dtype float64, expected an array of integers"):
        bidirectional(np.ones((2, 5, 4)), np.array([2.0, 5.0]), weights)
