"""The causal language model (3.4.1)."""

import by_the_book as book
import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.layers.encoder_layer import Config
from minitransformer.learn.cases.points import loud
from minitransformer.models.causal_lm import causal_lm, causal_lm_backward, init_causal_lm
from minitransformer.tree import leaves


def draw(s, seed):
    """V = d_v words."""
    rng = np.random.default_rng(seed)
    weights = loud(init_causal_lm(s.d_v, 2, s.d_model, s.h, s.d_ff, rng), rng)
    return rng.integers(0, s.d_v, (s.B, s.L_q)), weights, rng


@given(sizes, seeds)
def test_the_causal_lm_is_the_equation(s, seed):
    """Embedding plus positions, encoder layers under a causal mask, projection onto the vocabulary."""
    ids, weights, _ = draw(s, seed)
    logits, _ = causal_lm(ids[0], weights, Config(s.h))
    x = np.array([weights.embedding.E[i] for i in ids[0]]) + book.positional_encoding(s.L_q, s.d_model)
    past = np.array([[j <= i for j in range(s.L_q)] for i in range(s.L_q)])
    for layer in weights.encoder.layers:
        x = book.post_norm_encoder_layer(x, layer, s.h, past)
    assert_allclose(logits, book.linear(x, *weights.output), rtol=1e-7, atol=1e-9, strict=True)


@given(sizes, seeds, rates, st.booleans())
def test_causal_lm_gradients(s, seed, rate, norm_first):
    """Every weight, from the table of words to the output."""
    ids, weights, rng = draw(s, seed)
    config = Config(s.h, rate, norm_first=norm_first)
    assert_gradients(
        lambda weights: causal_lm(ids, weights, config, np.random.default_rng(seed)),
        causal_lm_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_no_word_is_predicted_from_itself_or_the_future(s, seed):
    """logits_i, which predict word i + 1, do not change with the words after i."""
    ids, weights, rng = draw(s, seed)
    i = int(rng.integers(s.L_q))
    changed = ids.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_v, changed[:, i + 1 :].shape)
    logits, _ = causal_lm(ids, weights, Config(s.h))
    assert_allclose(causal_lm(changed, weights, Config(s.h))[0][:, : i + 1], logits[:, : i + 1], atol=1e-10)


@given(sizes, seeds)
def test_one_pass_predicts_at_every_position(s, seed):
    """The logits of a sequence are those of each of its beginnings."""
    ids, weights, _ = draw(s, seed)
    logits, _ = causal_lm(ids[0], weights, Config(s.h))
    for n in range(1, s.L_q + 1):
        assert_allclose(causal_lm(ids[0, :n], weights, Config(s.h))[0][-1], logits[n - 1], rtol=1e-7, atol=1e-9)


@given(sizes, seeds)
def test_a_word_means_something_else_elsewhere(s, seed):
    """Positions count: the same word twice gets two rows of logits."""
    _, weights, _ = draw(s, seed)
    logits, _ = causal_lm(np.zeros(s.L_q, int), weights, Config(s.h))
    assert not np.allclose(logits[0], logits[1])


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, weights, _ = draw(s, seed)
    logits, _ = causal_lm(ids, weights, Config(s.h, 0.5))
    assert_allclose(logits, [causal_lm(row, weights, Config(s.h))[0] for row in ids], rtol=1e-7, atol=1e-9)


def test_initial_weights_and_float32():
    rng = np.random.default_rng(0)
    weights = init_causal_lm(7, 2, 6, 3, 10, rng)
    assert weights.embedding.E.shape == (7, 6)
    assert weights.output.W.shape == (6, 7)
    assert len(weights.encoder.layers) == 2
    assert {leaf.dtype for leaf in leaves(init_causal_lm(7, 2, 6, 3, 10, rng, np.float64))} == {np.dtype("float64")}
    logits, cache = causal_lm(np.array([[1, 2, 3]]), weights, Config(3, 0.2), rng)
    assert_float32(weights, logits, causal_lm_backward(logits, cache))


def test_the_generator_switches_dropout_on():
    rng = np.random.default_rng(0)
    weights, ids = init_causal_lm(7, 2, 6, 3, 10, rng), np.array([1, 2, 3])
    assert_array_equal(causal_lm(ids, weights, Config(3, 0.5))[0], causal_lm(ids, weights, Config(3))[0])
    assert not np.allclose(causal_lm(ids, weights, Config(3, 0.5), rng)[0], causal_lm(ids, weights, Config(3))[0])


def test_bad_ids_are_refused():
    weights = init_causal_lm(7, 1, 6, 3, 10, np.random.default_rng(0))
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        causal_lm(np.array([0, 7]), weights, Config(3))
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        causal_lm(np.array([0.0]), weights, Config(3))
    with refuses(ValueError, "ids: got shape (), expected at least 1 axes"):
        causal_lm(np.array(3), weights, Config(3))
