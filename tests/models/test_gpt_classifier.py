"""Text classification by GPT (3.5.2), whose classification token stands at the end."""

import dataclasses

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU_TANH
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.gpt import gpt_body, init_gpt
from minitransformer.models.gpt_classifier import gpt_classifier, gpt_classifier_backward, init_gpt_classifier
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

norms = st.booleans()  # norm_first


def draw(s, seed, norm_first=True):
    """V = d_v tokens, C = L_k classes, at least one token in each text."""
    rng = np.random.default_rng(seed)
    body = init_gpt(s.d_v, 1, s.d_model, s.h, s.d_ff, rng, s.L_q + 1, tied=True, final_norm=norm_first).body
    weights = loud(init_gpt_classifier(body, s.L_k, rng), rng)
    config = Config(h=s.h, activation=GELU_TANH, norm_first=norm_first)
    return rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(1, s.L_q + 1, s.B), weights, config, rng


@given(sizes, seeds, norms)
def test_gpt_classifier_is_the_equation(s, seed, norm_first):
    """A score for each class, of what GPT knows at the last token of the text."""
    ids, lengths, weights, config, _ = draw(s, seed, norm_first)
    logits, _ = gpt_classifier(ids, lengths, weights, config)
    last = [gpt_body(ids[b, :n], weights.body, config)[0][-1] for b, n in enumerate(lengths)]
    assert_allclose(logits, book.linear(last, *weights.output), rtol=1e-7, atol=1e-9, strict=True)


@given(sizes, seeds, rates, norms)
def test_gpt_classifier_gradients(s, seed, rate, norm_first):
    """Every weight but an output for tokens, which there is not."""
    ids, lengths, weights, config, rng = draw(s, seed, norm_first)
    config = dataclasses.replace(config, dropout=rate)
    assert_gradients(
        lambda weights: gpt_classifier(ids, lengths, weights, config, np.random.default_rng(seed)),
        gpt_classifier_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither the logits nor any gradient: what stands after the classification token is not seen."""
    ids, lengths, weights, config, rng = draw(s, seed)
    padding = np.arange(s.L_q) >= lengths[:, None]
    other = np.where(padding, rng.integers(0, s.d_v, ids.shape), ids)
    logits, cache = gpt_classifier(ids, lengths, weights, config)
    again, cache_again = gpt_classifier(other, lengths, weights, config)
    assert_allclose(again, logits, rtol=1e-9, atol=1e-11)
    dlogits = rng.standard_normal(logits.shape)
    gradients = [leaves(gpt_classifier_backward(dlogits, c)) for c in (cache, cache_again)]
    for ours, theirs in zip(*gradients, strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
    longest = lengths.max()
    assert not gpt_classifier_backward(dlogits, cache).body.positions.P[longest:].any()


@given(sizes, seeds)
def test_the_last_token_has_read_the_whole_text(s, seed):
    """Another token anywhere in it changes the logits."""
    ids, lengths, weights, config, rng = draw(s, seed)
    logits, _ = gpt_classifier(ids, lengths, weights, config)
    i = int(rng.integers(lengths.min()))
    changed = ids.copy()
    changed[:, i] = (ids[:, i] + 1) % s.d_v
    assert (gpt_classifier(changed, lengths, weights, config)[0] != logits).any(axis=-1).all()


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    """With a batch axis, with none, and with two."""
    ids, lengths, weights, config, _ = draw(s, seed)
    logits, _ = gpt_classifier(ids, lengths, weights, config)
    for b in range(s.B):
        alone, _ = gpt_classifier(ids[b], lengths[b, ...], weights, config)
        assert_allclose(alone, logits[b], rtol=1e-8, atol=1e-10)
    twice, _ = gpt_classifier(np.stack([ids, ids]), np.stack([lengths, lengths]), weights, config)
    assert_allclose(twice, [logits, logits], rtol=1e-8, atol=1e-10)


def test_initial_weights_and_float32():
    """The body is the one that was given, and the new output is of its type."""
    rng = np.random.default_rng(0)
    body = init_gpt(7, 2, 6, 3, 10, rng, 5).body
    weights = init_gpt_classifier(body, 4, rng)
    assert weights.body is body
    assert weights.output.W.shape == (6, 4)
    logits, cache = gpt_classifier(np.array([[1, 2, 3]]), np.array([2]), weights, Config(h=3, dropout=0.2), rng)
    gradient = gpt_classifier_backward(logits, cache)
    assert_float32(weights, logits, gradient)
    assert (
        init_gpt_classifier(init_gpt(7, 1, 6, 3, 10, rng, dtype=np.float64).body, 4, rng).output.W.dtype == np.float64
    )


def test_the_generator_switches_dropout_on():
    rng = np.random.default_rng(0)
    weights = init_gpt_classifier(init_gpt(7, 1, 6, 3, 10, rng).body, 4, rng)
    inputs = np.array([[1, 2, 3]]), np.array([3]), weights
    logits, _ = gpt_classifier(*inputs, Config(h=3))
    assert_array_equal(gpt_classifier(*inputs, Config(h=3, dropout=0.5))[0], logits)
    assert not np.allclose(gpt_classifier(*inputs, Config(h=3, dropout=0.5), rng)[0], logits)


def test_bad_input_is_refused():
    """A text needs its last token: a length of 0 has none."""
    rng = np.random.default_rng(0)
    weights = init_gpt_classifier(init_gpt(7, 1, 6, 3, 10, rng).body, 4, rng)
    ids = np.array([[0, 1, 2]])
    with refuses(ValueError, "lengths: got values from 4 to 4, expected 1 to 3"):
        gpt_classifier(ids, np.array([4]), weights, Config(h=3))
    with refuses(ValueError, "lengths: got values from 0 to 0, expected 1 to 3"):
        gpt_classifier(ids, np.array([0]), weights, Config(h=3))
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        gpt_classifier(np.array([[0, 7]]), np.array([2]), weights, Config(h=3))
