"""The decoder (3.2), a stack of equal layers that read one memory."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.attention import causal_mask, padding_mask
from minitransformer.equations.positional_encoding import add_positions
from minitransformer.layers.decoder import Decoder, decoder, decoder_backward, init_decoder
from minitransformer.layers.decoder_layer import Masks, decoder_layer, decoder_layer_backward
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed, norm=True, n_layers=2):
    """A loud stack; L_q tokens written so far, a memory of L_k tokens."""
    rng = np.random.default_rng(seed)
    weights = init_decoder(n_layers, s.d_model, s.h, s.d_ff, rng)
    weights = loud(Decoder(weights.layers, init_layer_norm(s.d_model) if norm else None), rng)
    x, memory = rng.standard_normal((s.B, s.L_q, s.d_model)), rng.standard_normal((s.B, s.L_k, s.d_model))
    return x, memory, weights, rng


def random_masks(rng, s):
    """A boolean one for the target and numbers for the memory; the first target position is fully masked."""
    return Masks(random_mask(rng, s.L_q, s.L_q), mask_of_numbers(rng, s.L_q, s.L_k))


with_and_without_norm = pytest.mark.parametrize("norm", [False, True], ids=["no final norm", "final norm"])
post_norm_and_pre_norm = pytest.mark.parametrize("norm_first", [False, True], ids=["post_norm", "pre_norm"])


@post_norm_and_pre_norm
@with_and_without_norm
@given(s=sizes, seed=seeds)
def test_the_decoder_is_one_layer_after_the_other(norm, norm_first, s, seed):
    """x_n = DecoderLayer_n(x_{n-1}, memory), by the book, and then the final norm."""
    x, memory, weights, rng = draw(s, seed, norm)
    masks = random_masks(rng, s)
    by_the_book = book.pre_norm_decoder_layer if norm_first else book.post_norm_decoder_layer
    expected = x[0]
    for layer in weights.layers:
        expected = by_the_book(expected, memory[0], layer, s.h, masks)
    if norm:
        expected = book.layer_norm(expected, *weights.norm, 0.1)
    y, _ = decoder(x[0], memory[0], weights, Config(h=s.h, norm_first=norm_first, final_eps=0.1), masks)
    assert_allclose(y, expected, rtol=1e-7, atol=1e-9, strict=True)


@with_and_without_norm
@given(s=sizes, seed=seeds, rate=rates, norm_first=st.booleans())
def test_decoder_gradients(norm, s, seed, rate, norm_first):
    """dx, dmemory and every weight of every layer, and of the final norm if there is one."""
    x, memory, weights, rng = draw(s, seed, norm)
    masks = random_masks(rng, s)
    config = Config(h=s.h, dropout=rate, norm_first=norm_first)
    assert_gradients(
        lambda x, m, w: decoder(x, m, w, config, masks, np.random.default_rng(seed)),
        decoder_backward,
        (x, memory, weights),
        rng,
    )


@post_norm_and_pre_norm
@given(s=sizes, seed=seeds, rate=rates)
def test_every_layer_gets_the_same_memory_and_masks_and_one_generator(norm_first, s, seed, rate):
    """In the order of the layers."""
    x, memory, weights, rng = draw(s, seed, norm=False)
    masks = random_masks(rng, s)
    config = Config(h=s.h, dropout=rate, norm_first=norm_first)
    generator = np.random.default_rng(seed)
    expected = x
    for layer in weights.layers:
        expected, _ = decoder_layer(expected, memory, layer, config, masks, generator)
    y, _ = decoder(x, memory, weights, config, masks, np.random.default_rng(seed))
    assert_array_equal(y, expected)


@post_norm_and_pre_norm
@given(s=sizes, seed=seeds)
def test_the_gradient_of_the_memory_is_the_sum_over_the_layers(norm_first, s, seed):
    """Give each layer a memory of its own: the gradients of these (by the complex step) add up to the shared one's, and
    none of them is 0."""
    x, memory, weights, rng = draw(s, seed, norm=False, n_layers=3)
    config, masks = Config(h=s.h, norm_first=norm_first), random_masks(rng, s)

    def forward(*memories):
        x_n, caches = x, []
        for own_memory, layer in zip(memories, weights.layers, strict=True):
            x_n, cache = decoder_layer(x_n, own_memory, layer, config, masks)
            caches.append(cache)
        return x_n, caches

    def backward(dy, caches):
        dx_n, dmemories = dy, []
        for cache in reversed(caches):
            dx_n, dmemory, _ = decoder_layer_backward(dx_n, cache)
            dmemories.append(dmemory)
        return tuple(reversed(dmemories))

    assert_gradients(forward, backward, (memory, memory, memory), rng)
    y, cache = decoder(x, memory, weights, config, masks)
    dy = rng.standard_normal(y.shape)
    dmemories = backward(dy, forward(memory, memory, memory)[1])
    assert all(dmemory.any() for dmemory in dmemories)
    assert_allclose(decoder_backward(dy, cache)[1], sum(dmemories), rtol=1e-9, atol=1e-11)


@given(sizes, seeds)
def test_the_final_norm_has_the_other_norms_eps_by_default(s, seed):
    x, memory, weights, _ = draw(s, seed)
    y, _ = decoder(x, memory, weights, Config(h=s.h))
    assert_array_equal(decoder(x, memory, weights, Config(h=s.h, final_eps=1e-5))[0], y)
    assert not np.allclose(decoder(x, memory, weights, Config(h=s.h, final_eps=0.1))[0], y)


@given(sizes, seeds)
def test_no_layers_change_nothing_and_read_nothing(s, seed):
    """A stack of none without a norm: y is x, dx is dy, and dmemory is 0, in the memory's shape and type."""
    x, memory, weights, _ = draw(s, seed, norm=False, n_layers=0)
    y, cache = decoder(x, memory, weights, Config(h=s.h))
    assert y is x
    dx, dmemory, _ = decoder_backward(x, cache)
    assert dx is x
    assert_array_equal(dmemory, np.zeros_like(memory), strict=True)


@post_norm_and_pre_norm
@given(s=sizes, seed=seeds)
def test_a_causal_mask_holds_at_every_layer(norm_first, s, seed):
    """After any number of layers, no value comes from a later position, and no gradient goes to one."""
    x, memory, weights, rng = draw(s, seed, norm=False, n_layers=3)
    config, masks = Config(h=s.h, norm_first=norm_first), Masks(causal_mask(s.L_q))
    i = int(rng.integers(s.L_q - 1))
    changed = x.copy()
    changed[:, i + 1 :] = rng.standard_normal(changed[:, i + 1 :].shape)
    for n in range(1, 4):
        first_n = Decoder(weights.layers[:n])
        y, cache = decoder(x, memory, first_n, config, masks)
        y_changed, _ = decoder(changed, memory, first_n, config, masks)
        assert_allclose(y_changed[:, : i + 1], y[:, : i + 1], rtol=1e-9, atol=1e-10)
        dy = np.zeros_like(y)
        dy[:, : i + 1] = rng.standard_normal(dy[:, : i + 1].shape)
        dx, dmemory, _ = decoder_backward(dy, cache)
        assert not dx[:, i + 1 :].any()
        assert dx[:, : i + 1].any(axis=-1).all()
        assert dmemory.any(axis=-1).all()  # the mask is for the target alone


@post_norm_and_pre_norm
@given(s=sizes, seed=seeds)
def test_one_pass_is_every_prefix_at_once(norm_first, s, seed):
    """What teacher forcing rests on: under the causal mask, y_i is what decoding w_1, ..., w_i alone would give."""
    x, memory, weights, _ = draw(s, seed)
    config = Config(h=s.h, norm_first=norm_first)
    y, _ = decoder(x, memory, weights, config, Masks(causal_mask(s.L_q)))
    for i in range(s.L_q):
        prefix, _ = decoder(x[:, : i + 1], memory, weights, config, Masks(causal_mask(i + 1)))
        assert_allclose(y[:, i], prefix[:, i], rtol=1e-7, atol=1e-9)


@post_norm_and_pre_norm
@given(s=sizes, seed=seeds)
def test_padding_of_the_memory_changes_nothing(norm_first, s, seed):
    """Through any number of layers: values and gradients of a memory without it, and no gradient for the padding."""
    x, memory, weights, rng = draw(s, seed)
    config, causal = Config(h=s.h, norm_first=norm_first), causal_mask(s.L_q)
    n = int(rng.integers(1, s.L_k))
    y, cache = decoder(x, memory, weights, config, Masks(causal, padding_mask(np.full(s.B, n), s.L_k)))
    short, short_cache = decoder(x, memory[:, :n], weights, config, Masks(causal))
    assert_allclose(y, short, rtol=1e-7, atol=1e-9)
    dy = rng.standard_normal(y.shape)
    dx, dmemory, dweights = decoder_backward(dy, cache)
    assert not dmemory[:, n:].any()
    expected = leaves(decoder_backward(dy, short_cache))
    for array, wanted in zip(leaves((dx, dmemory[:, :n], dweights)), expected, strict=True):
        assert_allclose(array, wanted, rtol=1e-6, atol=1e-8 * (1 + np.abs(wanted).max()))


@given(sizes, seeds)
def test_positions_are_what_gives_the_memory_an_order(s, seed):
    """The decoder has none of its own for it: a memory read backwards is the same, unless positions are in it."""
    x, memory, weights, _ = draw(s, seed)
    masks = Masks(causal_mask(s.L_q))
    y, _ = decoder(x, memory, weights, Config(h=s.h), masks)
    assert_allclose(decoder(x, memory[:, ::-1], weights, Config(h=s.h), masks)[0], y, rtol=1e-7, atol=1e-9)
    y, _ = decoder(x, add_positions(memory)[0], weights, Config(h=s.h), masks)
    assert not np.allclose(decoder(x, add_positions(memory[:, ::-1])[0], weights, Config(h=s.h), masks)[0], y)


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    x, memory, weights, _ = draw(s, seed)
    masks = Masks(causal_mask(s.L_q))
    members = [decoder(x[b], memory[b], weights, Config(h=s.h), masks)[0] for b in range(s.B)]
    assert_allclose(decoder(x, memory, weights, Config(h=s.h), masks)[0], members, rtol=1e-7, atol=1e-9)


@given(sizes, seeds)
def test_without_a_generator_nothing_is_dropped(s, seed):
    """Evaluation, whatever the rate."""
    x, memory, weights, _ = draw(s, seed)
    y, _ = decoder(x, memory, weights, Config(h=s.h))
    assert_array_equal(decoder(x, memory, weights, Config(h=s.h, dropout=0.5))[0], y)


def test_initial_weights():
    """As many layers as asked for, each with numbers of its own, no final norm; float32 unless asked otherwise."""
    rng = np.random.default_rng(0)
    weights = init_decoder(3, 6, 2, 10, rng)
    assert len(weights.layers) == 3
    assert weights.norm is None
    assert not np.array_equal(weights.layers[0].feed_forward.linear1.W, weights.layers[1].feed_forward.linear1.W)
    assert weights.layers[0].feed_forward.linear1.W.shape == (6, 10)
    assert_float32(weights)
    assert {w.dtype for w in leaves(init_decoder(2, 6, 2, 10, rng, np.float64))} == {np.dtype("float64")}


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    x, memory = (rng.standard_normal((2, L, 6)).astype(np.float32) for L in (3, 4))
    weights = init_decoder(2, 6, 3, 10, rng)._replace(norm=init_layer_norm(6))
    y, cache = decoder(x, memory, weights, Config(h=3, dropout=0.3), Masks(causal_mask(3)), rng)
    first, second = cache.layers
    assert_float32(y, first.self_attention, second.cross_attention, cache.norm, decoder_backward(y, cache))


def test_bad_input_is_refused():
    """With the message of the layer that it does not fit."""
    weights = init_decoder(2, 6, 3, 10, np.random.default_rng(0))
    with refuses(ValueError, "memory: got shape (2, 5, 4), expected (..., L_s, d_memory) with d_memory = 6"):
        decoder(np.ones((2, 3, 6)), np.ones((2, 5, 4)), weights, Config(h=3))
    with refuses(ValueError, "h: got 4 heads, expected a number that divides the 6 features of d_model"):
        init_decoder(2, 6, 4, 10, np.random.default_rng(0))
