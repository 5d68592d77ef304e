"""Heads that look somewhere before they have learned anything (4.2, 4.3)."""

import numpy as np
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds

from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.encoder import init_encoder
from minitransformer.layers.mimetic_initialization import (
    ALIKE,
    ALIKE_LEARNED,
    AWAY,
    LAYERS,
    SAME,
    mimetic_encoder,
    mimetic_heads,
    positions_away,
    same_token,
    steady_directions,
)
from minitransformer.layers.multi_head import init_multi_head
from minitransformer.tree import leaves


@given(st.integers(-6, 6), st.integers(1, 8))
def test_of_positions_alone_a_head_sees_the_position_that_is_so_far_away_best(offset, quarter):
    """The score is a function of the distance, and largest where j = i + offset: PE(i + k) is a rotation of PE(i)."""
    d_model, d_k, L = 16, 2 * quarter, 40
    P = positional_encoding(L, d_model)
    W_Q, W_K = positions_away(d_model, d_k, offset)
    scores = (P @ W_Q) @ (P @ W_K).T
    distance = np.arange(L) - np.arange(L)[:, None] - offset
    omega = 10000.0 ** (-2 * np.arange(quarter) / d_model)
    assert_allclose(scores, AWAY**2 * np.cos(distance[..., None] * omega).sum(axis=-1), atol=1e-12)
    for i in range(10, 30):
        assert_allclose(scores[i, i + offset], scores[i].max(), rtol=1e-12)


@given(seeds, st.integers(2, 12), st.integers(1, 12))
def test_no_vector_of_its_length_is_more_alike_than_the_same_one(seed, d_model, d_k):
    """x W_Q . y W_K <= |x W| |y W|, with equality for y = x: Cauchy's inequality."""
    rng = np.random.default_rng(seed)
    W_Q, W_K = same_token(d_model, d_k, rng)
    assert W_Q.shape == W_K.shape == (d_model, d_k)
    x = rng.standard_normal((7, d_model))
    scores = (x @ W_Q) @ (x @ W_K).T
    lengths = np.sqrt(np.diag(scores))
    assert (scores <= np.outer(lengths, lengths) * (1 + 1e-9) + 1e-9).all()
    assert not W_Q[: d_model // 2].any()
    read = min(d_k, d_model - d_model // 2)
    assert np.count_nonzero(W_Q) == read and W_Q.sum() == ALIKE * read


def test_each_head_has_its_columns():
    """Head i is columns i*d_k to (i+1)*d_k; values, outputs and biases stay, and so does the dtype."""
    rng = np.random.default_rng(0)
    weights = init_multi_head(12, 3, rng)
    started = mimetic_heads(weights, [-1, SAME, 2], np.random.default_rng(1))
    for i, offset in ((0, -1), (2, 2)):
        columns = slice(4 * i, 4 * i + 4)
        W_Q, W_K = positions_away(12, 4, offset)
        assert_allclose(started.query.W[:, columns], W_Q, rtol=1e-6)
        assert_allclose(started.key.W[:, columns], W_K, rtol=1e-6)
    assert_array_equal(started.query.W[:, 4:8], started.key.W[:, 4:8])
    assert started.value is weights.value and started.output is weights.output
    assert started.query.b is weights.query.b and started.key.b is weights.key.b
    assert {leaf.dtype for leaf in leaves(started)} == {np.dtype(np.float32)}


def test_layers_and_heads_beyond_the_list_repeat_it():
    """Layers as the last one that is listed, heads round and round; the first layers look for the same token."""
    encoder = init_encoder(5, 16, 8, 20, np.random.default_rng(0))
    started = mimetic_encoder(encoder, 8, np.random.default_rng(1))
    for number, layer in enumerate(started.layers):
        W = layer.self_attention.query.W
        for i in range(8):
            offset = LAYERS[min(number, 2)][i % 4]
            if offset != SAME:
                assert_allclose(W[:, 2 * i : 2 * i + 2], positions_away(16, 2, offset)[0], rtol=1e-6)
        assert layer.feed_forward is encoder.layers[number].feed_forward
    assert SAME in LAYERS[0] and SAME not in LAYERS[-1]


@given(seeds, st.integers(2, 12), st.integers(2, 20))
def test_in_no_other_directions_do_positions_differ_less(seed, d_model, n):
    """Of as many orthonormal directions the steady ones have the smallest variance over the positions (Ky Fan)."""
    rng = np.random.default_rng(seed)
    positions = 3 + rng.standard_normal((n, d_model)) * rng.uniform(0.1, 2, d_model)
    steady = steady_directions(positions)
    half = d_model - d_model // 2
    assert_allclose(steady.T @ steady, np.eye(half), atol=1e-12)
    others, _ = np.linalg.qr(rng.standard_normal((d_model, half)))
    assert (positions @ steady).var(axis=0).sum() <= (positions @ others).var(axis=0).sum() + 1e-12


@given(seeds, st.integers(1, 4))
def test_above_learned_positions_a_head_sees_the_same_token_from_anywhere(seed, d_k):
    """Where positions and segments are in a half of all directions, its score is of the tokens alone."""
    rng = np.random.default_rng(seed)
    d_model = 8
    basis, _ = np.linalg.qr(rng.standard_normal((d_model, d_model)))
    positions = 5 * rng.standard_normal((20, d_model // 2)) @ basis[:, : d_model // 2].T
    W_Q, W_K = same_token(d_model, d_k, rng, steady_directions(positions))
    tokens = rng.standard_normal((2, d_model))
    here, there = tokens + positions[3], tokens + positions[17]
    assert_allclose((here @ W_Q) @ (there @ W_K).T, (tokens @ W_Q) @ (tokens @ W_K).T, atol=1e-9)
    assert_allclose(W_Q.T @ W_Q, ALIKE_LEARNED**2 * np.eye(d_k), atol=1e-12)


def test_an_encoder_above_learned_positions_has_such_heads():
    """Only the heads for the same token are others; those for a position some away stay as they are."""
    encoder = init_encoder(1, 16, 4, 20, np.random.default_rng(0))
    positions = np.random.default_rng(1).standard_normal((30, 16))
    plain = mimetic_encoder(encoder, 4, np.random.default_rng(2)).layers[0].self_attention.query.W
    started = mimetic_encoder(encoder, 4, np.random.default_rng(2), positions).layers[0].self_attention.query.W
    steady = steady_directions(positions)
    for i, offset in enumerate(LAYERS[0]):
        columns = slice(4 * i, 4 * i + 4)
        if offset != SAME:
            assert_array_equal(started[:, columns], plain[:, columns])
        else:
            inside = steady @ (steady.T @ started[:, columns])
            assert_allclose(inside, started[:, columns], atol=1e-6)


def test_one_head_is_enough():
    """The least number there is; more than the width has columns are refused, by the list's name."""
    rng = np.random.default_rng(0)
    one = init_multi_head(8, 1, rng)
    mimetic_heads(one, [SAME], rng)
    mimetic_encoder(init_encoder(1, 8, 1, 16, rng), 1, rng)
    with refuses(ValueError, "heads: got 3 heads, expected a number that divides the 8 features of weights.query.W"):
        mimetic_heads(one, [SAME] * 3, rng)
    with refuses(TypeError, "heads: got tuple, expected list"):
        mimetic_heads(one, (SAME,), rng)
