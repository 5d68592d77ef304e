"""Writing a translation word by word, with the keys and values that are needed again (3.2, 6.1)."""

import itertools

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import Sizes, seeds, sizes

from minitransformer.decoding.decoder_cache import reorder, start_writing, write_on
from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.transformer import init_transformer, transformer
from minitransformer.verify.cases.points import loud

EPS = 0.5  # far from what it is by default: a norm that is not told it cannot hide


def draw(s, seed, norm_first=False, shared=False, tied=True):
    rng = np.random.default_rng(seed)
    V_t = None if shared else s.d_ff
    weights = loud(init_transformer(s.d_v, V_t, 2, s.d_model, s.h, s.d_ff, rng, tied, norm_first), rng)
    source, target = rng.integers(0, s.d_v, (s.B, s.L_k)), rng.integers(0, V_t or s.d_v, (s.B, s.L_q))
    return source, target, rng.integers(1, s.L_k + 1, s.B), weights, Config(s.h, norm_first=norm_first, eps=EPS), rng


@given(sizes, seeds, st.booleans(), st.booleans(), st.booleans())
def test_writing_word_by_word_equals_the_whole(s, seed, norm_first, shared, tied):
    """To 1e-12, in every form, with padding; and the looks at the source are the weights of the whole pass."""
    source, target, lengths, weights, config, _ = draw(s, seed, norm_first, shared, tied)
    whole, cache = transformer(source, target, weights, config, lengths)
    writing = start_writing(source, weights, config, s.L_q, lengths)
    for i in range(s.L_q):
        logits, writing, looks = write_on(target[:, i], writing, weights, config)
        assert_allclose(logits, whole[:, i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        for look, layer in zip(looks, cache.decoder.layers, strict=True):
            assert_allclose(look, layer.cross_attention.attention.attend.alpha[:, :, i], rtol=1e-9, atol=1e-12)
    assert writing.n == s.L_q


@pytest.mark.parametrize(("norm_first", "shared", "tied"), list(itertools.product((False, True), repeat=3)))
def test_every_setting_of_a_layer_reaches_the_cache(norm_first, shared, tied):
    """In every form, with an eps that matters and another activation."""
    source, target, lengths, weights, config, _ = draw(Sizes(2, 3, 4, 5, 6, 7, 8), 0, norm_first, shared, tied)
    for other in (config._replace(eps=0.3), config._replace(activation=GELU)):
        whole, _ = transformer(source, target, weights, other, lengths)
        writing = start_writing(source, weights, other, 4, lengths)
        for i in range(4):
            logits, writing, _ = write_on(target[:, i], writing, weights, other)
            assert_allclose(logits, whole[:, i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        assert not np.allclose(whole, transformer(source, target, weights, config, lengths)[0])


@given(sizes, seeds)
def test_reordered_writings_go_on_as_those_they_come_from(s, seed):
    """Some twice, some not at all: each goes on with its own source and its own words."""
    source, target, lengths, weights, config, rng = draw(s, seed)
    places = rng.integers(0, s.B, s.B + 2)
    writing = start_writing(source, weights, config, s.L_q, lengths)
    _, writing, _ = write_on(target[:, 0], writing, weights, config)
    moved = reorder(writing, places)
    for i in range(1, s.L_q):
        logits, moved, _ = write_on(target[places, i], moved, weights, config)
    whole, _ = transformer(source[places], target[places], weights, config, lengths[places])
    assert_allclose(logits, whole[:, -1], rtol=1e-10, atol=1e-12 * np.abs(whole).max())


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, rng), Config(3)
    writing = start_writing(np.array([[1, 2]]), weights, config, 4)
    assert_float32(*write_on(np.array([1]), writing, weights, config))


def test_bad_input_is_refused():
    """More words than there is room for; ids outside the vocabulary."""
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, np.random.default_rng(0)), Config(3)
    writing = start_writing(np.array([[1, 2]]), weights, config, 1)
    with refuses(ValueError, "words: got values from 8 to 8, expected 0 to 7"):
        write_on(np.array([8]), writing, weights, config)
    _, writing, _ = write_on(np.array([1]), writing, weights, config)
    with refuses(ValueError, "words: got one more after 1, expected 1 in all, the longest target, at most"):
        write_on(np.array([1]), writing, weights, config)
    with pytest.raises(ValueError, match=r"^words: "):
        write_on(np.array(1), start_writing(np.array([[1, 2]]), weights, config, 1), weights, config)


def test_a_writing_belongs_to_its_model():
    """With a layer more, or fewer, what was written would be used by half."""
    rng, config = np.random.default_rng(0), Config(3)
    one, two = (init_transformer(7, 8, n_layers, 6, 3, 10, rng) for n_layers in (1, 2))
    for mine, other in ((one, two), (two, one)):
        with pytest.raises(ValueError):
            write_on(np.array([1]), start_writing(np.array([[1, 2]]), mine, config, 4), other, config)


def test_a_source_and_places_are_named():
    """Words that the source's table has, and sequences that are there, in a row."""
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, np.random.default_rng(0)), Config(3)
    for outside in (np.array([[1, 7]]), np.array([[-1, 1]])):
        with pytest.raises(ValueError, match=r"^source: "):
            start_writing(outside, weights, config, 4)
    writing = start_writing(np.array([[1, 2], [3, 4]]), weights, config, 4)
    for places in (np.array([-1]), np.array([2]), np.array(0)):
        with pytest.raises(ValueError, match=r"^places: "):
            reorder(writing, places)
    for words in (np.array([1]), np.array([1, 2, 3])):  # of one sequence, or of three, and not of two
        with pytest.raises(ValueError, match=r"^words: "):
            write_on(words, writing, weights, config)
