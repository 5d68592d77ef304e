"""Multi-head attention (4.2), the text's two-head example among its theorems."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.attention import attention, causal_mask, merge_heads, padding_mask, split_heads
from minitransformer.equations.dropout import Dropout, dropout_mask
from minitransformer.equations.rotary import rotary
from minitransformer.layers.linear import Linear, linear
from minitransformer.layers.multi_head import MultiHead, init_multi_head, multi_head, multi_head_backward
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """Cross-attention: x_q of width d_ff, x_k of width d_k, x_v of width B, out of width d_model; loud weights."""
    rng = np.random.default_rng(seed)
    shapes = (s.d_ff, s.h * s.d_k), (s.d_k, s.h * s.d_k), (s.B, s.h * s.d_v), (s.h * s.d_v, s.d_model)
    weights = MultiHead(*(Linear(rng.standard_normal(n) / 2, rng.standard_normal(n[1]) / 2) for n in shapes))
    inputs = (s.B, s.L_q, s.d_ff), (s.B, s.L_k, s.d_k), (s.B, s.L_k, s.B)
    return *map(rng.standard_normal, inputs), weights, rng


@given(sizes, seeds)
def test_multi_head_is_the_equation(s, seed):
    """Concat(head_1, ..., head_h) W^O with inputs of three widths, d_k and d_v free, under a mask of numbers."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    mask = mask_of_numbers(rng, s.B, s.L_q, s.L_k)
    y, _ = multi_head(x_q, x_k, x_v, weights, s.h, mask)
    expected = [book.multi_head(x_q[b], x_k[b], x_v[b], weights, s.h, mask[b]) for b in range(s.B)]
    assert_allclose(y, expected, rtol=1e-9, atol=1e-11, strict=True)


@given(sizes, seeds, rates)
def test_multi_head_gradients(s, seed, rate):
    """dx_q, dx_k, dx_v and every weight; with mask and dropout, and without."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    inputs = (x_q, x_k, x_v, weights)
    mask = mask_of_numbers(rng, s.L_q, s.L_k)
    assert_gradients(lambda *inputs: multi_head(*inputs, s.h), multi_head_backward, inputs, rng)
    assert_gradients(
        lambda *inputs: multi_head(*inputs, s.h, mask, Dropout(rate, np.random.default_rng(seed))),
        multi_head_backward,
        inputs,
        rng,
    )


def two_heads_of_the_text():
    """W_1 = [1 0 0 0; 0 1 0 0] and W_2 = [0 0 1 0; 0 0 0 1] as the text prints them; x W_i there means x @ W_i.T."""
    W_1, W_2 = np.eye(4)[:2], np.eye(4)[2:]
    identity_projections = Linear(np.concatenate([W_1.T, W_2.T], axis=1), np.zeros(4))
    return MultiHead(*[identity_projections] * 3, Linear(np.eye(4), np.zeros(4)))


@given(st.lists(numbers, min_size=4, max_size=4))
@example([1.0, 2.0, 3.0, 4.0])
def test_the_two_head_example_of_the_text(x):
    """One token: each head's softmax over a single key is 1, so Concat gives x back."""
    y, cache = multi_head(np.array([x]), np.array([x]), np.array([x]), two_heads_of_the_text(), 2)
    assert_allclose(cache.attention.attend.V[0], [x[:2]])
    assert_allclose(cache.attention.attend.V[1], [x[2:]])
    assert_array_equal(cache.attention.attend.alpha, [[[1.0]], [[1.0]]])
    assert_allclose(y, [x])


@given(sizes, seeds)
def test_two_identity_heads_are_attention_in_each_half_of_the_features(s, seed):
    """Several tokens: head 1 mixes positions by the first two features, head 2 by the last two."""
    x = np.random.default_rng(seed).standard_normal((s.L_q, 4))
    y, _ = multi_head(x, x, x, two_heads_of_the_text(), 2)
    halves = [attention(half, half, half)[0] for half in (x[:, :2], x[:, 2:])]
    assert_allclose(y, np.concatenate(halves, axis=1), rtol=1e-12, atol=1e-13)


@given(sizes, seeds)
def test_scaled_by_sqrt_of_d_k_not_of_d_model(s, seed):
    """Each head divides by the root of its own width: two equal heads have the scores that one of them has alone."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((s.L_q, s.d_ff))
    one = loud(init_multi_head(s.d_ff, 1, rng), rng)
    twice = MultiHead(*(Linear(np.tile(W, 2), np.tile(b, 2)) for W, b in one[:3]), one.output)
    both = twice._replace(output=Linear(np.tile(one.output.W, (2, 1)) / 2, one.output.b))
    assert_allclose(multi_head(x, x, x, both, 2)[0], multi_head(x, x, x, one, 1)[0], rtol=1e-9, atol=1e-11)


@given(sizes, seeds)
def test_one_head_is_attention_between_linear_maps(s, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((s.L_q, s.d_ff))
    weights = loud(init_multi_head(s.d_ff, 1, rng), rng)
    Q, K, V = (x @ W + b for W, b in weights[:3])
    expected = attention(Q, K, V)[0] @ weights.output.W + weights.output.b
    assert_allclose(multi_head(x, x, x, weights, 1)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_the_order_of_heads_is_of_no_matter(s, seed):
    """Exchanging the columns of two heads, in W^Q, W^K, W^V and the rows of W^O, changes nothing."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    order = rng.permutation(s.h)

    def columns(linear):
        by_head = np.split(linear.W, s.h, axis=1), np.split(linear.b, s.h)
        return Linear(*(np.concatenate([parts[i] for i in order], axis=-1) for parts in by_head))

    W_O = np.concatenate([np.split(weights.output.W, s.h)[i] for i in order])
    permuted = MultiHead(*map(columns, weights[:3]), Linear(W_O, weights.output.b))
    assert_allclose(
        multi_head(x_q, x_k, x_v, permuted, s.h)[0],
        multi_head(x_q, x_k, x_v, weights, s.h)[0],
        rtol=1e-9,
        atol=1e-11,
    )


@given(sizes, seeds)
def test_key_biases_change_nothing(s, seed):
    """They add the same number to all scores of a query; so their gradient is 0."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    without = weights._replace(key=weights.key._replace(b=np.zeros_like(weights.key.b)))
    y, cache = multi_head(x_q, x_k, x_v, weights, s.h)
    assert_allclose(multi_head(x_q, x_k, x_v, without, s.h)[0], y, rtol=1e-9, atol=1e-11)
    dweights = multi_head_backward(rng.standard_normal(y.shape), cache)[3]
    assert_allclose(dweights.key.b, 0, atol=1e-11)


@given(sizes, seeds)
def test_a_mask_for_all_heads_or_for_each(s, seed):
    """(L_q, L_k) and (B, L_q, L_k) hold for all heads; (B, h, L_q, L_k) says it head by head."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)

    def y(mask):
        return multi_head(x_q, x_k, x_v, weights, s.h, mask)[0]

    full = (s.B, s.h, s.L_q, s.L_k)
    for part in ((s.L_q, s.L_k), (s.B, s.L_q, s.L_k), (s.B, 1, s.L_k)):
        for kind in (random_mask, mask_of_numbers):
            mask = kind(rng, *part, empty_row=False)
            axes = mask[:, None] if len(part) == 3 else mask
            assert_allclose(y(mask), y(np.broadcast_to(axes, full)), rtol=1e-12, atol=1e-13)
    key_mask = random_mask(rng, s.L_k, empty_row=False)
    assert_allclose(y(key_mask), y(np.broadcast_to(key_mask, full)), rtol=1e-12, atol=1e-13)
    head_by_head = random_mask(rng, *full)
    one_by_one = [multi_head(x_q[b], x_k[b], x_v[b], weights, s.h, head_by_head[b])[0] for b in range(s.B)]
    assert_allclose(y(head_by_head), one_by_one, rtol=1e-11, atol=1e-12)


@given(sizes, seeds)
def test_masks_that_say_the_same_give_the_same(s, seed):
    """0 and -infinity as True and False, to the last bit; and a constant more in a row of numbers changes nothing."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    dy = rng.standard_normal((s.B, s.L_q, s.d_model))

    def all_of_it(mask):
        y, cache = multi_head(x_q, x_k, x_v, weights, s.h, mask)
        return [y, *leaves(multi_head_backward(dy, cache))]

    mask, numbers = random_mask(rng, s.B, s.L_q, s.L_k), mask_of_numbers(rng, s.B, s.h, s.L_q, s.L_k)
    for as_numbers, boolean in zip(all_of_it(np.where(mask, 0.0, -np.inf)), all_of_it(mask), strict=True):
        assert_array_equal(as_numbers, boolean)
    shifted = numbers + rng.standard_normal((s.B, s.h, s.L_q, 1))
    for after, before in zip(all_of_it(shifted), all_of_it(numbers), strict=True):
        assert_allclose(after, before, rtol=1e-9, atol=1e-11)


@given(sizes, seeds)
def test_a_causal_mask_lets_nothing_come_from_the_future(s, seed):
    """Neither a value forward nor a gradient backward: position i depends on the positions up to i alone."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((s.B, s.L_q, s.d_model))
    weights = loud(init_multi_head(s.d_model, s.h, rng), rng)
    i = int(rng.integers(s.L_q - 1))
    changed = x.copy()
    changed[:, i + 1 :] = rng.standard_normal(changed[:, i + 1 :].shape)
    mask = causal_mask(s.L_q)
    y, cache = multi_head(x, x, x, weights, s.h, mask)
    assert_allclose(multi_head(changed, changed, changed, weights, s.h, mask)[0][:, : i + 1], y[:, : i + 1], atol=1e-12)
    dy = np.zeros_like(y)
    dy[:, : i + 1] = rng.standard_normal(dy[:, : i + 1].shape)
    assert all(not dx[:, i + 1 :].any() for dx in multi_head_backward(dy, cache)[:3])


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Masked keys and values may hold anything; a shorter batch without them gives the same."""
    x_q, x_k, x_v, weights, rng = draw(s, seed)
    n = int(rng.integers(1, s.L_k))
    mask = padding_mask(np.full(s.B, n), s.L_k)
    short, _ = multi_head(x_q, x_k[:, :n], x_v[:, :n], weights, s.h)
    assert_allclose(multi_head(x_q, x_k, x_v, weights, s.h, mask)[0], short, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    x_q, x_k, x_v, weights, _ = draw(s, seed)
    members = [multi_head(x_q[b], x_k[b], x_v[b], weights, s.h)[0] for b in range(s.B)]
    assert_allclose(multi_head(x_q, x_k, x_v, weights, s.h)[0], members, rtol=1e-10, atol=1e-12)


@given(sizes, seeds, rates)
def test_dropout_acts_on_the_attention_weights(s, seed, rate):
    """As section 5's module does; without a generator, or by default, there is none."""
    x_q, x_k, x_v, weights, _ = draw(s, seed)
    _, cache = multi_head(x_q, x_k, x_v, weights, s.h, drop=Dropout(rate, np.random.default_rng(seed)))
    m = dropout_mask((s.B, s.h, s.L_q, s.L_k), rate, np.random.default_rng(seed), x_q.dtype)
    assert_array_equal(cache.attention.attend.m, m)
    y, _ = multi_head(x_q, x_k, x_v, weights, s.h)
    assert_array_equal(multi_head(x_q, x_k, x_v, weights, s.h, drop=Dropout(rate, None))[0], y)
    assert_array_equal(multi_head(x_q, x_k, x_v, weights, s.h, drop=Dropout(0.0, np.random.default_rng(0)))[0], y)


@given(sizes, seeds, st.sampled_from([np.nan, np.inf, 1e308]), st.sampled_from(["all heads", "by batch", "by head"]))
def test_padding_has_no_influence_whatever_stands_there(s, seed, wrong, kind):
    """Results and all gradients stay, those of the weights among them, where an unseen key's input is no number.

    So it is for a fully masked query. Each is unseen by all heads.
    """
    rng = np.random.default_rng(seed)
    shape = {"all heads": (), "by batch": (s.B,), "by head": (s.B, s.h)}[kind]
    mask = rng.random((*shape, s.L_q, s.L_k)) < 0.7
    mask[..., 0] = mask[..., -1, :] = True
    mask[..., 1] = mask[..., 1, :] = False
    weights = loud(init_multi_head(s.d_model, s.h, rng, np.float64), rng)
    x_q, x_k, dy = (rng.standard_normal((s.B, L, s.d_model)) for L in (s.L_q, s.L_k, s.L_q))
    y, cache = multi_head(x_q, x_k, x_k, weights, s.h, mask)
    expected = [y, *leaves(multi_head_backward(dy, cache))]
    spoilt_q, spoilt_k = x_q.copy(), x_k.copy()
    spoilt_q[:, 1] = spoilt_k[:, 1] = wrong
    for x_v in (spoilt_k, spoilt_k.copy()):
        spoilt_y, spoilt_cache = multi_head(spoilt_q, spoilt_k, x_v, weights, s.h, mask)
        found = [spoilt_y, *leaves(multi_head_backward(dy, spoilt_cache))]
        for got, right in zip(found, expected, strict=True):
            assert_allclose(got, right, rtol=1e-9, atol=1e-11)


def test_initial_weights_are_square():
    """d_k = d_v = d_model / h; float32 unless asked otherwise."""
    weights = init_multi_head(6, 3, np.random.default_rng(0))
    assert [w.shape for linear in weights for w in linear] == [(6, 6), (6,)] * 4
    assert not np.array_equal(weights.query.W, weights.key.W)
    assert_float32(weights)
    weights = init_multi_head(6, 3, np.random.default_rng(0), np.float64)
    assert {w.dtype for linear in weights for w in linear} == {np.dtype("float64")}


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 6)).astype(np.float32)
    for mask in (causal_mask(3), np.ones((3, 3), np.float32)):
        y, cache = multi_head(x, x, x, init_multi_head(6, 3, rng), 3, mask, Dropout(0.3, rng))
        assert_float32(y, cache, multi_head_backward(y, cache))


W, X = init_multi_head(6, 3, np.random.default_rng(0)), np.ones((2, 5, 6), np.float32)
W_UNEVEN = W._replace(key=Linear(W.key.W[:, :3], W.key.b[:3]))
NOT_OF_HEADS = "expected a number that divides the 6 features of"
REFUSALS = [
    (lambda: init_multi_head(6, 4, np.random.default_rng(0)), f"h: got 4 heads, {NOT_OF_HEADS} d_model"),
    (lambda: multi_head(X, X, X, W, 4), f"h: got 4 heads, {NOT_OF_HEADS} weights.query.W"),
    (
        lambda: multi_head(X[..., :4], X, X, W, 3),
        "x_q: got shape (2, 5, 4), expected (..., L_q, d_query) with d_query = 6",
    ),
    (
        lambda: multi_head(X, X[:1], X[:1], W, 3),
        "x_k: got shape (1, 5, 6), expected the batch axes (2,) before (L_k, d_key)",
    ),
    (
        lambda: multi_head(X, X, X[:, 1:], W, 3),
        "x_v: got shape (2, 4, 6), expected (..., L_k, d_value) with L_k = 5, d_value = 6",
    ),
    (
        lambda: multi_head(X, X[:, :0], X[:, :0], W, 3),
        "x_k: got shape (2, 0, 6), expected (..., L_k, d_key) with L_k of 1 or more",
    ),
    (
        lambda: multi_head(X, X, X, W_UNEVEN, 3),
        "weights.key.W: got 3 columns, expected a multiple of 2, the width of a query head",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS, ids=[row[-1] for row in REFUSALS])
def test_bad_input_is_refused(call, message):
    with refuses(ValueError, message):
        call()


@pytest.mark.parametrize("shape", [(5, 4), (3, 5, 5), (2, 2, 5, 5)])
def test_a_mask_that_does_not_fit_is_refused(shape):
    weights = init_multi_head(6, 3, np.random.default_rng(0))
    x = np.ones((2, 5, 6), np.float32)
    inside = (*shape[:1], 1, *shape[1:]) if len(shape) == 3 else shape
    with refuses(ValueError, f"mask: got shape {inside}, which does not broadcast to the scores' shape (2, 3, 5, 5)"):
        multi_head(x, x, x, weights, 3, np.ones(shape, bool))


@given(sizes, seeds)
def test_a_mask_with_fewer_batch_axes_than_x(s, seed):
    """It is one for each of the last batch axis, whatever stands at padding."""
    rng = np.random.default_rng(seed)
    weights = loud(init_multi_head(s.d_model, s.h, rng), rng)
    mask = padding_mask(rng.integers(1, s.L_q + 1, s.B), s.L_q)  # (B, 1, L)
    x = rng.standard_normal((3, s.B, s.L_q, s.d_model))
    x[:, ~mask[:, 0]] = np.nan
    y, cache = multi_head(x, x, x, weights, s.h, mask)
    dy = np.where(np.isnan(x), 0, rng.standard_normal(x.shape))
    found = multi_head_backward(dy, cache)
    for i in range(3):
        one, one_cache = multi_head(x[i], x[i], x[i], weights, s.h, mask)
        assert_allclose(np.nan_to_num(y[i]), np.nan_to_num(one), rtol=1e-11, atol=1e-12)
        for ours, theirs in zip(found[:3], multi_head_backward(dy[i], one_cache)[:3], strict=True):
            assert_allclose(ours[i], theirs, rtol=1e-10, atol=1e-11)


@given(sizes, seeds, st.booleans())
def test_heads_that_share_keys_are_heads_with_equal_keys(s, seed, turned):
    """And with equal values; rotary positions turn queries and keys, and no values. The gradient of a shared head is
    the sum of those of its copies."""
    rng = np.random.default_rng(seed)
    h, d_model = 2 * s.h, 8 * s.h  # heads of 4 features, in pairs that share
    weights = loud(init_multi_head(d_model, h, rng, h_kv=s.h), rng)
    assert weights.key.W.shape == weights.value.W.shape == (d_model, 4 * s.h)

    def copied(x):
        return np.repeat(x.reshape(-1, s.h, 4), 2, axis=1).reshape(*x.shape[:-1], d_model)

    def summed(dx):
        return dx.reshape(-1, s.h, 2, 4).sum(axis=2).reshape(*dx.shape[:-1], d_model // 2)

    key, value = (Linear(copied(p.W), copied(p.b)) for p in (weights.key, weights.value))
    x = rng.standard_normal((s.B, s.L_q, d_model))
    mask = causal_mask(s.L_q)
    y, cache = multi_head(x, x, x, weights, h, mask, rotary=turned)
    expected, expected_cache = multi_head(x, x, x, weights._replace(key=key, value=value), h, mask, rotary=turned)
    assert_allclose(y, expected, rtol=1e-11, atol=1e-12)
    Q, K, V = (split_heads(linear(x, p)[0], h) for p in (weights.query, key, value))
    heads, _ = attention(*((rotary(Q)[0], rotary(K)[0]) if turned else (Q, K)), V, mask)
    assert_allclose(y, linear(merge_heads(heads), weights.output)[0], rtol=1e-11, atol=1e-12)
    dy = rng.standard_normal(y.shape)
    *dx, dweights = multi_head_backward(dy, cache)
    *dx_expected, dexpected = multi_head_backward(dy, expected_cache)
    for ours, theirs in zip(dx, dx_expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)
    for name in ("key", "value"):
        assert_allclose(getattr(dweights, name).W, summed(getattr(dexpected, name).W), rtol=1e-9, atol=1e-10)
    assert_gradients(
        lambda x_q, x_k, x_v, w: multi_head(x_q, x_k, x_v, w, h, mask, rotary=turned),
        multi_head_backward,
        (x, x, x, weights),
        rng,
    )
