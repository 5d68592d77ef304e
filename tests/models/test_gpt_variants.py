"""GPT with positions that are told in its layers, and with heads that share keys and values (variants of 4.2, 4.3)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import Sizes, rates, seeds, sizes

from minitransformer.decoding.key_value_cache import decode_step, empty_cache
from minitransformer.equations.activations import GELU_TANH
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.multi_head import MultiHead, init_multi_head, multi_head
from minitransformer.models.bert import bert, init_bert
from minitransformer.models.gpt import gpt, gpt_backward, init_gpt
from minitransformer.models.transformer import init_transformer, transformer
from minitransformer.verify.cases.points import loud

POSITIONS = {"sinusoidal": {}, "rotary": {"rotary": True}, "alibi": {"alibi": True}}
with_every_position = pytest.mark.parametrize("positions", POSITIONS)


def draw(s, seed, positions, shared, norm_first=True, dropout=0.0):
    """Two heads to each head of keys and values, or one for all, or one each; V = d_v tokens."""
    rng = np.random.default_rng(seed)
    h, h_kv = 4, {"own": None, "in pairs": 2, "one": 1}[shared]
    weights = loud(init_gpt(s.d_v, 2, h * 2 * s.d_k, h, s.d_ff, rng, final_norm=norm_first, h_kv=h_kv), rng)
    config = Config(h=h, dropout=dropout, activation=GELU_TANH, norm_first=norm_first, **POSITIONS[positions])
    return rng.integers(0, s.d_v, (s.B, s.L_q)), weights, config, rng


shares = st.sampled_from(["own", "in pairs", "one"])


@with_every_position
@given(s=sizes, seed=seeds, rate=rates, shared=shares, norm_first=st.booleans())
def test_gradients(positions, s, seed, rate, shared, norm_first):
    """Every weight, through the turned queries and keys and through the keys and values that are shared."""
    ids, weights, config, rng = draw(s, seed, positions, shared, norm_first, rate)
    assert_gradients(lambda w: gpt(ids, w, config, np.random.default_rng(seed)), gpt_backward, (weights,), rng)


@with_every_position
@given(s=sizes, seed=seeds, shared=shares)
def test_decoding_in_pieces_equals_the_whole_at_once(positions, s, seed, shared):
    """Kept keys have been turned by their own positions; and of shared heads there are fewer to keep."""
    ids, weights, config, rng = draw(s, seed, positions, shared)
    whole, _ = gpt(ids, weights, config)
    past = empty_cache((s.B,), s.L_q, weights, config)
    assert past[0].K.shape[-3] == {"own": 4, "in pairs": 2, "one": 1}[shared]
    cut = int(rng.integers(1, s.L_q))
    first, past = decode_step(ids[:, :cut], past, weights, config)
    pieces = [first]
    for i in range(cut, s.L_q):
        logits, past = decode_step(ids[:, i : i + 1], past, weights, config)
        pieces.append(logits)
    assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-11, atol=1e-12 * np.abs(whole).max())


@pytest.mark.parametrize("positions", ["rotary", "alibi"])
@given(s=sizes, seed=seeds)
def test_a_text_means_the_same_wherever_it_stands(positions, s, seed):
    """Only distances count: behind a token that nobody sees, every attention says the same as without it."""
    rng = np.random.default_rng(seed)
    weights = loud(init_multi_head(s.h * 2 * s.d_k, s.h, rng), rng)
    x = rng.standard_normal((s.L_q, s.h * 2 * s.d_k))
    seen = np.zeros((s.L_q, s.L_q))
    later = np.pad(seen, (1, 0), constant_values=-np.inf)
    if positions == "alibi":
        distance = np.arange(s.L_q)[:, None] - np.arange(s.L_q)
        seen, later = -0.5 * np.abs(distance), np.pad(-0.5 * np.abs(distance), (1, 0), constant_values=-np.inf)
    turn = positions == "rotary"
    y, _ = multi_head(x, x, x, weights, s.h, seen, rotary=turn)
    moved = np.concatenate([rng.standard_normal((1, x.shape[-1])), x])
    y_later, _ = multi_head(moved, moved, moved, weights, s.h, later, rotary=turn)
    assert_allclose(y_later[1:], y, rtol=1e-9, atol=1e-11)


@with_every_position
@given(s=sizes, seed=seeds)
def test_a_token_means_something_else_elsewhere(positions, s, seed):
    """After another one, the same token gives other logits at another distance from it."""
    _, weights, config, _ = draw(s, seed, positions, "own")
    ids = np.zeros(s.L_q + 2, int)
    ids[0] = 1
    logits, _ = gpt(ids, weights, config)
    assert not np.allclose(logits[1], logits[2], rtol=1e-9, atol=1e-12)


@given(sizes, seeds)
def test_shared_heads_are_multi_head_attention_with_equal_heads(s, seed):
    """Repeat the columns of W^K and W^V for every query head: the same output (Ainslie et al. 2023)."""
    rng = np.random.default_rng(seed)
    d_model, h, h_kv = 4 * s.d_k, 4, 2
    weights = loud(init_multi_head(d_model, h, rng, h_kv=h_kv), rng)
    x = rng.standard_normal((s.B, s.L_q, d_model))

    def repeated(p):
        W = p.W.reshape(d_model, h_kv, 1, s.d_k).repeat(h // h_kv, axis=2).reshape(d_model, d_model)
        return p._replace(W=W, b=p.b.reshape(h_kv, 1, s.d_k).repeat(h // h_kv, axis=1).reshape(d_model))

    whole = MultiHead(weights.query, repeated(weights.key), repeated(weights.value), weights.output)
    assert weights.key.W.shape == (d_model, d_model // 2)
    assert_allclose(multi_head(x, x, x, weights, h)[0], multi_head(x, x, x, whole, h)[0], rtol=1e-10, atol=1e-12)


@with_every_position
def test_float32_stays_float32(positions):
    ids, _, config, rng = draw(Sizes(2, 3, 4, 5, 6, 7, 8), 0, positions, "in pairs")
    weights = init_gpt(8, 1, 8, 4, 6, rng, h_kv=2)
    logits, cache = gpt(ids, weights, config)
    assert_float32(logits, gpt_backward(logits, cache))


def test_bad_input_is_refused():
    """Heads that do not divide; keys that are no whole heads; an odd number of features to be turned in pairs."""
    rng = np.random.default_rng(0)
    x = np.ones((3, 6))
    with refuses(ValueError, "h_kv: got 2, expected a number that divides h = 3"):
        init_multi_head(6, 3, rng, h_kv=2)
    weights = init_multi_head(6, 3, rng)
    narrow = weights._replace(key=weights.key._replace(W=np.ones((6, 3)), b=np.ones(3)))
    with refuses(ValueError, "weights.key.W: got 3 columns, expected a multiple of 2, the width of a query head"):
        multi_head(x, x, x, narrow, 3)
    with pytest.raises(ValueError, match=r"^X: got shape \(2, 3, 3\)"):
        multi_head(x, x, x, init_multi_head(6, 2, rng), 2, rotary=True)
    with refuses(TypeError, "rotary: got 1, expected True or False"):
        Config(h=2, rotary=1)


def test_positions_are_told_in_one_way_alone():
    """Not by a rotation and by distances, nor beside learned ones; and nothing that a model does not read is taken."""
    rng = np.random.default_rng(0)
    with refuses(ValueError, "alibi: got True with rotary=True, expected one of the two"):
        Config(h=2, rotary=True, alibi=True)
    learned = init_gpt(5, 1, 8, 2, 6, rng, context=4)
    ids = np.array([[1, 2, 3]])
    for config in (Config(h=2, rotary=True), Config(h=2, alibi=True)):
        with refuses(
            ValueError, "weights.positions: got learned positions, expected None where rotary or ALiBi tells them"
        ):
            gpt(ids, learned, config)
    for call in (
        lambda: bert(ids, ids % 2, None, init_bert(5, 4, 1, 8, 2, 6, rng), Config(h=2, alibi=True)),
        lambda: transformer(ids, ids, init_transformer(5, 5, 1, 8, 2, 6, rng), Config(h=2, alibi=True)),
    ):
        with refuses(ValueError, "config.alibi: got True, expected False: only GPT reads it"):
            call()
