"""BERT (3.3), which reads from both sides at once."""

import dataclasses

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.bert import bert, bert_backward, init_bert
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

epsilons = st.sampled_from([1e-12, 0.01])


def draw(s, seed, eps=1e-12):
    """V = d_v tokens in two segments, two layers, at least one token in each sequence."""
    rng = np.random.default_rng(seed)
    weights = loud(init_bert(s.d_v, s.L_q + 1, 2, s.d_model, s.h, s.d_ff, rng), rng)
    ids, segments = rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(0, 2, (s.B, s.L_q))
    return ids, segments, rng.integers(1, s.L_q + 1, s.B), weights, Config(h=s.h, activation=GELU, eps=eps), rng


@given(sizes, seeds, epsilons)
def test_bert_is_the_equation(s, seed, eps):
    """Tokens, positions and segments, then post-norm layers that attend to all but the padding."""
    ids, segments, lengths, weights, config, _ = draw(s, seed, eps)
    y, _ = bert(ids[:1], segments[:1], lengths[:1], weights, config)
    expected = book.bert(ids[0], segments[0], weights, s.h, lengths[0], eps=eps)
    assert_allclose(y[0], expected, rtol=1e-7, atol=1e-9, strict=True)


@given(sizes, seeds, rates, epsilons, st.booleans())
def test_bert_gradients(s, seed, rate, eps, padded):
    """Every weight, with padding and without."""
    ids, segments, lengths, weights, config, rng = draw(s, seed, eps)
    config = dataclasses.replace(config, dropout=rate)
    n = lengths if padded else None
    assert_gradients(
        lambda weights: bert(ids, segments, n, weights, config, np.random.default_rng(seed)),
        bert_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither a value nor a gradient at the tokens, whatever stands there, and as if nothing did."""
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    tokens = np.arange(s.L_q) < lengths[:, None]  # (B, L)
    others = [np.where(tokens, kept, rng.integers(0, n, ids.shape)) for kept, n in ((ids, s.d_v), (segments, 2))]
    y, cache = bert(ids, segments, lengths, weights, config)
    again, cache_again = bert(*others, lengths, weights, config)
    assert_allclose(again[tokens], y[tokens], rtol=1e-9, atol=1e-11)
    dy = rng.standard_normal(y.shape) * tokens[..., None]
    for ours, theirs in zip(leaves(bert_backward(dy, cache)), leaves(bert_backward(dy, cache_again)), strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
    for b, n in enumerate(lengths):
        alone, _ = bert(ids[b, :n], segments[b, :n], None, weights, config)
        assert_allclose(alone, y[b, :n], rtol=1e-8, atol=1e-10)


@given(sizes, seeds)
def test_no_lengths_is_no_padding(s, seed):
    ids, segments, _, weights, config, _ = draw(s, seed)
    y, _ = bert(ids, segments, None, weights, config)
    full, _ = bert(ids, segments, np.full(s.B, s.L_q), weights, config)
    assert_allclose(y, full, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_every_position_sees_both_sides(s, seed):
    """Another token anywhere, before or after, changes what is known about every position. So BERT cannot write."""
    ids, segments, _, weights, config, rng = draw(s, seed)
    y, _ = bert(ids, segments, None, weights, config)
    changed = ids.copy()
    i = int(rng.integers(s.L_q))
    changed[:, i] = (ids[:, i] + 1) % s.d_v
    again, _ = bert(changed, segments, None, weights, config)
    assert (again != y).any(axis=-1).all()


@given(sizes, seeds)
def test_positions_and_segments_count(s, seed):
    """One token all over is known differently at each position, and differently again in the other segment."""
    ids, _, _, weights, config, _ = draw(s, seed)
    same = np.zeros_like(ids)
    first, _ = bert(same, same, None, weights, config)
    second, _ = bert(same, same + 1, None, weights, config)
    assert not np.allclose(first[:, 0], first[:, 1])
    assert not np.allclose(first, second)


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    y, _ = bert(ids, segments, lengths, weights, config)
    for b in range(s.B):
        alone, _ = bert(ids[b], segments[b], lengths[b, ...], weights, config)
        assert_allclose(alone, y[b], rtol=1e-9, atol=1e-11)


def test_initial_weights_and_float32():
    """Two layers and no norm after them: a post-norm layer ends with one."""
    rng = np.random.default_rng(0)
    weights = init_bert(7, 5, 2, 6, 3, 10, rng)
    assert weights.embedding.tokens.E.shape == (7, 6)
    assert weights.embedding.positions.P.shape == (5, 6)
    assert len(weights.layers.layers) == 2
    assert weights.layers.layers[0].feed_forward.linear1.W.shape == (6, 10)
    assert weights.layers.norm is None
    y, cache = bert(
        np.array([[1, 2, 3]]),
        np.array([[0, 0, 1]]),
        np.array([2]),
        weights,
        Config(h=3, dropout=0.2, activation=GELU),
        rng,
    )
    assert_float32(weights, y, bert_backward(y, cache))
    assert {leaf.dtype for leaf in leaves(init_bert(7, 5, 2, 6, 3, 10, rng, np.float64))} == {np.dtype(float)}


def test_the_generator_switches_dropout_on():
    """In the embedding, and in every layer."""
    rng = np.random.default_rng(0)
    ids, segments = np.array([1, 2, 3]), np.array([0, 0, 1])
    weights = loud(init_bert(7, 5, 2, 6, 3, 10, rng), rng)
    y, _ = bert(ids, segments, None, weights, Config(h=3))
    assert_array_equal(bert(ids, segments, None, weights, Config(h=3, dropout=0.5))[0], y)
    dropped, cache = bert(ids, segments, None, weights, Config(h=3, dropout=0.5), rng)
    assert not np.allclose(dropped, y)
    for part in (cache.embedding, *(layer.feed_forward for layer in cache.layers.layers)):
        assert_array_equal(np.unique(part.m), [0, 2])


def test_bad_input_is_refused():
    weights = init_bert(7, 3, 1, 6, 3, 10, np.random.default_rng(0))
    good = np.array([[0, 1]])
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        bert(np.array([[0, 7]]), good, None, weights, Config(h=3))
    with refuses(ValueError, "segments: got values from 0 to 2, expected 0 to 1"):
        bert(good, np.array([[0, 2]]), None, weights, Config(h=3))
    with refuses(ValueError, "lengths: got values from 3 to 3, expected 0 to 2"):
        bert(good, good, np.array([3]), weights, Config(h=3))
    with refuses(ValueError, "E: got 4 positions, expected at most 3, for which there are vectors"):
        bert(np.zeros((1, 4), int), np.zeros((1, 4), int), None, weights, Config(h=3))


def test_how_it_starts():
    """A norm after the last layer, and heads that look somewhere, where they are asked for; the rest is the same."""
    random = init_bert(7, 5, 2, 8, 2, 10, np.random.default_rng(0))
    asked = init_bert(7, 5, 2, 8, 2, 10, np.random.default_rng(0), final_norm=True, looking=True)
    assert random.layers.norm is None and (asked.layers.norm.gamma == 1).all() and asked.layers.norm.gamma.shape == (8,)
    assert_array_equal(random.embedding.tokens.E, asked.embedding.tokens.E)
    for with_random, looking in zip(random.layers.layers, asked.layers.layers, strict=True):
        assert_array_equal(with_random.feed_forward.linear1.W, looking.feed_forward.linear1.W)
        assert np.count_nonzero(looking.self_attention.key.W) < np.count_nonzero(with_random.self_attention.key.W)
