"""Decoding with the keys and values of the positions before (3.4.1)."""

import dataclasses
import itertools

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import Sizes, seeds, sizes

from minitransformer.decoding.key_value_cache import decode_step, empty_cache
from minitransformer.equations.activations import GELU_TANH, RELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.gpt import gpt, gpt_backward, init_gpt
from minitransformer.verify.cases.points import loud

EPS = 0.5  # far from what it is by default: a norm that is not told it cannot hide


def draw(s, seed, norm_first=True, learned=True, tied=True):
    rng = np.random.default_rng(seed)
    context = s.L_q if learned else None
    weights = loud(init_gpt(s.d_v, 2, s.d_model, s.h, s.d_ff, rng, context, tied, norm_first), rng)
    return (
        rng.integers(0, s.d_v, (s.B, s.L_q)),
        weights,
        Config(h=s.h, dropout=0.0, activation=GELU_TANH, norm_first=norm_first, eps=EPS),
        rng,
    )


@given(sizes, seeds, st.booleans(), st.booleans(), st.booleans())
def test_decoding_in_pieces_equals_the_whole_at_once(s, seed, norm_first, learned, tied):
    """Cut anywhere, into pieces of any length, to 1e-12; in a batch too, and in every form of GPT."""
    ids, weights, config, rng = draw(s, seed, norm_first, learned, tied)
    whole, _ = gpt(ids, weights, config)
    cuts = np.unique(np.append(rng.integers(1, s.L_q + 1, 2), [0, s.L_q]))
    past = empty_cache((s.B,), s.L_q, weights, config)
    pieces = []
    for start, end in itertools.pairwise(cuts):
        logits, past = decode_step(ids[:, start:end], past, weights, config)
        pieces.append(logits)
    assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-12, atol=1e-12 * np.abs(whole).max())
    assert {of_layer.n for of_layer in past} == {s.L_q}


@pytest.mark.parametrize(("norm_first", "learned", "tied"), list(itertools.product((False, True), repeat=3)))
def test_every_setting_of_a_layer_reaches_the_cache(norm_first, learned, tied):
    """In every form, with an eps that matters and another activation: two tokens at once, then two more."""
    ids, weights, config, _ = draw(Sizes(2, 3, 4, 5, 6, 7, 8), 0, norm_first, learned, tied)
    for other in (dataclasses.replace(config, eps=0.3), dataclasses.replace(config, activation=RELU)):
        whole, _ = gpt(ids, weights, other)
        first, past = decode_step(ids[:, :2], empty_cache((2,), 4, weights, other), weights, other)
        second, _ = decode_step(ids[:, 2:], past, weights, other)
        assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        assert not np.allclose(whole, gpt(ids, weights, config)[0])


@given(sizes, seeds)
def test_token_by_token_without_a_batch(s, seed):
    """What generating does."""
    ids, weights, config, _ = draw(s, seed)
    whole, _ = gpt(ids[0], weights, config)
    past = empty_cache((), s.L_q, weights, config)
    for i in range(s.L_q):
        logits, past = decode_step(ids[0, i : i + 1], past, weights, config)
        assert_allclose(logits[0], whole[i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights, config = init_gpt(7, 1, 6, 3, 10, rng, 5), Config(h=3)
    for form in (weights, init_gpt(7, 1, 6, 3, 10, rng)):  # with positions that are learned, and with sines
        logits, past = decode_step(np.array([1, 2]), empty_cache((), 5, form, config), form, config)
        assert_float32(logits, past)


def test_bad_input_is_refused():
    """More tokens than there is room for, more room than there are positions, ids outside the vocabulary."""
    rng = np.random.default_rng(0)
    weights, config = init_gpt(7, 1, 6, 3, 10, rng, 4), Config(h=3)
    past = empty_cache((), 4, weights, config)
    _, past = decode_step(np.array([1, 2, 3]), past, weights, config)
    with refuses(ValueError, "ids: got 2 positions after 3, expected at most 4 in all, the context"):
        decode_step(np.array([1, 2]), past, weights, config)
    with refuses(ValueError, "context: got 5, expected at most 4, as many as are learned"):
        empty_cache((), 5, weights, config)
    with refuses(ValueError, "ids: got values from 7 to 7, expected 0 to 6"):
        decode_step(np.array([7]), past, weights, config)
    with pytest.raises(ValueError, match=r"^ids: "):
        decode_step(np.array(1), past, weights, config)


def test_a_past_belongs_to_its_model():
    """With a layer more, or fewer, what was read would be used by half."""
    rng, config = np.random.default_rng(0), Config(h=3)
    one, two = (init_gpt(7, n_layers, 6, 3, 10, rng) for n_layers in (1, 2))
    for mine, other in ((one, two), (two, one)):
        with pytest.raises(ValueError):
            decode_step(np.array([1, 2]), empty_cache((), 4, mine, config), other, config)


def test_a_past_has_room_for_one_token_or_more_of_as_many_sequences_as_it_was_made_for():
    rng, config = np.random.default_rng(0), Config(h=3)
    weights = init_gpt(7, 1, 6, 3, 10, rng)
    for batch in ((), (2,)):
        assert (
            decode_step(np.zeros((*batch, 1), int), empty_cache(batch, 1, weights, config), weights, config)[1][0].n
            == 1
        )
    for batch in ((), (1,), (3,)):
        with pytest.raises(ValueError, match=r"^ids: "):
            decode_step(np.zeros((*batch, 1), int), empty_cache((2,), 4, weights, config), weights, config)


def test_without_layers_there_is_nothing_to_keep():
    """And no past that could say at which position it goes on."""
    weights, config = init_gpt(7, 0, 6, 3, 10, np.random.default_rng(0)), Config(h=3)
    with refuses(
        ValueError, "weights: got no layers, expected one or more: without attention there is nothing to keep"
    ):
        empty_cache((1,), 3, weights, config)


def test_there_is_no_backward_through_a_past():
    """Its gradient would lack what the kept keys and values owe to the weights."""
    weights, config = init_gpt(7, 1, 6, 3, 10, np.random.default_rng(0)), Config(h=3)
    logits, cache = gpt(np.array([1, 2]), weights, config, past=empty_cache((), 4, weights, config))
    with refuses(ValueError, "cache: got that of a call with `past`, expected one without: kept keys have no backward"):
        gpt_backward(logits, cache)


def test_a_past_of_other_layers_is_refused():
    """Of a smaller or larger model, or none at all."""
    rng = np.random.default_rng(0)
    one, two = (init_gpt(5, n, 6, 3, 8, rng) for n in (1, 2))
    config = Config(h=3)
    expected = "expected a past for each of 2 layers, as of `empty_cache`"
    for past, got in ((empty_cache((), 4, one, config), "1 layers"), ((), "0 layers"), (None, "NoneType")):
        with refuses(ValueError, f"past: got {got}, {expected}"):
            decode_step(np.array([1]), past, two, config)
