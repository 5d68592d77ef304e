"""PyTorch's nn.MultiheadAttention (4.2)."""

import numpy as np
import pytest
from assertions import assert_float32, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.nn import MultiheadAttention


def attention(**kwargs):
    return MultiheadAttention(6, 3, dtype=np.float64, rng=np.random.default_rng(0), **kwargs)


def inputs(L_q=4, L_k=5, B=2, d_key=6, d_value=6):
    """Sequence-first, as the class takes them."""
    rng = np.random.default_rng(1)
    return (
        rng.standard_normal((L_q, B, 6)),
        rng.standard_normal((L_k, B, d_key)),
        rng.standard_normal((L_k, B, d_value)),
    )


def test_names_and_shapes_are_pytorchs():
    """One matrix for the three input projections, or three where key or value have widths of their own."""
    assert {name: array.shape for name, array in attention().state_dict().items()} == {
        "in_proj_weight": (18, 6),
        "in_proj_bias": (18,),
        "out_proj.weight": (6, 6),
        "out_proj.bias": (6,),
    }
    assert {name: array.shape for name, array in attention(kdim=5, vdim=7).state_dict().items()} == {
        "q_proj_weight": (6, 6),
        "k_proj_weight": (6, 5),
        "v_proj_weight": (6, 7),
        "in_proj_bias": (18,),
        "out_proj.weight": (6, 6),
        "out_proj.bias": (6,),
    }


def test_it_returns_a_pair_hence_the_index_in_section_5():
    """`self.self_attn(src, src, src)[0]`: outputs, and the mean of the heads' weights, which sum to 1."""
    query, key, value = inputs()
    out, weights = attention()(query, key, value)
    assert out.shape == (4, 2, 6)
    assert weights.shape == (2, 4, 5)
    assert_allclose(weights.sum(axis=-1), 1, rtol=1e-13)
    out_again, by_head = attention()(query, key, value, average_attn_weights=False)
    assert by_head.shape == (2, 3, 4, 5)
    assert_allclose(by_head.mean(axis=1), weights, rtol=1e-14)
    assert_array_equal(out_again, out)
    assert attention()(query, key, value, need_weights=False)[1] is None


def test_sequence_first_and_batch_first_are_the_same_numbers():
    """(L, B, d) and (B, L, d), forward and backward; the text's is the first."""
    query, key, value = inputs()
    swapped = [x.swapaxes(0, 1) for x in (query, key, value)]
    out, cache = attention().forward(query, key, value)
    out_batch_first, cache_batch_first = attention(batch_first=True).forward(*swapped)
    assert_array_equal(out_batch_first.swapaxes(0, 1), out)
    d, grads = attention().backward(out, cache)
    d_batch_first, grads_batch_first = attention(batch_first=True).backward(out_batch_first, cache_batch_first)
    for dx, dx_batch_first in zip(d, d_batch_first, strict=True):
        assert_array_equal(dx_batch_first.swapaxes(0, 1), dx)
    for name in grads:
        assert_array_equal(grads[name], grads_batch_first[name])


def test_without_a_batch():
    """(L, d) in, (L, d) out: the same as a batch of one."""
    query, key, value = inputs(B=1)
    mask, padding = np.random.default_rng(0).random((4, 5)) < 0.3, np.array([False, False, False, True, True])
    out, cache = attention().forward(query[:, 0], key[:, 0], value[:, 0], padding, mask)
    expected, expected_cache = attention().forward(query, key, value, padding[None], mask)
    assert_allclose(out, expected[:, 0], rtol=1e-13)
    d, _ = attention().backward(out, cache)
    d_expected, _ = attention().backward(expected, expected_cache)
    for dx, dx_expected in zip(d, d_expected, strict=True):
        assert_allclose(dx, dx_expected[:, 0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("widths", [{}, {"kdim": 5, "vdim": 7}])
def test_gradients_have_the_names_and_shapes_of_the_state_dict(widths):
    query, key, value = inputs(d_key=widths.get("kdim", 6), d_value=widths.get("vdim", 6))
    module = attention(**widths)
    out, cache = module.forward(query, key, value)
    (dquery, dkey, dvalue), grads = module.backward(out, cache)
    assert (dquery.shape, dkey.shape, dvalue.shape) == (query.shape, key.shape, value.shape)
    state = module.state_dict()
    assert {name: array.shape for name, array in grads.items()} == {name: array.shape for name, array in state.items()}


def test_dropout_needs_a_generator():
    """Called like a function it evaluates; forward with rng drops weights."""
    module = attention(dropout=0.5)
    x = inputs()
    assert_array_equal(module(*x)[0], attention()(*x)[0])
    assert_array_equal(module.forward(*x)[0], module(*x)[0])
    out, cache = module.forward(*x, rng=np.random.default_rng(0))
    assert not np.allclose(out, module(*x)[0])
    assert (cache.attention.attend.m == 0).any()
    out, cache = attention().forward(*x, rng=np.random.default_rng(0))
    assert cache.attention.attend.m is None, "dropout is 0 by default"


def test_start_values_are_pytorchs():
    """Glorot's bounds for the three projections as one matrix of 3 d rows; for W^O 1/sqrt(d); all biases 0."""
    state = MultiheadAttention(300, 3, rng=np.random.default_rng(0)).state_dict()
    assert np.abs(state["in_proj_weight"]).max() == pytest.approx((6 / 1200) ** 0.5, rel=1e-3)
    assert np.abs(state["out_proj.weight"]).max() == pytest.approx(300**-0.5, rel=1e-3)
    assert not state["in_proj_bias"].any()
    assert not state["out_proj.bias"].any()
    state = MultiheadAttention(300, 3, kdim=100, rng=np.random.default_rng(0)).state_dict()
    assert np.abs(state["k_proj_weight"]).max() == pytest.approx((6 / 400) ** 0.5, rel=1e-3)
    assert np.abs(state["q_proj_weight"]).max() == pytest.approx((6 / 600) ** 0.5, rel=1e-3)


def test_float32_stays_float32():
    """Also under a float64 mask, which is what NumPy makes by default."""
    module = MultiheadAttention(6, 3, dropout=0.3)
    x = [array.astype(np.float32) for array in inputs()]
    out, cache = module.forward(*x, np.zeros((2, 5)), np.zeros((4, 5)), np.random.default_rng(0))
    d, grads = module.backward(out, cache)
    assert_float32(out, cache, d, *grads.values())


def test_bad_input_is_refused():
    module, (query, key, value) = attention(), inputs()
    with refuses(ValueError, "query: got shape (4, 2, 5), expected 6 features on the last axis"):
        module(query[..., :5], key, value)
    with refuses(ValueError, "key: got shape (5, 2, 5), expected 6 features on the last axis"):
        module(query, key[..., :5], value)
    with refuses(TypeError, "value: got list, expected a NumPy array of floating-point numbers"):
        module(query, key, value.tolist())
    with refuses(ValueError, "query: got shape (1, 4, 2, 6), expected 3 axes, or 2 without a batch"):
        module(query[None], key, value)
    with refuses(ValueError, "key: got a batch of (1,), expected the query's, (2,)"):
        module(query, key[:, :1], value)
    with refuses(ValueError, "key: got a batch of (), expected the query's, (2,)"):
        module(query, key[:, 0], value)
    with refuses(ValueError, "value: got batch and length (2, 4), expected the key's, (2, 5)"):
        module(query, key, value[1:])
    with refuses(ValueError, "attn_mask: got shape (5, 4), expected (4, 5) or (6, 4, 5)"):
        module(query, key, value, attn_mask=np.zeros((5, 4), bool))
    with refuses(ValueError, "key_padding_mask: got shape (5, 2), expected (2, 5)"):
        module(query, key, value, np.zeros((5, 2), bool))
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        module.forward(query, key, value, rng=0)
    out, cache = module.forward(query, key, value)
    with refuses(ValueError, "dout: got shape (2, 4, 6), expected (4, 2, 6)"):
        module.backward(out.swapaxes(0, 1), cache)


def test_bad_arguments_are_refused():
    with refuses(ValueError, "num_heads: got 4 heads, expected a number that divides the 6 features of embed_dim"):
        MultiheadAttention(6, 4)
    with refuses(ValueError, "embed_dim: got 0, expected 1 or more"):
        MultiheadAttention(0, 1)
    with refuses(ValueError, "dropout: got 1.0, expected a probability in [0, 1)"):
        MultiheadAttention(6, 3, 1.0)
    with refuses(ValueError, "kdim: got 0, expected 1 or more"):
        MultiheadAttention(6, 3, kdim=0)
    with refuses(TypeError, "vdim: got 1.5, expected an integer"):
        MultiheadAttention(6, 3, vdim=1.5)
