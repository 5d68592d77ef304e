"""The decoder layer (3.2), in post-norm and pre-norm."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.activations import GELU, RELU
from minitransformer.equations.attention import causal_mask, padding_mask
from minitransformer.equations.dropout import Dropout, dropout
from minitransformer.layers.decoder_layer import (
    NO_MASKS,
    Masks,
    PostNormDecoderCache,
    PreNormDecoderCache,
    decoder_layer,
    decoder_layer_backward,
    init_decoder_layer,
    post_norm_decoder_layer,
    post_norm_decoder_layer_backward,
    pre_norm_decoder_layer,
    pre_norm_decoder_layer_backward,
)
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.feed_forward import feed_forward
from minitransformer.layers.layer_norm import LayerNorm, layer_norm
from minitransformer.layers.linear import Linear, linear
from minitransformer.layers.multi_head import multi_head
from minitransformer.tree import leaves, tree_map
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

FORMS = {
    "post_norm": (post_norm_decoder_layer, post_norm_decoder_layer_backward, book.post_norm_decoder_layer),
    "pre_norm": (pre_norm_decoder_layer, pre_norm_decoder_layer_backward, book.pre_norm_decoder_layer),
}
both_forms = pytest.mark.parametrize("form", FORMS)


def draw(s, seed):
    """L_q tokens written so far, a memory of L_k tokens."""
    rng = np.random.default_rng(seed)
    weights = loud(init_decoder_layer(s.d_model, s.h, s.d_ff, rng), rng)
    x, memory = rng.standard_normal((s.B, s.L_q, s.d_model)), rng.standard_normal((s.B, s.L_k, s.d_model))
    return x, memory, weights, rng


def random_masks(rng, s, *batch):
    """A boolean one for the target and numbers for the memory; the first target position is fully masked."""
    return Masks(random_mask(rng, *batch, s.L_q, s.L_q), mask_of_numbers(rng, *batch, s.L_q, s.L_k))


@both_forms
@given(s=sizes, seed=seeds)
def test_the_decoder_layer_is_the_equation(form, s, seed):
    """Three sublayers with residual and norm; ReLU or GELU; under masks and biases of both attentions; any eps."""
    x, memory, weights, rng = draw(s, seed)
    forward, _, by_the_book = FORMS[form]
    masks = random_masks(rng, s)
    for activation, f, eps in ((RELU, book.relu, 1e-5), (GELU, book.gelu, 0.1)):
        y, _ = forward(x[0], memory[0], weights, Config(h=s.h, activation=activation, eps=eps), masks)
        expected = by_the_book(x[0], memory[0], weights, s.h, masks, f, eps)
        assert_allclose(y, expected, rtol=1e-8, atol=1e-10, strict=True)
    y, _ = forward(x[1], memory[1], weights, Config(h=s.h))
    assert_allclose(y, by_the_book(x[1], memory[1], weights, s.h), rtol=1e-8, atol=1e-10, strict=True)


@both_forms
@given(s=sizes, seed=seeds, rate=rates)
def test_decoder_layer_gradients(form, s, seed, rate):
    """dx, dmemory and every weight; with masks, biases and dropout, and without."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    inputs = (x, memory, weights)
    assert_gradients(lambda x, m, w: forward(x, m, w, Config(h=s.h)), backward, inputs, rng)
    masks = random_masks(rng, s, s.B)
    config = Config(h=s.h, dropout=rate, activation=GELU, eps=0.1)
    assert_gradients(
        lambda x, m, w: forward(x, m, w, config, masks, np.random.default_rng(seed)), backward, inputs, rng
    )


@given(sizes, seeds, rates)
def test_config_chooses_the_form_and_the_cache_its_backward(s, seed, rate):
    """`decoder_layer` is post-norm as the text has it, unless norm_first."""
    x, memory, weights, rng = draw(s, seed)
    masks = random_masks(rng, s)
    for norm_first, form, kind in ((False, "post_norm", PostNormDecoderCache), (True, "pre_norm", PreNormDecoderCache)):
        config = Config(h=s.h, dropout=rate, norm_first=norm_first)
        forward, backward, _ = FORMS[form]
        y, cache = decoder_layer(x, memory, weights, config, masks, np.random.default_rng(seed))
        expected, expected_cache = forward(x, memory, weights, config, masks, np.random.default_rng(seed))
        assert isinstance(cache, kind)
        assert_array_equal(y, expected)
        for given_, wanted in zip(
            leaves(decoder_layer_backward(y, cache)), leaves(backward(y, expected_cache)), strict=True
        ):
            assert_array_equal(given_, wanted)
    assert isinstance(decoder_layer(x, memory, weights, Config(h=s.h))[1], PostNormDecoderCache)


def test_without_masks_everyone_may_attend_to_everyone():
    assert NO_MASKS == (None, None)


# --- who reads what


@both_forms
@given(s=sizes, seed=seeds)
def test_queries_come_from_the_decoder_and_keys_and_values_from_the_memory(form, s, seed):
    """Not the other way round: without a query map, the memory's values are averaged; without a value map, nobody reads
    it; and the result has the target's length, not the memory's."""
    x, memory, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    cross, other = weights.cross_attention, rng.standard_normal(memory.shape)
    assert forward(x, memory, weights, Config(h=s.h))[0].shape == x.shape

    no_query = weights._replace(cross_attention=cross._replace(query=tree_map(np.zeros_like, cross.query)))
    mean = np.broadcast_to(memory.mean(axis=1, keepdims=True), memory.shape)
    y, _ = forward(x, memory, no_query, Config(h=s.h))
    assert_allclose(forward(x, mean, no_query, Config(h=s.h))[0], y, rtol=1e-8, atol=1e-10)

    no_value = weights._replace(cross_attention=cross._replace(value=tree_map(np.zeros_like, cross.value)))
    y, _ = forward(x, memory, no_value, Config(h=s.h))
    assert_allclose(forward(x, other, no_value, Config(h=s.h))[0], y, rtol=1e-8, atol=1e-10)


@both_forms
@given(s=sizes, seed=seeds)
def test_the_only_token_of_a_memory_is_what_everyone_reads(form, s, seed):
    """Softmax over one key is 1, whatever is asked: each position gets this token's value, and query, key and their
    gradients are of no matter."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    cross = weights.cross_attention
    y, cache = forward(x, memory[:, :1], weights, Config(h=s.h))
    value, _ = linear(linear(memory[:, :1], cross.value)[0], cross.output)
    everywhere = Linear(np.zeros_like(cross.output.W), value[0, 0])
    constant = weights._replace(cross_attention=cross._replace(output=everywhere))
    assert_allclose(forward(x[0], memory[0], constant, Config(h=s.h))[0], y[0], rtol=1e-8, atol=1e-10)
    dcross = backward(rng.standard_normal(y.shape), cache)[2].cross_attention
    assert all(not gradient.any() for gradient in (*dcross.query, *dcross.key))
    assert dcross.value.W.any()


@both_forms
@given(s=sizes, seed=seeds)
def test_the_layer_itself_does_not_normalize_the_memory(form, s, seed):
    """Pre-norm does not either: twice the memory is twice the maps of its keys and values. LayerNorm would undo it."""
    x, memory, weights, _ = draw(s, seed)
    forward = FORMS[form][0]
    cross = weights.cross_attention
    doubled = cross._replace(key=cross.key._replace(W=2 * cross.key.W), value=cross.value._replace(W=2 * cross.value.W))
    y, _ = forward(x, 2 * memory, weights, Config(h=s.h))
    expected, _ = forward(x, memory, weights._replace(cross_attention=doubled), Config(h=s.h))
    assert_allclose(y, expected, rtol=1e-8, atol=1e-10)
    assert not np.allclose(forward(x, memory, weights, Config(h=s.h))[0], y)


@given(sizes, seeds)
def test_the_query_of_pre_norm_is_normalized(s, seed):
    """Unlike the memory: without self-attention, x reaches the scores through its norm alone, so twice x asks the same
    (up to eps)."""
    x, memory, weights, _ = draw(s, seed)
    silent = tree_map(np.zeros_like, weights.self_attention)
    for scale in (1.0, 2.0):
        _, cache = pre_norm_decoder_layer(
            scale * x, memory, weights._replace(self_attention=silent), Config(h=s.h, eps=1e-30)
        )
        expected, _ = layer_norm(x, weights.norm2, 1e-30)
        assert_allclose(cache.cross_attention.query.x, expected, rtol=1e-8, atol=1e-10)


@given(sizes, seeds)
def test_the_residual_carries_the_decoders_own_x(s, seed):
    """Not the memory: where no sublayer says anything, a pre-norm layer gives x back, and a post-norm one x with
    three norms."""
    x, memory, weights, _ = draw(s, seed)

    def silent(part):
        return tree_map(np.zeros_like, part)

    mute = weights._replace(
        self_attention=silent(weights.self_attention),
        cross_attention=silent(weights.cross_attention),
        feed_forward=silent(weights.feed_forward),
    )
    assert_array_equal(pre_norm_decoder_layer(x, memory, mute, Config(h=s.h))[0], x)
    expected = x
    for norm in (weights.norm1, weights.norm2, weights.norm3):
        expected, _ = layer_norm(expected, norm)
    assert_allclose(post_norm_decoder_layer(x, memory, mute, Config(h=s.h))[0], expected, rtol=1e-12, atol=1e-12)


@given(sizes, seeds)
def test_the_norm_of_post_norm_comes_after_the_sum(s, seed):
    """So the last thing that happens is a norm: with gain 1 and shift 0 each row has mean 0 and variance 1. A row of
    pre-norm has neither."""
    x, memory, weights, _ = draw(s, seed)
    plain = weights._replace(norm3=LayerNorm(np.ones(s.d_model), np.zeros(s.d_model)))
    y, _ = post_norm_decoder_layer(x, memory, plain, Config(h=s.h, eps=1e-30))
    assert_allclose(y.mean(axis=-1), 0, atol=1e-10)
    assert_allclose(y.var(axis=-1), 1, rtol=1e-10)
    y, _ = pre_norm_decoder_layer(x, memory, plain, Config(h=s.h, eps=1e-30))
    assert not np.allclose(y.var(axis=-1), 1)


@given(sizes, seeds, rates)
def test_dropout_sits_where_section_5_has_it(s, seed, rate):
    """On each attention's weights, each sublayer's output and the hidden units: from the first sublayer to the last,
    one rng.

    Rotary positions turn self-attention alone.
    """
    x, memory, weights, _ = draw(s, seed)
    turn = s.d_k % 2 == 0  # else rotary positions find no pairs
    config = Config(h=s.h, dropout=rate, rotary=turn)
    rng = np.random.default_rng(seed)
    a, _ = multi_head(x, x, x, weights.self_attention, s.h, drop=Dropout(rate, rng), rotary=turn)
    u, _ = layer_norm(x + dropout(a, Dropout(rate, rng))[0], weights.norm1)
    c, _ = multi_head(u, memory, memory, weights.cross_attention, s.h, drop=Dropout(rate, rng))
    v, _ = layer_norm(u + dropout(c, Dropout(rate, rng))[0], weights.norm2)
    f, _ = feed_forward(v, weights.feed_forward, drop=Dropout(rate, rng))
    y, _ = layer_norm(v + dropout(f, Dropout(rate, rng))[0], weights.norm3)
    assert_array_equal(post_norm_decoder_layer(x, memory, weights, config, rng=np.random.default_rng(seed))[0], y)

    rng = np.random.default_rng(seed)
    n, _ = layer_norm(x, weights.norm1)
    a, _ = multi_head(n, n, n, weights.self_attention, s.h, drop=Dropout(rate, rng), rotary=turn)
    u = x + dropout(a, Dropout(rate, rng))[0]
    q, _ = layer_norm(u, weights.norm2)
    c, _ = multi_head(q, memory, memory, weights.cross_attention, s.h, drop=Dropout(rate, rng))
    v = u + dropout(c, Dropout(rate, rng))[0]
    f, _ = feed_forward(layer_norm(v, weights.norm3)[0], weights.feed_forward, drop=Dropout(rate, rng))
    y = v + dropout(f, Dropout(rate, rng))[0]
    assert_array_equal(pre_norm_decoder_layer(x, memory, weights, config, rng=np.random.default_rng(seed))[0], y)


@both_forms
@given(s=sizes, seed=seeds)
def test_without_a_generator_nothing_is_dropped(form, s, seed):
    """Evaluation, whatever the rate."""
    x, memory, weights, _ = draw(s, seed)
    forward = FORMS[form][0]
    y, _ = forward(x, memory, weights, Config(h=s.h))
    assert_array_equal(forward(x, memory, weights, Config(h=s.h, dropout=0.5))[0], y)


# --- masks


@both_forms
@given(s=sizes, seed=seeds)
def test_a_causal_mask_lets_nothing_come_from_the_future(form, s, seed):
    """Neither a value forward nor a gradient backward, from a later position of the target to an earlier one."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    i = int(rng.integers(s.L_q - 1))
    changed = x.copy()
    changed[:, i + 1 :] = rng.standard_normal(changed[:, i + 1 :].shape)
    masks = Masks(causal_mask(s.L_q))
    y, cache = forward(x, memory, weights, Config(h=s.h), masks)
    y_changed, _ = forward(changed, memory, weights, Config(h=s.h), masks)
    assert_allclose(y_changed[:, : i + 1], y[:, : i + 1], atol=1e-11)
    assert not np.allclose(y_changed[:, i + 1 :], y[:, i + 1 :])
    dy = np.zeros_like(y)
    dy[:, : i + 1] = rng.standard_normal(dy[:, : i + 1].shape)
    assert not backward(dy, cache)[0][:, i + 1 :].any()


@both_forms
@given(s=sizes, seed=seeds)
def test_without_the_causal_mask_the_first_token_sees_the_last(form, s, seed):
    """The layer does not hide the future by itself: the caller's mask does."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    y, cache = forward(x, memory, weights, Config(h=s.h))
    dy = np.zeros_like(y)
    dy[:, 0] = rng.standard_normal(dy[:, 0].shape)
    assert backward(dy, cache)[0][:, -1].any()


@both_forms
@given(s=sizes, seed=seeds)
def test_the_causal_mask_is_not_for_the_memory(form, s, seed):
    """The first token of the target reads the whole source, up to its last token."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    y, cache = forward(x, memory, weights, Config(h=s.h), Masks(causal_mask(s.L_q)))
    dy = np.zeros_like(y)
    dy[:, 0] = rng.standard_normal(dy[:, 0].shape)
    dmemory = backward(dy, cache)[1]
    assert dmemory.any(axis=-1).all()


@both_forms
@given(s=sizes, seed=seeds)
def test_padding_of_the_memory_changes_nothing(form, s, seed):
    """Values, dx and every weight's gradient are those of the memory without it; its own gradient is 0."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    n = int(rng.integers(1, s.L_k))
    masks = Masks(causal_mask(s.L_q), padding_mask(np.full(s.B, n), s.L_k))
    y, cache = forward(x, memory, weights, Config(h=s.h), masks)
    short, short_cache = forward(x, memory[:, :n], weights, Config(h=s.h), Masks(causal_mask(s.L_q)))
    assert_allclose(y, short, rtol=1e-8, atol=1e-10)
    dy = rng.standard_normal(y.shape)
    dx, dmemory, dweights = backward(dy, cache)
    short_dx, short_dmemory, short_dweights = backward(dy, short_cache)
    assert not dmemory[:, n:].any()
    assert_same(dmemory[:, :n], short_dmemory)
    assert_same(dx, short_dx)
    assert_same(dweights, short_dweights)


def assert_same(tree, expected):
    """All arrays agree, relative to the largest number of each."""
    for array, wanted in zip(leaves(tree), leaves(expected), strict=True):
        assert_allclose(array, wanted, rtol=1e-7, atol=1e-9 * (1 + np.abs(wanted).max()))


@both_forms
@given(s=sizes, seed=seeds)
def test_padding_of_the_target_needs_no_mask_of_its_own(form, s, seed):
    """It stands at the end, where the causal mask hides it: real positions come out as in a shorter batch."""
    x, memory, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    n = int(rng.integers(1, s.L_q))
    y, _ = forward(x, memory, weights, Config(h=s.h), Masks(causal_mask(s.L_q)))
    short, _ = forward(x[:, :n], memory, weights, Config(h=s.h), Masks(causal_mask(n)))
    assert_allclose(y[:, :n], short, rtol=1e-8, atol=1e-10)


@both_forms
@given(s=sizes, seed=seeds)
def test_a_memory_without_real_tokens_is_no_trouble(form, s, seed):
    """Length 0: the layer does with what is written alone, nothing is NaN, and that memory gets no gradient."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    lengths = np.array([0] + [s.L_k] * (s.B - 1))
    y, cache = forward(x, memory, weights, Config(h=s.h), Masks(memory=padding_mask(lengths, s.L_k)))
    cross = weights.cross_attention
    nothing = cross._replace(output=cross.output._replace(W=np.zeros_like(cross.output.W)))
    expected, _ = forward(x[0], memory[0], weights._replace(cross_attention=nothing), Config(h=s.h))
    assert_allclose(y[0], expected, rtol=1e-8, atol=1e-10)
    gradients = backward(rng.standard_normal(y.shape), cache)
    assert all(np.isfinite(array).all() for array in (y, *leaves(gradients)))
    assert not gradients[1][0].any()
    assert gradients[1][1:].any()


# --- order


@both_forms
@given(s=sizes, seed=seeds)
def test_the_memorys_order_is_of_no_matter(form, s, seed):
    """The decoder has no positions of its own for it: permuted with its mask, it says the same; dmemory permutes."""
    x, memory, weights, rng = draw(s, seed)
    forward, backward, _ = FORMS[form]
    order = rng.permutation(s.L_k)
    masks = random_masks(rng, s)
    permuted = masks._replace(memory=masks.memory[:, order])
    y, cache = forward(x, memory, weights, Config(h=s.h), masks)
    y_permuted, cache_permuted = forward(x, memory[:, order], weights, Config(h=s.h), permuted)
    assert_allclose(y_permuted, y, rtol=1e-8, atol=1e-10)
    dy = rng.standard_normal(y.shape)
    dx, dmemory, dweights = backward(dy, cache)
    assert_same(backward(dy, cache_permuted), (dx, dmemory[:, order], dweights))


@both_forms
@given(s=sizes, seed=seeds)
def test_without_the_causal_mask_the_targets_order_is_of_no_matter(form, s, seed):
    """Permuting x permutes y: the layer itself knows no positions. Under the mask it is not so."""
    x, memory, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    order = rng.permutation(s.L_q)
    y, _ = forward(x, memory, weights, Config(h=s.h))
    assert_allclose(forward(x[:, order], memory, weights, Config(h=s.h))[0], y[:, order], rtol=1e-8, atol=1e-10)
    masks = Masks(causal_mask(s.L_q))
    y, _ = forward(x, memory, weights, Config(h=s.h), masks)
    assert not np.allclose(forward(x[:, ::-1], memory, weights, Config(h=s.h), masks)[0], y[:, ::-1])


@both_forms
@given(s=sizes, seed=seeds)
def test_a_batch_is_its_members_one_by_one(form, s, seed):
    """Each with its own memory and masks; for any number of batch axes, also none."""
    x, memory, weights, rng = draw(s, seed)
    forward = FORMS[form][0]
    masks = random_masks(rng, s, s.B)
    y, _ = forward(x, memory, weights, Config(h=s.h), masks)
    members = [forward(x[b], memory[b], weights, Config(h=s.h), Masks(*(m[b] for m in masks)))[0] for b in range(s.B)]
    assert_allclose(y, members, rtol=1e-8, atol=1e-10)
    inside = Masks(*(m[None] for m in masks))
    with_axis, _ = forward(x[None], memory[None], weights, Config(h=s.h), inside)
    assert_allclose(y[None], with_axis, rtol=1e-8, atol=1e-10)


@both_forms
def test_one_layer_may_be_called_twice(form):
    """State is passed, never kept: a backward through each of two calls, in any order."""
    rng = np.random.default_rng(0)
    weights = loud(init_decoder_layer(4, 2, 5, rng), rng)
    x1, x2, dy = rng.standard_normal((3, 2, 3, 4))
    memory1, memory2 = rng.standard_normal((2, 2, 6, 4))
    forward, backward, _ = FORMS[form]
    _, cache1 = forward(x1, memory1, weights, Config(h=2))
    alone = backward(dy, cache1)[:2]
    _, cache2 = forward(x2, memory2, weights, Config(h=2))
    backward(dy, cache2)
    for again, before in zip(backward(dy, cache1)[:2], alone, strict=True):
        assert_array_equal(again, before)


# --- types and refusals


def test_initial_weights():
    """Each part in its shape and with numbers of its own; float32 unless asked otherwise."""
    rng = np.random.default_rng(0)
    weights = init_decoder_layer(6, 3, 10, rng)
    assert weights.self_attention.query.W.shape == weights.cross_attention.query.W.shape == (6, 6)
    assert not np.array_equal(weights.self_attention.query.W, weights.cross_attention.query.W)
    assert weights.feed_forward.linear1.W.shape == (6, 10)
    assert weights.norm1.gamma.shape == weights.norm2.gamma.shape == weights.norm3.gamma.shape == (6,)
    assert_float32(weights)
    x, memory = np.ones((2, 6), np.float32), np.ones((4, 6), np.float32)
    assert_float32(decoder_layer(x, memory, weights, Config(h=3))[0])
    assert {w.dtype for w in leaves(init_decoder_layer(6, 3, 10, rng, np.float64))} == {np.dtype("float64")}
    with refuses(ValueError, "h: got 4 heads, expected a number that divides the 6 features of d_model"):
        init_decoder_layer(6, 4, 10, rng)


@both_forms
def test_float32_stays_float32(form):
    """With masks, biases and dropout, in every cached array and gradient."""
    rng = np.random.default_rng(0)
    x, memory = (rng.standard_normal((2, L, 6)).astype(np.float32) for L in (3, 4))
    masks = Masks(causal_mask(3), np.ones((3, 4), np.float32))
    forward, backward, _ = FORMS[form]
    weights = init_decoder_layer(6, 3, 10, rng)
    for activation in (RELU, GELU):
        y, cache = forward(x, memory, weights, Config(h=3, dropout=0.3, activation=activation), masks, rng)
        without_functions = cache._replace(feed_forward=cache.feed_forward._replace(activation=None))
        assert_float32(y, without_functions, backward(y, cache))


@both_forms
def test_bad_input_is_refused(form):
    """Target, memory, heads, and the masks of both attentions."""
    forward = FORMS[form][0]
    weights = init_decoder_layer(6, 3, 10, np.random.default_rng(0))
    x, memory = np.ones((2, 4, 6)), np.ones((2, 5, 6))
    with refuses(ValueError, "x: got shape (2, 4, 3), expected (..., L_t, d_model) with d_model = 6"):
        forward(x[..., :3], memory, weights, Config(h=3))
    with refuses(ValueError, "memory: got shape (2, 5, 3), expected (..., L_s, d_memory) with d_memory = 6"):
        forward(x, memory[..., :3], weights, Config(h=3))
    with refuses(TypeError, "memory: got NoneType, expected a NumPy array of floating-point numbers"):
        forward(x, None, weights, Config(h=3))
    with refuses(TypeError, "memory: got dtype int64, expected floating-point numbers such as float32"):
        forward(x, memory.astype(np.int64), weights, Config(h=3))
    with refuses(ValueError, "memory: got shape (1, 5, 6), expected the batch axes (2,) before (L_s, d_memory)"):
        forward(x, memory[:1], weights, Config(h=3))
    with refuses(ValueError, "h: got 4 heads, expected a number that divides the 6 features of weights.query.W"):
        forward(x, memory, weights, Config(h=4))
    with refuses(ValueError, "mask: got shape (5, 5), which does not broadcast to the scores' shape (2, 3, 4, 4)"):
        forward(x, memory, weights, Config(h=3), Masks(causal_mask(5)))
    with refuses(ValueError, "mask: got shape (4, 4), which does not broadcast to the scores' shape (2, 3, 4, 5)"):
        forward(x, memory, weights, Config(h=3), Masks(memory=causal_mask(4)))
    with refuses(ValueError, "mask: got shape (4, 5), which does not broadcast to the scores' shape (2, 3, 4, 4)"):
        forward(x, memory, weights, Config(h=3), Masks(np.ones((4, 5))))
    with refuses(ValueError, "mask: got shape (4, 4), which does not broadcast to the scores' shape (2, 3, 4, 5)"):
        forward(x, memory, weights, Config(h=3), Masks(memory=np.ones((4, 4))))
