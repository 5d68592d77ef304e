"""Text classification by BERT (3.5.2), whose classification token stands at the start."""

import dataclasses

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import init_linear
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_classifier import bert_classifier, bert_classifier_backward, init_bert_classifier
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """V = d_v tokens, C = L_k classes."""
    rng = np.random.default_rng(seed)
    body = init_bert(s.d_v, s.L_q + 1, 1, s.d_model, s.h, s.d_ff, rng)
    weights = loud(init_bert_classifier(body, init_linear(s.d_model, s.d_model, rng), s.L_k, rng), rng)
    ids, segments = rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(0, 2, (s.B, s.L_q))
    return ids, segments, rng.integers(1, s.L_q + 1, s.B), weights, Config(h=s.h, activation=GELU, eps=0.01), rng


def small(rng, n_layers=1):
    body = init_bert(7, 5, n_layers, 6, 3, 10, rng)
    return init_bert_classifier(body, init_linear(6, 6, rng), 4, rng)


@given(sizes, seeds)
def test_bert_classifier_is_the_equation(s, seed):
    """A score for each class, of what the pooler makes of the first token."""
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    logits, _ = bert_classifier(ids[:1], segments[:1], lengths[:1], weights, config)
    y = book.bert(ids[0], segments[0], weights.bert, s.h, lengths[0], eps=0.01)
    expected = book.linear([book.pooler(y, *weights.pooler)], *weights.output)
    assert_allclose(logits, expected, rtol=1e-6, atol=1e-8, strict=True)


@given(sizes, seeds, rates)
def test_bert_classifier_gradients(s, seed, rate):
    """With dropout in the encoder, and once more before the output."""
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    config = dataclasses.replace(config, dropout=rate)
    assert_gradients(
        lambda weights: bert_classifier(ids, segments, lengths, weights, config, np.random.default_rng(seed)),
        bert_classifier_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither the logits nor any gradient."""
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    padding = np.arange(s.L_q) >= lengths[:, None]
    other = np.where(padding, rng.integers(0, s.d_v, ids.shape), ids)
    logits, cache = bert_classifier(ids, segments, lengths, weights, config)
    again, cache_again = bert_classifier(other, segments, lengths, weights, config)
    assert_allclose(again, logits, rtol=1e-9, atol=1e-11)
    dlogits = rng.standard_normal(logits.shape)
    gradients = [leaves(bert_classifier_backward(dlogits, c)) for c in (cache, cache_again)]
    for ours, theirs in zip(*gradients, strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@given(sizes, seeds)
def test_the_first_token_has_read_the_whole_text(s, seed):
    """Another token anywhere, before padding, changes the logits."""
    ids, segments, lengths, weights, config, rng = draw(s, seed)
    logits, _ = bert_classifier(ids, segments, lengths, weights, config)
    i = int(rng.integers(lengths.min()))
    changed = ids.copy()
    changed[:, i] = (ids[:, i] + 1) % s.d_v
    assert (bert_classifier(changed, segments, lengths, weights, config)[0] != logits).any(axis=-1).all()


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, segments, lengths, weights, config, _ = draw(s, seed)
    logits, _ = bert_classifier(ids, segments, lengths, weights, config)
    for b in range(s.B):
        alone, _ = bert_classifier(ids[b], segments[b], lengths[b, ...], weights, config)
        assert_allclose(alone, logits[b], rtol=1e-8, atol=1e-10)


def test_initial_weights_and_float32():
    """Body and pooler are those that were given, and the output is of their type."""
    rng = np.random.default_rng(0)
    body, pooling = init_bert(7, 5, 2, 6, 3, 10, rng), init_linear(6, 6, rng)
    weights = init_bert_classifier(body, pooling, 4, rng)
    assert weights.bert is body
    assert weights.pooler is pooling
    assert weights.output.W.shape == (6, 4)
    logits, cache = bert_classifier(
        np.array([[1, 2, 3]]),
        np.array([[0, 0, 1]]),
        np.array([3]),
        weights,
        Config(h=3, dropout=0.2, activation=GELU),
        rng,
    )
    assert_float32(weights, logits, bert_classifier_backward(logits, cache))
    assert init_bert_classifier(body, init_linear(6, 6, rng, np.float64), 4, rng).output.W.dtype == np.float64


def test_the_generator_switches_dropout_on():
    """In the body, and of the pooled vector."""
    rng = np.random.default_rng(0)
    weights = loud(small(rng), rng)
    inputs = np.array([[1, 2, 3]]), np.array([[0, 0, 1]]), None, weights
    logits, cache = bert_classifier(*inputs, Config(h=3))
    assert cache.m is None
    assert_array_equal(bert_classifier(*inputs, Config(h=3, dropout=0.5))[0], logits)
    dropped, cache = bert_classifier(*inputs, Config(h=3, dropout=0.5), rng)
    assert not np.allclose(dropped, logits)
    assert cache.bert.embedding.m is not None
    assert cache.m.shape == (1, 6)
    assert_array_equal(np.unique(cache.m), [0, 2])


def test_bad_input_is_refused():
    weights, good = small(np.random.default_rng(0)), np.array([[0, 1]])
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        bert_classifier(np.array([[0, 7]]), good, None, weights, Config(h=3))
    with refuses(ValueError, "lengths: got values from 3 to 3, expected 0 to 2"):
        bert_classifier(good, good, np.array([3]), weights, Config(h=3))
