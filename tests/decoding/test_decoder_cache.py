"""Writing a translation token by token, with the keys and values that are needed again (3.2, 6.1)."""

import dataclasses
import itertools

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import Sizes, seeds, sizes

from minitransformer.decoding.decoder_cache import decode_step, prefill, reorder
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
    return source, target, rng.integers(1, s.L_k + 1, s.B), weights, Config(h=s.h, norm_first=norm_first, eps=EPS), rng


@given(sizes, seeds, st.booleans(), st.booleans(), st.booleans())
def test_decoding_token_by_token_equals_the_whole(s, seed, norm_first, shared, tied):
    """To 1e-12, in every form, with padding; and the weights over the source are those of the whole pass."""
    source, target, lengths, weights, config, _ = draw(s, seed, norm_first, shared, tied)
    whole, cache = transformer(source, target, weights, config, lengths)
    decoding = prefill(source, weights, config, s.L_q, lengths)
    for i in range(s.L_q):
        logits, decoding, alphas = decode_step(target[:, i], decoding, weights, config)
        assert_allclose(logits, whole[:, i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        for alpha, layer in zip(alphas, cache.decoder.layers, strict=True):
            assert_allclose(alpha, layer.cross_attention.attention.attend.alpha[:, :, i], rtol=1e-9, atol=1e-12)
    assert decoding.n == s.L_q


@pytest.mark.parametrize(("norm_first", "shared", "tied"), list(itertools.product((False, True), repeat=3)))
def test_every_setting_of_a_layer_reaches_the_cache(norm_first, shared, tied):
    """In every form, with an eps that matters and another activation."""
    source, target, lengths, weights, config, _ = draw(Sizes(2, 3, 4, 5, 6, 7, 8), 0, norm_first, shared, tied)
    for other in (dataclasses.replace(config, eps=0.3), dataclasses.replace(config, activation=GELU)):
        whole, _ = transformer(source, target, weights, other, lengths)
        decoding = prefill(source, weights, other, 4, lengths)
        for i in range(4):
            logits, decoding, _ = decode_step(target[:, i], decoding, weights, other)
            assert_allclose(logits, whole[:, i], rtol=1e-12, atol=1e-12 * np.abs(whole).max())
        assert not np.allclose(whole, transformer(source, target, weights, config, lengths)[0])


@given(sizes, seeds)
def test_reordered_decodings_go_on_as_those_they_come_from(s, seed):
    """Some twice, some not at all: each goes on with its own source and its own tokens."""
    source, target, lengths, weights, config, rng = draw(s, seed)
    order = rng.integers(0, s.B, s.B + 2)
    decoding = prefill(source, weights, config, s.L_q, lengths)
    _, decoding, _ = decode_step(target[:, 0], decoding, weights, config)
    moved = reorder(decoding, order)
    for i in range(1, s.L_q):
        logits, moved, _ = decode_step(target[order, i], moved, weights, config)
    whole, _ = transformer(source[order], target[order], weights, config, lengths[order])
    assert_allclose(logits, whole[:, -1], rtol=1e-10, atol=1e-12 * np.abs(whole).max())


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, rng), Config(h=3)
    decoding = prefill(np.array([[1, 2]]), weights, config, 4)
    assert_float32(*decode_step(np.array([1]), decoding, weights, config))


def test_bad_input_is_refused():
    """More tokens than there is room for; ids outside the vocabulary."""
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, np.random.default_rng(0)), Config(h=3)
    decoding = prefill(np.array([[1, 2]]), weights, config, 1)
    with refuses(ValueError, "tokens: got values from 8 to 8, expected 0 to 7"):
        decode_step(np.array([8]), decoding, weights, config)
    _, decoding, _ = decode_step(np.array([1]), decoding, weights, config)
    with refuses(ValueError, "tokens: got one more after 1, expected 1 in all, the longest target, at most"):
        decode_step(np.array([1]), decoding, weights, config)
    with pytest.raises(ValueError, match=r"^tokens: "):
        decode_step(np.array(1), prefill(np.array([[1, 2]]), weights, config, 1), weights, config)


def test_a_decoding_belongs_to_its_model():
    """With a layer more, or fewer, what was written would be used by half."""
    rng, config = np.random.default_rng(0), Config(h=3)
    one, two = (init_transformer(7, 8, n_layers, 6, 3, 10, rng) for n_layers in (1, 2))
    for mine, other in ((one, two), (two, one)):
        with pytest.raises(ValueError):
            decode_step(np.array([1]), prefill(np.array([[1, 2]]), mine, config, 4), other, config)


def test_a_source_and_order_are_named():
    """Tokens that the source's table has, and sequences that are there, in a row."""
    weights, config = init_transformer(7, 8, 1, 6, 3, 10, np.random.default_rng(0)), Config(h=3)
    for outside in (np.array([[1, 7]]), np.array([[-1, 1]])):
        with pytest.raises(ValueError, match=r"^source: "):
            prefill(outside, weights, config, 4)
    decoding = prefill(np.array([[1, 2], [3, 4]]), weights, config, 4)
    for order in (np.array([-1]), np.array([2]), np.array(0)):
        with pytest.raises(ValueError, match=r"^order: "):
            reorder(decoding, order)
    for tokens in (np.array([1]), np.array([1, 2, 3])):  # of one sequence, or of three, and not of two
        with pytest.raises(ValueError, match=r"^tokens: "):
            decode_step(tokens, decoding, weights, config)


def test_a_decoding_of_other_layers_is_refused():
    rng = np.random.default_rng(0)
    one, two = (init_transformer(5, 5, n, 6, 3, 8, rng) for n in (1, 2))
    decoding = prefill(np.array([[1, 2]]), one, Config(h=3), longest=3)
    with refuses(ValueError, "decoding: got 1 layers, expected 2, as of `prefill`"):
        decode_step(np.array([1]), decoding, two, Config(h=3))
