"""Question answering by span (3.5.1, 6.3): where the answer starts, and where it ends."""

import dataclasses

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.bert import init_bert
from minitransformer.models.span_reader import init_span_reader, span_reader, span_reader_backward
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """V = d_v tokens, at least one in each sequence."""
    rng = np.random.default_rng(seed)
    body = init_bert(s.d_v, s.L_q + 1, 1, s.d_model, s.h, s.d_ff, rng)
    weights = loud(init_span_reader(body, rng), rng)
    ids, segments = rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(0, 2, (s.B, s.L_q))
    return ids, segments, rng.integers(1, s.L_q + 1, s.B), weights, Config(h=s.h, activation=GELU, eps=0.01), rng


@given(sizes, seeds)
def test_span_reader_is_the_equation(s, seed):
    """Two inner products at each position: with the vector of starts, and with that of ends."""
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    scores, _ = span_reader(ids[:1], segments[:1], lengths[:1], weights, config)
    y = book.bert(ids[0], segments[0], weights.bert, s.h, lengths[0], eps=0.01)
    assert_allclose(scores[0], book.span_scores(y, *weights.span), rtol=1e-6, atol=1e-8, strict=True)


@given(sizes, seeds, rates)
def test_span_reader_gradients(s, seed, rate):
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    config = dataclasses.replace(config, dropout=rate)
    assert_gradients(
        lambda weights: span_reader(ids, segments, lengths, weights, config, np.random.default_rng(seed)),
        span_reader_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither the scores of the tokens nor a gradient, as long as the loss does not look at padding."""
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    tokens = np.arange(s.L_q) < lengths[:, None]
    other = np.where(tokens, ids, rng.integers(0, s.d_v, ids.shape))
    scores, cache = span_reader(ids, segments, lengths, weights, config)
    again, cache_again = span_reader(other, segments, lengths, weights, config)
    dscores = rng.standard_normal(scores.shape) * tokens[:, None]
    assert_allclose(again * tokens[:, None], scores * tokens[:, None], rtol=1e-9, atol=1e-11)
    gradients = [leaves(span_reader_backward(dscores, c)) for c in (cache, cache_again)]
    for ours, theirs in zip(*gradients, strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@given(sizes, seeds)
def test_question_and_text_are_told_apart(s, seed):
    """With the segments exchanged the scores are others."""
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    scores, _ = span_reader(ids, segments, lengths, weights, config)
    exchanged, _ = span_reader(ids, 1 - segments, lengths, weights, config)
    assert not np.allclose(exchanged, scores)


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    scores, _ = span_reader(ids, segments, lengths, weights, config)
    for b in range(s.B):
        alone, _ = span_reader(ids[b], segments[b], lengths[b, ...], weights, config)
        assert_allclose(alone, scores[b], rtol=1e-8, atol=1e-10)


def test_initial_weights_and_float32():
    """The body is the one that was given, and the head is of its type."""
    rng = np.random.default_rng(0)
    body = init_bert(7, 5, 2, 6, 3, 10, rng)
    weights = init_span_reader(body, rng)
    assert weights.bert is body
    assert weights.span.W.shape == (6, 2)
    scores, cache = span_reader(
        np.array([[1, 2, 3]]),
        np.array([[0, 0, 1]]),
        np.array([3]),
        weights,
        Config(h=3, dropout=0.2, activation=GELU),
        rng,
    )
    assert scores.shape == (1, 2, 3)
    assert_float32(weights, scores, span_reader_backward(scores, cache))
    assert init_span_reader(init_bert(7, 5, 1, 6, 3, 10, rng, np.float64), rng).span.W.dtype == np.float64


def test_the_generator_switches_dropout_on():
    rng = np.random.default_rng(0)
    weights = init_span_reader(init_bert(7, 5, 1, 6, 3, 10, rng), rng)
    inputs = np.array([1, 2, 3]), np.array([0, 0, 1]), None, weights
    scores, _ = span_reader(*inputs, Config(h=3))
    assert_array_equal(span_reader(*inputs, Config(h=3, dropout=0.5))[0], scores)
    assert not np.allclose(span_reader(*inputs, Config(h=3, dropout=0.5), rng)[0], scores)


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    weights = init_span_reader(init_bert(7, 5, 1, 6, 3, 10, rng), rng)
    good = np.array([[0, 1]])
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        span_reader(np.array([[0, 7]]), good, None, weights, Config(h=3))
    with refuses(ValueError, "lengths: got values from 3 to 3, expected 0 to 2"):
        span_reader(good, good, np.array([3]), weights, Config(h=3))
