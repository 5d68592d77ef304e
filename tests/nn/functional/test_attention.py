"""PyTorch's scaled_dot_product_attention: batch axes that broadcast, two kinds of masks, and the gradient of one."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer import nn
from minitransformer.equations.attention import attention

F = nn.functional

B, h, L_q, L_k, d_k, d_v = 2, 3, 4, 5, 6, 7
rng = np.random.default_rng(0)
query = rng.standard_normal((B, h, L_q, d_k))
key = rng.standard_normal((B, h, L_k, d_k))
value = rng.standard_normal((B, h, L_k, d_v))
allowed = rng.random((L_q, L_k)) < 0.6
allowed[:, 0] = True


def test_it_is_the_equation():
    assert_array_equal(F.scaled_dot_product_attention(query, key, value)[0], attention(query, key, value)[0])


def test_true_means_may_attend():
    """Here, and in no class of PyTorch's; its classes' mask is the opposite."""
    out, _ = F.scaled_dot_product_attention(query, key, value, allowed)
    assert_array_equal(out, attention(query, key, value, allowed)[0])
    as_float = np.where(allowed, 0.0, -np.inf)
    assert_allclose(F.scaled_dot_product_attention(query, key, value, as_float)[0], out, rtol=1e-12)


def test_is_causal_lets_query_i_see_the_keys_up_to_i():
    """The first of each, also where there are more keys than queries; no mask has to be made."""
    out, _ = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    changed = value.copy()
    changed[..., 2:, :] += 1
    out_changed, _ = F.scaled_dot_product_attention(query, key, changed, is_causal=True)
    assert_array_equal(out_changed[..., :2, :], out[..., :2, :])
    assert (out_changed[..., 2:, :] != out[..., 2:, :]).all()


shapes = pytest.mark.parametrize(
    ("of_query", "of_key", "of_value", "of_mask"),
    [
        ((), (), (), ()),
        ((B, h), (B, h), (B, h), (B, h)),
        ((h,), (B, h), (B, h), (h,)),
        ((B, 1), (1, h), (h,), (B, 1)),
        ((), (h,), (B, 1), ()),
    ],
    ids=str,
)


@shapes
def test_batch_axes_broadcast(of_query, of_key, of_value, of_mask):
    """As if everything had been repeated."""
    inputs = [rng.standard_normal(s) for s in ((*of_query, L_q, d_k), (*of_key, L_k, d_k), (*of_value, L_k, d_v))]
    mask = rng.standard_normal((*of_mask, L_q, L_k))
    batch = np.broadcast_shapes(of_query, of_key, of_value)
    repeated = [np.broadcast_to(x, batch + x.shape[-2:]) for x in inputs]
    out, _ = F.scaled_dot_product_attention(*inputs, mask)
    assert_allclose(out, attention(*repeated, mask)[0], rtol=1e-12, strict=True)


@shapes
def test_gradients(of_query, of_key, of_value, of_mask):
    """Those of what is repeated are sums; a mask that is added to the scores has one as well."""
    inputs = [rng.standard_normal(s) for s in ((*of_query, L_q, d_k), (*of_key, L_k, d_k), (*of_value, L_k, d_v))]
    mask = rng.standard_normal((*of_mask, L_q, L_k))

    def forward(query, key, value, mask):
        return F.scaled_dot_product_attention(query, key, value, mask, 0.3, rng=np.random.default_rng(1))

    assert_gradients(forward, F.scaled_dot_product_attention_backward, (*inputs, mask), rng)


@pytest.mark.parametrize("options", [{}, {"attn_mask": allowed}, {"is_causal": True}], ids=str)
def test_no_other_mask_has_a_gradient(options):
    out, cache = F.scaled_dot_product_attention(query, key, value, **options)
    assert F.scaled_dot_product_attention_backward(out, cache)[-1] is None


def test_a_mask_of_one_row_gets_the_sum_over_the_queries():
    mask = rng.standard_normal((1, L_k))
    assert_gradients(
        F.scaled_dot_product_attention, F.scaled_dot_product_attention_backward, (query, key, value, mask), rng
    )


def test_dropout_needs_a_generator():
    out, _ = F.scaled_dot_product_attention(query, key, value)
    assert_array_equal(F.scaled_dot_product_attention(query, key, value, dropout_p=0.5)[0], out)
    dropped, cache = F.scaled_dot_product_attention(query, key, value, dropout_p=0.5, rng=np.random.default_rng(0))
    assert not np.allclose(dropped, out)
    assert (cache.attention.attend.m == 0).any()


def test_float32_stays_float32():
    """Also under a float64 mask."""
    inputs = [x.astype(np.float32) for x in (query, key, value)]
    out, cache = F.scaled_dot_product_attention(*inputs, np.zeros((L_q, L_k)))
    assert_float32(out, F.scaled_dot_product_attention_backward(out, cache))


def test_bad_input_is_refused():
    attend = F.scaled_dot_product_attention
    with refuses(ValueError, "key: got shape (2, 3, 5, 5), expected 6 features on the last axis"):
        attend(query, key[..., :5], value)
    with refuses(ValueError, "value: got shape (2, 3, 4, 7), expected 5 values, one for each key"):
        attend(query, key, value[..., 1:, :])
    with refuses(ValueError, "key: got shape (2, 3, 0, 6), expected at least one key"):
        attend(query, key[..., :0, :], value[..., :0, :])
    with refuses(ValueError, "key: got shape (2, 2, 5, 6), expected batch axes that broadcast with (2, 3)"):
        attend(query, key[:, :2], value)
    with refuses(ValueError, "value: got shape (2, 2, 5, 7), expected batch axes that broadcast with (2, 3)"):
        attend(query, key, value[:, :2])
    with refuses(ValueError, "attn_mask: got one, expected None, as is_causal is True"):
        attend(query, key, value, allowed, is_causal=True)
    with refuses(ValueError, "attn_mask: got shape (5, 4), which does not broadcast to the scores' shape (2, 3, 4, 5)"):
        attend(query, key, value, allowed.T)
    message = "expected an array, boolean (True = may attend) or float (added to the scores)"
    with refuses(TypeError, f"attn_mask: got dtype int64, {message}"):
        attend(query, key, value, allowed.astype(int))
    with refuses(ValueError, "dropout_p: got 1.0, expected a probability in [0, 1)"):
        attend(query, key, value, dropout_p=1.0)
    with refuses(TypeError, "is_causal: got 1, expected True or False"):
        attend(query, key, value, is_causal=1)
    _, cache = attend(query, key, value)
    with refuses(ValueError, "dout: got shape (2, 3, 4, 6), expected (2, 3, 4, 7)"):
        F.scaled_dot_product_attention_backward(query, cache)
