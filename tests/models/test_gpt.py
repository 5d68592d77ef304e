"""GPT (3.4): in all its forms, from the text's to GPT-2's."""

from typing import NamedTuple

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import Sizes, rates, seeds, sizes

from minitransformer.equations.activations import GELU_TANH, RELU
from minitransformer.equations.op import Op
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.gpt import gpt, gpt_backward, gpt_body, gpt_body_backward, init_gpt
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


class Form(NamedTuple):
    """Which GPT: post-norm with sines, ReLU and an output of its own as in the text, or as GPT-2 has it, or mixed."""

    norm_first: bool
    learned: bool
    tied: bool
    activation: Op


forms = st.builds(Form, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([RELU, GELU_TANH]))
TEXT = Form(norm_first=False, learned=False, tied=False, activation=RELU)
GPT2 = Form(norm_first=True, learned=True, tied=True, activation=GELU_TANH)


def draw(s, seed, form=GPT2):
    """V = d_v tokens."""
    rng = np.random.default_rng(seed)
    context = s.L_q + 1 if form.learned else None
    weights = init_gpt(s.d_v, 2, s.d_model, s.h, s.d_ff, rng, context, form.tied, final_norm=form.norm_first)
    return rng.integers(0, s.d_v, (s.B, s.L_q)), loud(weights, rng), rng


@given(sizes, seeds, forms)
@example(Sizes(2, 3, 4, 5, 6, 7, 8), 0, TEXT)
@example(Sizes(2, 3, 4, 5, 6, 7, 8), 0, GPT2)
def test_gpt_is_the_equation(s, seed, form):
    """Embedding plus positions, layers under a causal mask, a norm where asked for, a score for each token."""
    ids, weights, _ = draw(s, seed, form)
    logits, _ = gpt(ids[0], weights, Config(h=s.h, activation=form.activation, norm_first=form.norm_first))
    P = weights.body.positions.P[: s.L_q] if form.learned else book.positional_encoding(s.L_q, s.d_model)
    x = np.array([weights.body.embedding.E[i] for i in ids[0]]) + P
    past = np.array([[j <= i for j in range(s.L_q)] for i in range(s.L_q)])
    layer_by_the_book = book.pre_norm_encoder_layer if form.norm_first else book.post_norm_encoder_layer
    activation = book.relu if form.activation is RELU else book.gelu_tanh
    for layer in weights.body.layers.layers:
        x = layer_by_the_book(x, layer, s.h, past, activation=activation)
    if form.norm_first:
        x = book.layer_norm(x, *weights.body.layers.norm)
    W, b = (weights.body.embedding.E.T, np.zeros(s.d_v)) if form.tied else weights.output
    assert_allclose(logits, book.linear(x, W, b), rtol=1e-7, atol=1e-9, strict=True)


@given(sizes, seeds, rates, forms)
@example(Sizes(2, 3, 4, 5, 6, 7, 8), 0, 0.3, TEXT)
@example(Sizes(2, 3, 4, 5, 6, 7, 8), 0, 0.3, GPT2)
def test_gpt_gradients(s, seed, rate, form):
    """Every weight, from the table of tokens to the output."""
    ids, weights, rng = draw(s, seed, form)
    config = Config(h=s.h, dropout=rate, activation=form.activation, norm_first=form.norm_first)
    assert_gradients(
        lambda weights: gpt(ids, weights, config, np.random.default_rng(seed)), gpt_backward, (weights,), rng
    )


@given(sizes, seeds, rates, forms)
def test_gpt_body_gradients(s, seed, rate, form):
    """Every weight of the body alone."""
    ids, weights, rng = draw(s, seed, form)
    config = Config(h=s.h, dropout=rate, activation=form.activation, norm_first=form.norm_first)
    assert_gradients(
        lambda weights: gpt_body(ids, weights, config, np.random.default_rng(seed)),
        gpt_body_backward,
        (weights.body,),
        rng,
    )


@given(sizes, seeds, forms)
def test_gpt_is_a_map_of_its_body(s, seed, form):
    """The logits are the output's of each state, and a state does not know the tokens after it."""
    ids, weights, rng = draw(s, seed, form)
    config = Config(h=s.h, activation=form.activation, norm_first=form.norm_first)
    y, _ = gpt_body(ids, weights.body, config)
    W, b = (weights.body.embedding.E.T, 0) if form.tied else weights.output
    assert_allclose(gpt(ids, weights, config)[0], y @ W + b, rtol=1e-9, atol=1e-10)
    i = int(rng.integers(s.L_q))
    changed = ids.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_v, changed[:, i + 1 :].shape)
    assert_allclose(gpt_body(changed, weights.body, config)[0][:, : i + 1], y[:, : i + 1], atol=1e-10)


def test_a_tied_table_gets_both_gradients():
    """A token that is neither read nor likely still moves: the softmax pushes it down."""
    rng = np.random.default_rng(0)
    weights = init_gpt(7, 1, 6, 3, 10, rng, tied=True)
    logits, cache = gpt(np.array([1, 2, 3]), weights, Config(h=3))
    dlogits = np.zeros_like(logits)
    dlogits[:, 6] = 1
    dE = gpt_backward(dlogits, cache).body.embedding.E
    assert dE[6].any() and dE[1].any() and not dE[0].any()


@given(sizes, seeds)
def test_no_token_is_predicted_from_itself_or_the_future(s, seed):
    """logits_i, which predict token i + 1, do not change with the tokens after i."""
    ids, weights, rng = draw(s, seed)
    i = int(rng.integers(s.L_q))
    changed = ids.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_v, changed[:, i + 1 :].shape)
    logits, _ = gpt(ids, weights, Config(h=s.h))
    assert_allclose(gpt(changed, weights, Config(h=s.h))[0][:, : i + 1], logits[:, : i + 1], atol=1e-10)


@given(sizes, seeds)
def test_one_pass_predicts_at_every_position(s, seed):
    """The logits of a sequence are those of each of its beginnings."""
    ids, weights, _ = draw(s, seed)
    logits, _ = gpt(ids[0], weights, Config(h=s.h))
    for n in range(1, s.L_q + 1):
        assert_allclose(gpt(ids[0, :n], weights, Config(h=s.h))[0][-1], logits[n - 1], rtol=1e-7, atol=1e-9)


@given(sizes, seeds)
def test_a_token_means_something_else_elsewhere(s, seed):
    """Positions count: the same token twice gets two rows of logits."""
    _, weights, _ = draw(s, seed)
    logits, _ = gpt(np.zeros(s.L_q, int), weights, Config(h=s.h))
    assert not np.allclose(logits[0], logits[1])


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, weights, _ = draw(s, seed)
    logits, _ = gpt(ids, weights, Config(h=s.h, dropout=0.5))
    assert_allclose(logits, [gpt(row, weights, Config(h=s.h))[0] for row in ids], rtol=1e-7, atol=1e-9)


def test_initial_weights_and_float32():
    """Every form has the weights that it needs, and no other; a tied table is small enough to score with."""
    rng = np.random.default_rng(0)
    weights = init_gpt(7, 2, 6, 3, 10, rng)
    assert (weights.body.positions, weights.body.layers.norm) == (None, None)
    assert weights.body.embedding.E.shape == (7, 6)
    assert weights.output.W.shape == (6, 7)
    assert len(weights.body.layers.layers) == 2
    tied = init_gpt(1000, 1, 6, 3, 10, rng, context=5, tied=True, final_norm=True)
    assert tied.output is None
    assert tied.body.positions.P.shape == (5, 6)
    assert tied.body.layers.norm.gamma.shape == (6,)
    assert 0.95 < tied.body.embedding.E.std() * 6**0.5 < 1.05
    assert 0.95 < init_gpt(1000, 1, 6, 3, 10, rng).body.embedding.E.std() < 1.05
    assert {leaf.dtype for leaf in leaves(init_gpt(7, 2, 6, 3, 10, rng, 5, True, True, np.float64))} == {
        np.dtype(float)
    }
    for form in (weights, tied):
        logits, cache = gpt(np.array([[1, 2, 3]]), form, Config(h=3, dropout=0.2), rng)
        assert_float32(form, logits, gpt_backward(logits, cache))
        y, cache = gpt_body(np.array([[1, 2, 3]]), form.body, Config(h=3, dropout=0.2), rng)
        assert_float32(y, gpt_body_backward(y, cache))


def test_the_generator_switches_dropout_on():
    """Of tokens with their positions, and in every layer."""
    rng = np.random.default_rng(0)
    weights, ids = init_gpt(7, 2, 6, 3, 10, rng), np.array([1, 2, 3])
    assert_array_equal(gpt(ids, weights, Config(h=3, dropout=0.5))[0], gpt(ids, weights, Config(h=3))[0])
    dropped, cache = gpt(ids, weights, Config(h=3, dropout=0.5), rng)
    assert not np.allclose(dropped, gpt(ids, weights, Config(h=3))[0])
    for part in (cache.body, *(layer.feed_forward for layer in cache.body.layers.layers)):
        assert_array_equal(np.unique(part.m), [0, 2])


def test_bad_ids_are_refused():
    weights = init_gpt(7, 1, 6, 3, 10, np.random.default_rng(0))
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        gpt(np.array([0, 7]), weights, Config(h=3))
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        gpt(np.array([0.0]), weights, Config(h=3))
    with refuses(ValueError, "ids: got shape (), expected at least 1 axes"):
        gpt(np.array(3), weights, Config(h=3))
    learned = init_gpt(7, 1, 6, 3, 10, np.random.default_rng(0), context=2)
    with refuses(ValueError, "E: got 3 positions, expected at most 2, for which there are vectors"):
        gpt(np.array([0, 1, 2]), learned, Config(h=3))
