"""PyTorch's nn.MultiheadAttention (4.2)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_module_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.equations.attention import attention as equation
from minitransformer.equations.attention import merge_heads, split_heads
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


def test_biases_and_appended_rows_have_pytorchs_names():
    """bias=False leaves out those of all four projections; bias_k and bias_v are no biases, but a key and a value."""
    assert {name: array.shape for name, array in attention(bias=False).state_dict().items()} == {
        "in_proj_weight": (18, 6),
        "out_proj.weight": (6, 6),
    }
    assert {name: array.shape for name, array in attention(bias=False, add_bias_kv=True).state_dict().items()} == {
        "in_proj_weight": (18, 6),
        "out_proj.weight": (6, 6),
        "bias_k": (1, 1, 6),
        "bias_v": (1, 1, 6),
    }
    assert attention(add_zero_attn=True).state_dict().keys() == attention().state_dict().keys()


def test_no_bias_is_a_bias_of_zeros():
    """As at the start, where all biases are 0."""
    query, key, value = inputs()
    assert_array_equal(attention(bias=False)(query, key, value)[0], attention()(query, key, value)[0])


@pytest.mark.parametrize("add_zero_attn", [False, True])
@pytest.mark.parametrize("add_bias_kv", [False, True])
def test_rows_are_appended_to_keys_and_values(add_bias_kv, add_zero_attn):
    """After the projection: the learned row first, then zeros. Every query may attend to them, whatever is masked."""
    rng = np.random.default_rng(0)
    module = attention(add_bias_kv=add_bias_kv, add_zero_attn=add_zero_attn)
    module.load_state_dict({name: rng.standard_normal(array.shape) for name, array in module.state_dict().items()})
    query, key, value = inputs(B=1)
    allowed = rng.random((4, 5)) < 0.5
    allowed[2] = False  # but for the rows
    out, weights = module(query, key, value, attn_mask=~allowed, average_attn_weights=False)

    state, (_, bias_k, bias_v) = module.state_dict(), module.weights
    W_and_b = zip(np.split(state["in_proj_weight"], 3), np.split(state["in_proj_bias"], 3), strict=True)
    Q, K, V = (x[:, 0] @ W.T + b for x, (W, b) in zip((query, key, value), W_and_b, strict=True))
    zeros = np.zeros((int(add_zero_attn), 6))
    heads = [split_heads(x, 3) for x in (Q, np.concatenate([K, bias_k, zeros]), np.concatenate([V, bias_v, zeros]))]
    n = add_bias_kv + add_zero_attn
    O, cache = equation(*heads, np.concatenate([allowed, np.ones((4, n), bool)], axis=1))
    assert_allclose(weights[0], cache.attend.alpha, rtol=1e-12)
    expected = merge_heads(O) @ state["out_proj.weight"].T + state["out_proj.bias"]
    assert_allclose(out[:, 0], expected, rtol=1e-11, atol=1e-12)


def test_a_zero_row_takes_attention_and_gives_nothing():
    """With all keys masked, all attention goes there, and what is left is the output's bias."""
    query, key, value = inputs()
    module = attention(add_zero_attn=True)
    module.load_state_dict(module.state_dict() | {"out_proj.bias": np.arange(6.0)})
    out, weights = module(query, key, value, attn_mask=np.ones((4, 5), bool))
    assert_array_equal(weights, np.broadcast_to([0, 0, 0, 0, 0, 1], (2, 4, 6)))
    assert_array_equal(out, np.broadcast_to(np.arange(6.0), (4, 2, 6)))


@pytest.mark.parametrize("widths", [{}, {"kdim": 5, "vdim": 7}], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"add_bias_kv": True},
        {"add_zero_attn": True, "batch_first": True},
        {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
    ],
    ids=str,
)
def test_gradients(options, widths):
    """Of the three inputs and of every parameter, under both masks."""
    rng = np.random.default_rng(0)
    module = MultiheadAttention(6, 3, **options, **widths)
    x = inputs(d_key=widths.get("kdim", 6), d_value=widths.get("vdim", 6))
    if module.batch_first:
        x = tuple(array.swapaxes(0, 1) for array in x)
    masks = {"attn_mask": rng.standard_normal((6, 4, 5)), "key_padding_mask": np.arange(5) >= np.array([[5], [3]])}
    assert_module_gradients(module, x, rng, **masks)


def test_is_causal_is_a_hint():
    """The mask must be there, and causal; then it changes nothing."""
    query, key, value = inputs()
    causal = ~np.tri(4, 5, dtype=bool)
    for need_weights in (False, True):
        out, _ = attention()(query, key, value, None, need_weights, causal, is_causal=True)
        assert_array_equal(out, attention()(query, key, value, attn_mask=causal)[0])
    with refuses(ValueError, "attn_mask: got None, expected the causal mask, as is_causal is True"):
        attention()(query, key, value, is_causal=True)


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
    state = MultiheadAttention(900, 3, add_bias_kv=True, rng=np.random.default_rng(0)).state_dict()
    for name in ("bias_k", "bias_v"):
        assert state[name].std() == pytest.approx(900**-0.5, rel=0.1)
    state = MultiheadAttention(300, 3, kdim=100, rng=np.random.default_rng(0)).state_dict()
    assert np.abs(state["k_proj_weight"]).max() == pytest.approx((6 / 400) ** 0.5, rel=1e-3)
    assert np.abs(state["q_proj_weight"]).max() == pytest.approx((6 / 600) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("rows", [False, True])
def test_float32_stays_float32(rows):
    """Also under a float64 mask, which is what NumPy makes by default."""
    module = MultiheadAttention(6, 3, dropout=0.3, add_bias_kv=rows, add_zero_attn=rows)
    x = [array.astype(np.float32) for array in inputs()]
    out, cache = module.forward(*x, np.zeros((2, 5)), np.zeros((4, 5)), rng=np.random.default_rng(0))
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
