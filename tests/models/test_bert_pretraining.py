"""BERT as it is pretrained (2.3.1, 3.3): both guesses at once."""

import dataclasses

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_pretraining import (
    IS_NEXT,
    NOT_NEXT,
    Guesses,
    bert_pretraining,
    bert_pretraining_backward,
    init_bert_pretraining,
)
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """V = d_v tokens; some of the tokens of each sequence, in any order, are masked positions, padding never."""
    rng = np.random.default_rng(seed)
    weights = loud(init_bert_pretraining(init_bert(s.d_v, s.L_q + 1, 1, s.d_model, s.h, s.d_ff, rng), rng), rng)
    ids, segments = rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(0, 2, (s.B, s.L_q))
    lengths = rng.integers(1, s.L_q + 1, s.B)
    tokens = np.flatnonzero(np.arange(s.L_q) < lengths[:, None])
    positions = rng.permutation(tokens)[: rng.integers(1, len(tokens) + 1)]
    return (ids, segments, lengths, positions), weights, Config(h=s.h, activation=GELU, eps=0.01), rng


def random_gradient(guesses, rng):
    return Guesses(*(rng.standard_normal(logits.shape) for logits in guesses))


@given(sizes, seeds)
def test_bert_pretraining_is_the_equation(s, seed):
    """Tokens are scored at masked positions, counted through the batch; the pooled first token says what follows."""
    (ids, segments, lengths, positions), weights, config, _ = draw(s, seed)
    guesses, _ = bert_pretraining(ids, segments, lengths, positions, weights, config)
    assert guesses.token_logits.shape == (len(positions), s.d_v)
    b, i = divmod(int(positions[0]), s.L_q)
    y = book.bert(ids[b], segments[b], weights.bert, s.h, lengths[b], eps=0.01)
    E = weights.bert.embedding.tokens.E
    expected = book.mlm_head(y[i : i + 1], weights.token, E, eps=0.01)
    assert_allclose(guesses.token_logits[0], expected[0], rtol=1e-6, atol=1e-8)
    follows = book.linear([book.pooler(y, *weights.pooler)], *weights.next)
    assert_allclose(guesses.next_logits[b], follows[0], rtol=1e-6, atol=1e-8)
    assert (IS_NEXT, NOT_NEXT, guesses.next_logits.shape) == (0, 1, (s.B, 2))


@given(sizes, seeds, rates)
def test_bert_pretraining_gradients(s, seed, rate):
    """Of both guesses together, as one array: every weight, the tied table with the sum of its two gradients."""
    (ids, segments, lengths, positions), weights, config, rng = draw(s, seed)

    def forward(weights):
        guesses, cache = bert_pretraining(
            ids,
            segments,
            lengths,
            positions,
            weights,
            dataclasses.replace(config, dropout=rate),
            np.random.default_rng(seed),
        )
        return np.concatenate([logits.ravel() for logits in guesses]), cache

    def backward(dy, cache):
        n = len(positions) * s.d_v
        return bert_pretraining_backward(Guesses(dy[:n].reshape(-1, s.d_v), dy[n:].reshape(s.B, 2)), cache)

    assert_gradients(forward, backward, (weights,), rng)


@given(sizes, seeds)
def test_gradients_add_where_both_heads_meet(s, seed):
    """What the two losses send into the encoder together is the sum of what each sends alone."""
    (ids, segments, lengths, positions), weights, config, rng = draw(s, seed)
    guesses, cache = bert_pretraining(ids, segments, lengths, positions, weights, config)
    dguesses = random_gradient(guesses, rng)
    both = bert_pretraining_backward(dguesses, cache)
    tokens = bert_pretraining_backward(dguesses._replace(next_logits=np.zeros((s.B, 2))), cache)
    follows = bert_pretraining_backward(dguesses._replace(token_logits=np.zeros_like(guesses.token_logits)), cache)
    for ours, one, other in zip(leaves(both), leaves(tokens), leaves(follows), strict=True):
        assert_allclose(ours, one + other, rtol=1e-9, atol=1e-11)
    assert not any(leaf.any() for leaf in leaves((tokens.pooler, tokens.next, follows.token)))


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither a guess nor a gradient."""
    (ids, segments, lengths, positions), weights, config, rng = draw(s, seed)
    padding = np.arange(s.L_q) >= lengths[:, None]
    other = np.where(padding, rng.integers(0, s.d_v, ids.shape), ids)
    guesses, cache = bert_pretraining(ids, segments, lengths, positions, weights, config)
    again, cache_again = bert_pretraining(other, segments, lengths, positions, weights, config)
    dguesses = random_gradient(guesses, rng)
    gradients = [bert_pretraining_backward(dguesses, c) for c in (cache, cache_again)]
    for ours, theirs in zip(*map(leaves, ((guesses, gradients[0]), (again, gradients[1]))), strict=True):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@given(sizes, seeds)
def test_positions_choose_what_is_scored(s, seed):
    """Fewer positions, in another order, have the same scores in that order; the next sentence's do not change."""
    (ids, segments, lengths, _), weights, config, rng = draw(s, seed)
    everywhere = np.arange(s.B * s.L_q)
    positions = rng.permutation(everywhere)[: s.L_q]
    all_guesses, _ = bert_pretraining(ids, segments, lengths, everywhere, weights, config)
    guesses, _ = bert_pretraining(ids, segments, lengths, positions, weights, config)
    assert_allclose(guesses.token_logits, all_guesses.token_logits[positions], rtol=1e-9, atol=1e-11)
    assert_array_equal(guesses.next_logits, all_guesses.next_logits)


@given(sizes, seeds)
def test_what_was_not_chosen_gets_no_gradient_from_the_tokens(s, seed):
    """Without layers between them, each position is scored by itself: only the vectors of masked positions move."""
    (ids, segments, lengths, positions), weights, config, rng = draw(s, seed)
    shallow = weights._replace(bert=weights.bert._replace(layers=weights.bert.layers._replace(layers=())))
    guesses, cache = bert_pretraining(ids, segments, lengths, positions, shallow, config)
    dguesses = random_gradient(guesses, rng)._replace(next_logits=np.zeros((s.B, 2)))
    dP = bert_pretraining_backward(dguesses, cache).bert.embedding.positions.P
    chosen = np.isin(np.arange(s.L_q + 1), positions % s.L_q)
    assert_array_equal(dP.any(axis=1), chosen)


def test_a_tied_table_gets_both_gradients():
    """A token that is only read moves, and so does one that is only scored; one that is neither does not."""
    rng = np.random.default_rng(0)
    weights = loud(init_bert_pretraining(init_bert(7, 5, 1, 6, 3, 10, rng), rng), rng)
    ids, segments = np.array([[1, 2, 3]]), np.array([[0, 0, 1]])
    guesses, cache = bert_pretraining(ids, segments, None, np.array([1]), weights, Config(h=3, activation=GELU))
    dtokens = np.zeros_like(guesses.token_logits)
    dtokens[:, 6] = 1
    dE = bert_pretraining_backward(Guesses(dtokens, np.zeros((1, 2))), cache).bert.embedding.tokens.E
    assert dE.any(axis=1).tolist() == [False, True, True, True, False, False, True]


def test_no_masked_position_leaves_the_next_sentence():
    """A batch where chance masked no token."""
    rng = np.random.default_rng(0)
    weights = init_bert_pretraining(init_bert(7, 5, 1, 6, 3, 10, rng), rng)
    ids, segments = np.array([[1, 2, 3]]), np.array([[0, 0, 1]])
    guesses, cache = bert_pretraining(ids, segments, None, np.zeros(0, int), weights, Config(h=3))
    assert guesses.token_logits.shape == (0, 7)
    gradient = bert_pretraining_backward(Guesses(guesses.token_logits, np.ones((1, 2), np.float32)), cache)
    assert gradient.bert.embedding.tokens.E.any()
    assert not any(leaf.any() for leaf in leaves(gradient.token))


def test_initial_weights_and_float32():
    rng = np.random.default_rng(0)
    weights = init_bert_pretraining(init_bert(7, 5, 2, 6, 3, 10, rng), rng)
    assert weights.pooler.W.shape == (6, 6)
    assert weights.next.W.shape == (6, 2)
    assert weights.token.b.shape == (7,)
    ids, segments = np.array([[1, 2, 3]]), np.array([[0, 0, 1]])
    config = Config(h=3, dropout=0.2, activation=GELU, eps=1e-12)
    guesses, cache = bert_pretraining(ids, segments, np.array([3]), np.array([1]), weights, config, rng)
    assert_float32(weights, guesses, bert_pretraining_backward(guesses, cache))
    assert {
        leaf.dtype for leaf in leaves(init_bert_pretraining(init_bert(7, 5, 2, 6, 3, 10, rng, np.float64), rng))
    } == {np.dtype(float)}


def test_the_generator_switches_dropout_on():
    rng = np.random.default_rng(0)
    weights = init_bert_pretraining(init_bert(7, 5, 1, 6, 3, 10, rng), rng)
    inputs = np.array([[1, 2, 3]]), np.array([[0, 0, 1]]), None, np.array([1, 2]), weights
    guesses, _ = bert_pretraining(*inputs, Config(h=3))
    silent, _ = bert_pretraining(*inputs, Config(h=3, dropout=0.5))
    dropped, _ = bert_pretraining(*inputs, Config(h=3, dropout=0.5), rng)
    for logits, same, other in zip(guesses, silent, dropped, strict=True):
        assert_array_equal(same, logits)
        assert not np.allclose(other, logits)


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    weights = init_bert_pretraining(init_bert(7, 5, 1, 6, 3, 10, rng), rng)
    good = np.array([[0, 1], [1, 1]])
    with refuses(ValueError, "positions: got values from 1 to 4, expected 0 to 3"):
        bert_pretraining(good, good, None, np.array([1, 4]), weights, Config(h=3))
    with refuses(TypeError, "positions: got dtype bool, expected an array of integers"):
        bert_pretraining(good, good, None, good == 0, weights, Config(h=3))
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        bert_pretraining(np.array([[0, 7]]), good[:1], None, np.array([1]), weights, Config(h=3))
