"""The encoder (3.1), a stack of equal layers."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.attention import causal_mask
from minitransformer.equations.positional_encoding import add_positions
from minitransformer.layers.encoder import Encoder, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import Config, encoder_layer
from minitransformer.layers.layer_norm import init_layer_norm
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed, norm=True, n_layers=2):
    """A loud stack; d_model = h d_k."""
    rng = np.random.default_rng(seed)
    weights = init_encoder(n_layers, s.d_model, s.h, s.d_ff, rng)
    weights = loud(Encoder(weights.layers, init_layer_norm(s.d_model) if norm else None), rng)
    return rng.standard_normal((s.B, s.L_q, s.d_model)), weights, rng


with_and_without_norm = pytest.mark.parametrize("norm", [False, True], ids=["no final norm", "final norm"])


@with_and_without_norm
@given(s=sizes, seed=seeds)
def test_the_encoder_is_one_layer_after_the_other(norm, s, seed):
    """x_n = EncoderLayer_n(x_{n-1}), by the book, and then the final norm."""
    x, weights, rng = draw(s, seed, norm)
    mask = random_mask(rng, s.L_q, s.L_q)
    expected = x[0]
    for layer in weights.layers:
        expected = book.post_norm_encoder_layer(expected, layer, s.h, mask)
    if norm:
        expected = book.layer_norm(expected, *weights.norm, 0.1)
    y, _ = encoder(x[0], weights, Config(h=s.h, final_eps=0.1), mask)
    assert_allclose(y, expected, rtol=1e-7, atol=1e-9, strict=True)


@with_and_without_norm
@given(s=sizes, seed=seeds, rate=rates, norm_first=st.booleans())
def test_encoder_gradients(norm, s, seed, rate, norm_first):
    """dx and every weight of every layer, and of the final norm if there is one."""
    x, weights, rng = draw(s, seed, norm)
    mask = mask_of_numbers(rng, s.L_q, s.L_q)
    config = Config(h=s.h, dropout=rate, norm_first=norm_first)
    assert_gradients(
        lambda x, w: encoder(x, w, config, mask, np.random.default_rng(seed)), encoder_backward, (x, weights), rng
    )


@given(sizes, seeds, rates)
def test_every_layer_gets_the_same_mask_and_one_generator(s, seed, rate):
    """In the order of the layers."""
    x, weights, rng = draw(s, seed, norm=False)
    mask = mask_of_numbers(rng, s.L_q, s.L_q)
    generator = np.random.default_rng(seed)
    expected = x
    for layer in weights.layers:
        expected, _ = encoder_layer(expected, layer, Config(h=s.h, dropout=rate), mask, generator)
    y, _ = encoder(x, weights, Config(h=s.h, dropout=rate), mask, np.random.default_rng(seed))
    assert_array_equal(y, expected)


@given(sizes, seeds)
def test_the_final_norm_has_the_other_norms_eps_by_default(s, seed):
    x, weights, _ = draw(s, seed)
    assert_array_equal(encoder(x, weights, Config(h=s.h))[0], encoder(x, weights, Config(h=s.h, final_eps=1e-5))[0])


@given(sizes, seeds)
def test_no_layers_change_nothing(s, seed):
    """A stack of none without a norm: y is x, and dx is dy."""
    x, weights, _ = draw(s, seed, norm=False, n_layers=0)
    y, cache = encoder(x, weights, Config(h=s.h))
    assert y is x
    assert encoder_backward(x, cache)[0] is x


@given(sizes, seeds)
def test_positions_break_the_symmetry(s, seed):
    """Without positional encoding the encoder is permutation-equivariant; with it, it is not."""
    x, weights, _ = draw(s, seed, n_layers=1)
    y, _ = encoder(x, weights, Config(h=s.h))
    assert_allclose(encoder(x[:, ::-1], weights, Config(h=s.h))[0], y[:, ::-1], rtol=1e-7, atol=1e-9)
    y, _ = encoder(add_positions(x)[0], weights, Config(h=s.h))
    assert not np.allclose(encoder(add_positions(x[:, ::-1])[0], weights, Config(h=s.h))[0], y[:, ::-1])


@given(sizes, seeds)
def test_a_causal_mask_holds_through_a_stack(s, seed):
    """No gradient reaches the future through any number of layers."""
    x, weights, rng = draw(s, seed, n_layers=3)
    i = int(rng.integers(s.L_q - 1))
    y, cache = encoder(x, weights, Config(h=s.h), causal_mask(s.L_q))
    dy = np.zeros_like(y)
    dy[:, : i + 1] = rng.standard_normal(dy[:, : i + 1].shape)
    dx, _ = encoder_backward(dy, cache)
    assert not dx[:, i + 1 :].any()
    assert dx[:, : i + 1].any()


def test_initial_weights():
    """As many layers as asked for, each with numbers of its own, no final norm; float32 unless asked otherwise."""
    rng = np.random.default_rng(0)
    weights = init_encoder(3, 6, 2, 10, rng)
    assert len(weights.layers) == 3
    assert weights.norm is None
    assert not np.array_equal(weights.layers[0].feed_forward.linear1.W, weights.layers[1].feed_forward.linear1.W)
    assert weights.layers[0].feed_forward.linear1.W.shape == (6, 10)
    assert_float32(weights)
    assert {w.dtype for w in leaves(init_encoder(2, 6, 2, 10, rng, np.float64))} == {np.dtype("float64")}


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6)).astype(np.float32)
    weights = init_encoder(2, 6, 3, 10, rng)._replace(norm=init_layer_norm(6))
    y, cache = encoder(x, weights, Config(h=3, dropout=0.3), causal_mask(3), rng=rng)
    assert_float32(y, cache.layers[0].self_attention, cache.layers[1].add_norm2, cache.norm, encoder_backward(y, cache))
