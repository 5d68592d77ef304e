"""The Transformer (2.2.2, 3.2): from a source to a target, in all its forms."""

import dataclasses
import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.dropout import Dropout
from minitransformer.layers.decoder import decoder
from minitransformer.layers.decoder_layer import Masks
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.encoder import encoder
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.transformer import (
    embed_tokens,
    embed_tokens_backward,
    init_transformer,
    transformer,
    transformer_backward,
)
from minitransformer.tree import leaves, named_leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

forms = st.tuples(st.booleans(), st.booleans(), st.booleans())  # norm_first, shared, tied


def draw(s, seed, form=(False, False, True)):
    """Source (B, L_k) of d_v tokens, target (B, L_q) of d_ff tokens (or of the same), two layers."""
    norm_first, shared, tied = form
    rng = np.random.default_rng(seed)
    V_s, V_t = s.d_v, None if shared else s.d_ff
    weights = loud(init_transformer(V_s, V_t, 2, s.d_model, s.h, s.d_ff, rng, tied, norm_first), rng)
    source = rng.integers(0, V_s, (s.B, s.L_k))
    target = rng.integers(0, V_t or V_s, (s.B, s.L_q))
    lengths = rng.integers(1, s.L_k + 1, s.B)
    return source, target, weights, Config(h=s.h, norm_first=norm_first), lengths, rng


@given(sizes, seeds)
def test_embed_tokens_is_the_equation(s, seed):
    """sqrt(d) E[w] + P: the factor stands before the positions are added."""
    rng = np.random.default_rng(seed)
    ids, E = rng.integers(0, s.d_v, (s.B, s.L_q)), rng.standard_normal((s.d_v, s.d_model))
    x, _ = embed_tokens(ids, Embedding(E))
    P = book.positional_encoding(s.L_q, s.d_model)
    assert_allclose(x, [[math.sqrt(s.d_model) * E[w] + P[i] for i, w in enumerate(row)] for row in ids], atol=1e-12)


@given(sizes, seeds, rates)
def test_embed_tokens_gradients(s, seed, rate):
    rng = np.random.default_rng(seed)
    ids, weights = rng.integers(0, s.d_v, (s.B, s.L_q)), Embedding(rng.standard_normal((s.d_v, s.d_model)))
    assert_gradients(
        lambda weights: embed_tokens(ids, weights, Dropout(rate, np.random.default_rng(seed))),
        embed_tokens_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds, forms)
def test_transformer_is_its_parts(s, seed, form):
    """Tokens and positions, encoder, decoder under a causal mask with what the encoder made as memory, scores."""
    source, target, weights, config, _, _ = draw(s, seed, form)
    logits, _ = transformer(source, target, weights, config)
    table = weights.source.E if weights.target is None else weights.target.E
    for b in range(s.B):
        x = math.sqrt(s.d_model) * weights.source.E[source[b]] + book.positional_encoding(s.L_k, s.d_model)
        z = math.sqrt(s.d_model) * table[target[b]] + book.positional_encoding(s.L_q, s.d_model)
        memory, _ = encoder(x, weights.encoder, config)
        past = np.array([[j <= i for j in range(s.L_q)] for i in range(s.L_q)])
        y, _ = decoder(z, memory, weights.decoder, config, Masks(target=past))
        W, bias = (table.T, 0) if weights.output is None else weights.output
        assert_allclose(logits[b], y @ W + bias, rtol=1e-9, atol=1e-10)


@given(sizes, seeds, forms, rates)
def test_transformer_gradients(s, seed, form, rate):
    """Every weight of every form; a table that is used three times gets the sum of three gradients."""
    source, target, weights, config, lengths, rng = draw(s, seed, form)
    config = dataclasses.replace(config, dropout=rate)
    assert_gradients(
        lambda w: transformer(source, target, w, config, lengths, np.random.default_rng(seed)),
        transformer_backward,
        (weights,),
        rng,
    )


@given(sizes, seeds)
def test_no_token_is_predicted_from_itself_or_the_future(s, seed):
    """logits_i, which predict token i + 1, do not change with the target's tokens after i, but with the source's."""
    source, target, weights, config, _, rng = draw(s, seed)
    i = int(rng.integers(s.L_q))
    changed = target.copy()
    changed[:, i + 1 :] = rng.integers(0, s.d_ff, changed[:, i + 1 :].shape)
    logits, _ = transformer(source, target, weights, config)
    assert_allclose(transformer(source, changed, weights, config)[0][:, : i + 1], logits[:, : i + 1], atol=1e-10)
    other = (source + 1) % s.d_v
    assert not np.allclose(transformer(other, target, weights, config)[0][:, 0], logits[:, 0])


@given(sizes, seeds, forms)
def test_padding_of_the_source_changes_nothing(s, seed, form):
    """Neither logits nor gradients, whatever tokens stand there, and as if they did not."""
    source, target, weights, config, lengths, rng = draw(s, seed, form)
    padded = np.arange(s.L_k) >= lengths[:, None]
    other = np.where(padded, rng.integers(0, s.d_v, source.shape), source)
    logits, cache = transformer(source, target, weights, config, lengths)
    again, cache_again = transformer(other, target, weights, config, lengths)
    assert_allclose(again, logits, rtol=1e-9, atol=1e-10)
    dlogits = rng.standard_normal(logits.shape)
    for ours, theirs in zip(
        leaves(transformer_backward(dlogits, cache)), leaves(transformer_backward(dlogits, cache_again)), strict=True
    ):
        assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)
    for b in range(s.B):
        alone, _ = transformer(source[b, : lengths[b]], target[b], weights, config)
        assert_allclose(alone, logits[b], rtol=1e-8, atol=1e-9)
        padded_alone, _ = transformer(source[b], target[b], weights, config, lengths[b, ...])
        assert_allclose(padded_alone, logits[b], rtol=1e-8, atol=1e-9)


@given(sizes, seeds)
def test_padding_at_the_end_of_a_target_changes_nothing_before_it(s, seed):
    """Which is why it needs no mask: the loss ignores what is predicted there."""
    source, target, weights, config, _, _ = draw(s, seed)
    logits, _ = transformer(source, target, weights, config)
    longer = np.concatenate([target, np.zeros((s.B, 3), int)], axis=1)
    assert_allclose(transformer(source, longer, weights, config)[0][:, : s.L_q], logits, rtol=1e-9, atol=1e-10)


def test_initial_weights():
    """Every form has the weights that it needs, and no other; tables of order 1/sqrt(d_model)."""
    rng = np.random.default_rng(0)
    weights = init_transformer(50, 60, 2, 64, 4, 32, rng)
    assert (weights.output, weights.encoder.norm, weights.decoder.norm) == (None, None, None)
    assert abs(weights.source.E.std() * 8 - 1) < 0.1
    assert len(weights.encoder.layers) == len(weights.decoder.layers) == 2
    assert_float32(weights)
    assert init_transformer(50, 60, 1, 64, 4, 32, rng, tied=False).output.W.shape == (64, 60)
    weights = init_transformer(50, None, 1, 64, 4, 32, rng, tied=False, final_norms=True)
    assert weights.target is None
    assert weights.output.W.shape == (64, 50)
    names = [name for name, _ in named_leaves(weights)]
    assert "encoder.norm.gamma" in names and "decoder.norm.beta" in names


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    weights = init_transformer(7, 8, 2, 6, 3, 10, rng)
    logits, cache = transformer(
        np.array([[1, 2, 3]]), np.array([[1, 2]]), weights, Config(h=3, dropout=0.2), np.array([2]), rng
    )
    assert_float32(logits, cache, transformer_backward(logits, cache))


def test_dropout_needs_a_generator():
    rng = np.random.default_rng(0)
    weights = init_transformer(7, 8, 1, 6, 3, 10, rng)
    source, target = np.array([1, 2, 3]), np.array([1, 2])
    logits, _ = transformer(source, target, weights, Config(h=3))
    assert_array_equal(transformer(source, target, weights, Config(h=3, dropout=0.5))[0], logits)
    dropped, cache = transformer(source, target, weights, Config(h=3, dropout=0.5), rng=rng)
    assert (dropped != logits).any()
    stacks = (layer.feed_forward for stack in (cache.encoder, cache.decoder) for layer in stack.layers)
    for part in (cache.source, cache.target, *stacks):  # tokens with their positions, and in every layer
        assert_array_equal(np.unique(part.m), [0, 2])


def test_bad_input_is_refused():
    """Ids outside the vocabulary, on either side; lengths beyond the source."""
    weights = init_transformer(7, 8, 1, 6, 3, 10, np.random.default_rng(0))
    good = np.array([[1, 2]])
    with refuses(ValueError, "source: got values from 1 to 7, expected 0 to 6"):
        transformer(np.array([[1, 7]]), good, weights, Config(h=3))
    with refuses(ValueError, "target: got values from 1 to 8, expected 0 to 7"):
        transformer(good, np.array([[1, 8]]), weights, Config(h=3))
    with refuses(ValueError, "lengths: got values from 3 to 3, expected 0 to 2"):
        transformer(good, good, weights, Config(h=3), np.array([3]))
    for outside in (np.array([1, 7]), np.array(1)):
        with pytest.raises(ValueError, match=r"^ids: "):
            embed_tokens(outside, weights.source)
