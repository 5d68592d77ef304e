"""Reading on with the keys and values of what was read (3.4.1)."""

import itertools

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import Sizes, seeds, sizes

from minitransformer.decoding.key_value_cache import read_on, start_reading
from minitransformer.equations.activations import GELU_TANH, RELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.gpt import gpt, init_gpt
from minitransformer.verify.cases.points import loud

EPS = 0.5  # far from what it is by default: a norm that is not told it cannot hide


def draw(s, seed, norm_first=True, learned=True, tied=True):
    rng = np.random.default_rng(seed)
    context = s.L_q if learned else None
    weights = loud(init_gpt(s.d_v, 2, s.d_model, s.h, s.d_ff, rng, context, tied, norm_first), rng)
    return rng.integers(0, s.d_v, (s.B, s.L_q)), weights, Config(s.h, 0.0, GELU_TANH, norm_first, EPS), rng


@given(sizes, seeds, st.booleans(), st.booleans(), st.booleans())
def test_reading_on_equals_reading_all_at_once(s, seed, norm_first, learned, tied):
    """Cut anywhere, into pieces of any length, to 1e-12; in a batch too, and in every form of GPT."""
    ids, weights, config, rng = draw(s, seed, norm_first, learned, tied)
    whole, _ = gpt(ids, weights, config)
    cuts = np.unique(np.append(rng.integers(1, s.L_q + 1, 2), [0, s.L_q]))
    reading = start_reading((s.B,), s.L_q, weights, config)
    pieces = []
    for start, end in itertools.pairwise(cuts):
        logits, reading = read_on(ids[:, start:end], reading, weights, config)
        pieces.append(logits)
    assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-12, atol=1e-12 * np.abs(whole).max())
    assert reading.n == s.L_q


@pytest.mark.parametrize(("norm_first", "learned", "tied"), list(itertools.product((False, True), repeat=3)))
def test_every_setting_of_a_layer_reaches_the_cache(norm_first, learned, tied):
    """In every form, with an eps that matters and another activation: two words at once, then two more."""
    ids, weights, config, _ = draw(Sizes(2, 3, 4, 5, 6, 7, 8), 0, norm_first, learned, tied)
    for other in (config._replace(eps=0.3), config._replace(activation=RELU)):
        whole, _ = gpt(ids, weights, other)
        first, reading = read_on(ids[:, :2], start_reading((2,), 4, weights, other), weights, other)
        second, _ = read_on(ids[:, 2:], reading, weights, other)
        assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        assert not np.allclose(whole, gpt(ids, weights, config)[0])


@given(sizes, seeds)
def test_word_by_word_without_a_batch(s, seed):
    """What writing does."""
    ids, weights, config, _ = draw(s, seed)
    whole, _ = gpt(ids[0], weights, config)
    reading = start_reading((), s.L_q, weights, config)
    for i in range(s.L_q):
        logits, reading = read_on(ids[0, i : i + 1], reading, weights, config)
        assert_allclose(logits[0], whole[i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights, config = init_gpt(7, 1, 6, 3, 10, rng, 5), Config(3)
    for form in (weights, init_gpt(7, 1, 6, 3, 10, rng)):  # with positions that are learned, and with sines
        logits, reading = read_on(np.array([1, 2]), start_reading((), 5, form, config), form, config)
        assert_float32(logits, reading)


def test_bad_input_is_refused():
    """More words than there is room for, more room than there are positions, ids outside the vocabulary."""
    rng = np.random.default_rng(0)
    weights, config = init_gpt(7, 1, 6, 3, 10, rng, 4), Config(3)
    reading = start_reading((), 4, weights, config)
    _, reading = read_on(np.array([1, 2, 3]), reading, weights, config)
    with refuses(ValueError, "ids: got 2 more after 3, expected 4 in all, the context, at most"):
        read_on(np.array([1, 2]), reading, weights, config)
    with refuses(ValueError, "context: got 5, expected at most 4, as many as are learned"):
        start_reading((), 5, weights, config)
    with refuses(ValueError, "ids: got values from 7 to 7, expected 0 to 6"):
        read_on(np.array([7]), reading, weights, config)
    with pytest.raises(ValueError, match=r"^ids: "):
        read_on(np.array(1), reading, weights, config)


def test_a_reading_belongs_to_its_model():
    """With a layer more, or fewer, what was read would be used by half."""
    rng, config = np.random.default_rng(0), Config(3)
    one, two = (init_gpt(7, n_layers, 6, 3, 10, rng) for n_layers in (1, 2))
    for mine, other in ((one, two), (two, one)):
        with pytest.raises(ValueError):
            read_on(np.array([1, 2]), start_reading((), 4, mine, config), other, config)


def test_a_reading_has_room_for_one_word_or_more_of_as_many_sequences_as_it_was_made_for():
    rng, config = np.random.default_rng(0), Config(3)
    weights = init_gpt(7, 1, 6, 3, 10, rng)
    for batch in ((), (2,)):
        assert read_on(np.zeros((*batch, 1), int), start_reading(batch, 1, weights, config), weights, config)[1].n == 1
    for batch in ((), (1,), (3,)):
        with pytest.raises(ValueError, match=r"^ids: "):
            read_on(np.zeros((*batch, 1), int), start_reading((2,), 4, weights, config), weights, config)


def test_without_layers_there_is_nothing_to_keep():
    """Each word's logits depend on it and its position alone."""
    weights, config = init_gpt(7, 0, 6, 3, 10, np.random.default_rng(0)), Config(3)
    ids = np.array([[1, 2, 3]])
    _, reading = read_on(ids[:, :1], start_reading((1,), 3, weights, config), weights, config)
    logits, _ = read_on(ids[:, 1:], reading, weights, config)
    assert_allclose(logits, gpt(ids, weights, config)[0][:, 1:], rtol=1e-6)
