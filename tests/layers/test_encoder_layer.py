"""The encoder layer (3.1, section 5), in post-norm and pre-norm."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, rates, seeds, sizes

from minitransformer.equations.activations import GELU, RELU
from minitransformer.equations.attention import causal_mask, padding_mask
from minitransformer.equations.dropout import Dropout, dropout
from minitransformer.layers.encoder_layer import (
    Config,
    PostNormCache,
    PreNormCache,
    encoder_layer,
    encoder_layer_backward,
    init_encoder_layer,
    post_norm_encoder_layer,
    post_norm_encoder_layer_backward,
    pre_norm_encoder_layer,
    pre_norm_encoder_layer_backward,
)
from minitransformer.layers.feed_forward import feed_forward
from minitransformer.layers.layer_norm import layer_norm
from minitransformer.layers.multi_head import multi_head
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

FORMS = {
    "post_norm": (post_norm_encoder_layer, post_norm_encoder_layer_backward, book.post_norm_encoder_layer),
    "pre_norm": (pre_norm_encoder_layer, pre_norm_encoder_layer_backward, book.pre_norm_encoder_layer),
}
both_forms = pytest.mark.parametrize("form", FORMS)


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_encoder_layer(s.d_model, s.h, s.d_ff, rng), rng)
    return rng.standard_normal((s.B, s.L_q, s.d_model)), weights, rng


@both_forms
@given(s=sizes, seed=seeds)
def test_the_encoder_layer_is_the_equation(form, s, seed):
    """Both sublayers with residual and norm; ReLU or GELU; under a mask and a bias; any eps."""
    x, weights, rng = draw(s, seed)
    forward, _, by_the_book = FORMS[form]
    mask = mask_of_numbers(rng, s.L_q, s.L_q)
    for activation, f, eps in ((RELU, book.relu, 1e-5), (GELU, book.gelu, 0.1)):
        y, _ = forward(x[:2], weights, Config(h=s.h, activation=activation, eps=eps), mask)
        expected = [by_the_book(x_b, weights, s.h, mask, f, eps) for x_b in x[:2]]
        assert_allclose(y, expected, rtol=1e-8, atol=1e-10, strict=True)


@both_forms
@given(s=sizes, seed=seeds, rate=rates)
def test_encoder_layer_gradients(form, s, seed, rate):
    """dx and every weight; with mask and dropout, and without."""
    x, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    assert_gradients(lambda x, w: forward(x, w, Config(h=s.h)), backward, (x, weights), rng)
    mask = mask_of_numbers(rng, s.B, s.L_q, s.L_q)
    config = Config(h=s.h, dropout=rate, activation=GELU, eps=0.1)
    assert_gradients(lambda x, w: forward(x, w, config, mask, np.random.default_rng(seed)), backward, (x, weights), rng)


@given(sizes, seeds, rates)
def test_config_chooses_the_form_and_the_cache_its_backward(s, seed, rate):
    """`encoder_layer` is post-norm as the text has it, unless norm_first."""
    x, weights, rng = draw(s, seed)
    mask = mask_of_numbers(rng, s.L_q, s.L_q)
    for norm_first, form, kind in ((False, "post_norm", PostNormCache), (True, "pre_norm", PreNormCache)):
        config = Config(h=s.h, dropout=rate, norm_first=norm_first)
        forward, backward, _ = FORMS[form]
        y, cache = encoder_layer(x, weights, config, mask, np.random.default_rng(seed))
        expected, expected_cache = forward(x, weights, config, mask, np.random.default_rng(seed))
        assert isinstance(cache, kind)
        assert_array_equal(y, expected)
        assert_array_equal(encoder_layer_backward(y, cache)[0], backward(y, expected_cache)[0])
    assert isinstance(encoder_layer(x, weights, Config(h=s.h))[1], PostNormCache)


def test_defaults_are_those_of_the_text():
    """Post-norm, ReLU, no dropout; PyTorch's eps. One head is enough."""
    assert Config(h=1).h == 1
    assert Config(h=8) == Config(h=8, dropout=0.0, activation=RELU, norm_first=False, eps=1e-5)


@given(sizes, seeds, rates)
def test_dropout_sits_where_section_5_has_it(s, seed, rate):
    """On the attention weights, the sublayer's output, the hidden units, the second output: in this order, one rng.

    Rotary positions turn self-attention alone.
    """
    x, weights, _ = draw(s, seed)
    turn = s.d_k % 2 == 0  # else rotary positions find no pairs
    config = Config(h=s.h, dropout=rate, rotary=turn)
    rng = np.random.default_rng(seed)
    a, _ = multi_head(x, x, x, weights.self_attention, s.h, drop=Dropout(rate, rng), rotary=turn)
    u, _ = layer_norm(x + dropout(a, Dropout(rate, rng))[0], weights.norm1)
    f, _ = feed_forward(u, weights.feed_forward, drop=Dropout(rate, rng))
    y, _ = layer_norm(u + dropout(f, Dropout(rate, rng))[0], weights.norm2)
    assert_array_equal(post_norm_encoder_layer(x, weights, config, rng=np.random.default_rng(seed))[0], y)

    rng = np.random.default_rng(seed)
    n, _ = layer_norm(x, weights.norm1)
    a, _ = multi_head(n, n, n, weights.self_attention, s.h, drop=Dropout(rate, rng), rotary=turn)
    u = x + dropout(a, Dropout(rate, rng))[0]
    f, _ = feed_forward(layer_norm(u, weights.norm2)[0], weights.feed_forward, drop=Dropout(rate, rng))
    y = u + dropout(f, Dropout(rate, rng))[0]
    assert_array_equal(pre_norm_encoder_layer(x, weights, config, rng=np.random.default_rng(seed))[0], y)


@both_forms
@given(s=sizes, seed=seeds)
def test_without_a_generator_nothing_is_dropped(form, s, seed):
    """Evaluation, whatever the rate."""
    x, weights, _ = draw(s, seed)
    forward = FORMS[form][0]
    assert_array_equal(forward(x, weights, Config(h=s.h, dropout=0.5))[0], forward(x, weights, Config(h=s.h))[0])


@both_forms
@given(s=sizes, seed=seeds)
def test_a_causal_mask_lets_nothing_come_from_the_future(form, s, seed):
    """Neither a value forward nor a gradient backward."""
    x, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    i = int(rng.integers(s.L_q - 1))
    changed = x.copy()
    changed[:, i + 1 :] = rng.standard_normal(changed[:, i + 1 :].shape)
    mask = causal_mask(s.L_q)
    y, cache = forward(x, weights, Config(h=s.h), mask)
    assert_allclose(forward(changed, weights, Config(h=s.h), mask)[0][:, : i + 1], y[:, : i + 1], atol=1e-11)
    dy = np.zeros_like(y)
    dy[:, : i + 1] = rng.standard_normal(dy[:, : i + 1].shape)
    assert not backward(dy, cache)[0][:, i + 1 :].any()


@both_forms
@given(s=sizes, seed=seeds)
def test_padding_changes_nothing(form, s, seed):
    """Real positions come out the same whatever stands after them, and as in a shorter batch."""
    x, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    n = int(rng.integers(1, s.L_q))
    mask = padding_mask(np.full(s.B, n), s.L_q)
    y, _ = forward(x, weights, Config(h=s.h), mask)
    assert_allclose(y[:, :n], forward(x[:, :n], weights, Config(h=s.h))[0], rtol=1e-8, atol=1e-10)


@both_forms
@given(s=sizes, seed=seeds)
def test_a_sequence_without_real_positions_is_no_trouble(form, s, seed):
    """Length 0: every query is fully masked, and neither values nor gradients are NaN."""
    x, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    lengths = np.array([0] + [s.L_q] * (s.B - 1))
    y, cache = forward(x, weights, Config(h=s.h), padding_mask(lengths, s.L_q))
    dx, _ = backward(rng.standard_normal(y.shape), cache)
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@both_forms
@given(s=sizes, seed=seeds)
def test_without_positions_order_is_of_no_matter(form, s, seed):
    """Permuting the input permutes the output: the layer itself knows no positions."""
    x, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    order = rng.permutation(s.L_q)
    y, _ = forward(x, weights, Config(h=s.h))
    assert_allclose(forward(x[:, order], weights, Config(h=s.h))[0], y[:, order], rtol=1e-8, atol=1e-10)


@both_forms
@given(s=sizes, seed=seeds)
def test_a_batch_is_its_members_one_by_one(form, s, seed):
    """For any number of batch axes, also none."""
    x, weights, _ = draw(s, seed)
    forward = FORMS[form][0]
    y, _ = forward(x, weights, Config(h=s.h))
    assert_allclose(y, [forward(x_b, weights, Config(h=s.h))[0] for x_b in x], rtol=1e-8, atol=1e-10)
    assert_allclose(y[None], forward(x[None], weights, Config(h=s.h))[0], rtol=1e-8, atol=1e-10)


@both_forms
def test_one_layer_may_be_called_twice(form):
    """State is passed, never kept: a backward through each of two calls, in any order."""
    rng = np.random.default_rng(0)
    weights = loud(init_encoder_layer(4, 2, 5, rng), rng)
    x1, x2, dy = rng.standard_normal((3, 2, 3, 4))
    forward, backward, _ = FORMS[form]
    _, cache1 = forward(x1, weights, Config(h=2))
    alone = backward(dy, cache1)[0]
    _, cache2 = forward(x2, weights, Config(h=2))
    backward(dy, cache2)
    assert_array_equal(backward(dy, cache1)[0], alone)


def test_initial_weights():
    """Each part in its shape; float32 unless asked otherwise."""
    rng = np.random.default_rng(0)
    weights = init_encoder_layer(6, 3, 10, rng)
    assert weights.self_attention.query.W.shape == (6, 6)
    assert weights.feed_forward.linear1.W.shape == (6, 10)
    assert weights.norm1.gamma.shape == weights.norm2.gamma.shape == (6,)
    assert_float32(weights)
    assert_float32(encoder_layer(np.ones((2, 6), np.float32), weights, Config(h=3))[0])
    y, _ = encoder_layer(np.ones((2, 6)), init_encoder_layer(6, 3, 10, rng, np.float64), Config(h=3))
    assert y.dtype == np.float64
    dtypes = {w.dtype for w in init_encoder_layer(6, 3, 10, rng, np.float64).norm1}
    assert dtypes == {w.dtype for w in init_encoder_layer(6, 3, 10, rng, np.float64).norm2} == {np.dtype("float64")}
    with refuses(ValueError, "h: got 4 heads, expected a number that divides the 6 features of d_model"):
        init_encoder_layer(6, 4, 10, rng)


@both_forms
def test_float32_stays_float32(form):
    """With mask and dropout, in every cached array and gradient."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6)).astype(np.float32)
    forward, backward, _ = FORMS[form]
    weights = init_encoder_layer(6, 3, 10, rng)
    for activation in (RELU, GELU):
        y, cache = forward(x, weights, Config(h=3, dropout=0.3, activation=activation), causal_mask(3), rng)
        without_functions = cache._replace(feed_forward=cache.feed_forward._replace(activation=None))
        assert_float32(y, without_functions, backward(y, cache))


@both_forms
def test_bad_input_is_refused(form):
    forward = FORMS[form][0]
    weights = init_encoder_layer(6, 3, 10, np.random.default_rng(0))
    with refuses(ValueError, "x: got shape (2, 3, 4), expected (..., L, d_model) with d_model = 6"):
        forward(np.ones((2, 3, 4)), weights, Config(h=3))
    with refuses(ValueError, "h: got 4 heads, expected a number that divides the 6 features of weights.query.W"):
        forward(np.ones((2, 3, 6)), weights, Config(h=4))
    with refuses(ValueError, "mask: got shape (4, 4), which does not broadcast to the scores' shape (2, 3, 3, 3)"):
        forward(np.ones((2, 3, 6)), weights, Config(h=3), causal_mask(4))
