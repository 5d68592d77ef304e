"""The oracle: values and every gradient beside PyTorch's, in float64, tensor by tensor, relative to the tensor's norm.

Random configurations with loud weights. Dropout is compared by giving PyTorch the masks that NumPy drew.
"""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle.beside_torch import (
    assert_close,
    attention_with_mask,
    both_norms,
    compare_gradients,
    configurations,
    draw_masks,
    final_norms,
    mask_kinds,
    padding_kinds,
    same_weights,
    tensor_or_none,
    tensors,
    torch,
)
from strategies import seeds, sizes

from minitransformer.nn import (
    LayerNorm,
    Linear,
    MultiheadAttention,
    RMSNorm,
    TransformerEncoder,
    TransformerEncoderLayer,
)

F = torch.nn.functional


@given(sizes, seeds, st.booleans())
def test_linear(s, seed, bias):
    rng = np.random.default_rng(seed)
    ours, theirs = same_weights(Linear(s.d_k, s.d_v, bias), torch.nn.Linear(s.d_k, s.d_v, bias), rng)
    x, dout = rng.standard_normal((s.B, s.L_q, s.d_k)), rng.standard_normal((s.B, s.L_q, s.d_v))
    (x_t,) = tensors(x)
    out, cache = ours.forward(x)
    out_t = theirs(x_t)
    assert_close(out, out_t, "out")
    out_t.backward(torch.tensor(dout))
    dx, grads = ours.backward(dout, cache)
    assert_close(dx, x_t.grad, "dx")
    compare_gradients(theirs, grads)


@given(sizes, seeds, st.sampled_from([1e-5, 0.1]), st.booleans(), st.booleans(), st.integers(1, 3))
def test_layer_norm(s, seed, eps, elementwise_affine, bias, axes):
    """Over one axis, two or three."""
    rng = np.random.default_rng(seed)
    x, dout = rng.standard_normal((2, s.B, s.L_q, s.d_v, s.d_ff))
    arguments = (x.shape[-axes:], eps, elementwise_affine, bias)
    ours, theirs = same_weights(LayerNorm(*arguments), torch.nn.LayerNorm(*arguments), rng)
    variance = x.var(axis=tuple(range(-axes, 0)))
    assume(variance.min() > 1e-2)  # two features that are nearly equal lose digits, there as here
    (x_t,) = tensors(x)
    out, cache = ours.forward(x)
    out_t = theirs(x_t)
    assert_close(out, out_t, "out")
    out_t.backward(torch.tensor(dout))
    dx, grads = ours.backward(dout, cache)
    if axes > 1 or s.d_ff > 2:  # with two features x_hat is all but constant, and dx all but 0
        assert_close(dx, x_t.grad, "dx")
    compare_gradients(theirs, grads)


@given(sizes, seeds, st.sampled_from([None, 1e-5, 0.1]), st.booleans(), st.integers(1, 3))
def test_rms_norm(s, seed, eps, elementwise_affine, axes):
    rng = np.random.default_rng(seed)
    x, dout = rng.standard_normal((2, s.B, s.L_q, s.d_v, s.d_ff))
    arguments = (x.shape[-axes:], eps, elementwise_affine)
    ours, theirs = same_weights(RMSNorm(*arguments), torch.nn.RMSNorm(*arguments), rng)
    (x_t,) = tensors(x)
    out, cache = ours.forward(x)
    out_t = theirs(x_t)
    assert_close(out, out_t, "out")
    out_t.backward(torch.tensor(dout))
    dx, grads = ours.backward(dout, cache)
    assert_close(dx, x_t.grad, "dx")
    compare_gradients(theirs, grads)


attentions = st.fixed_dictionaries(
    {name: st.booleans() for name in ("bias", "add_bias_kv", "add_zero_attn", "batch_first")}
)


@given(sizes, seeds, mask_kinds, padding_kinds, attentions, st.booleans(), st.booleans())
def test_multihead_attention(s, seed, mask_kind, padding_kind, options, own_widths, average):
    """Cross-attention, with key and value of their own widths and without, and with rows appended to K and V."""
    rng = np.random.default_rng(seed)
    widths = {"kdim": s.d_ff, "vdim": s.d_v} if own_widths else {}
    arguments, batch_first = options | widths, options["batch_first"]
    ours, theirs = same_weights(
        MultiheadAttention(s.d_model, s.h, **arguments),
        torch.nn.MultiheadAttention(s.d_model, s.h, **arguments),
        rng,
    )
    shapes = [(s.L_q, s.d_model), (s.L_k, widths.get("kdim", s.d_model)), (s.L_k, widths.get("vdim", s.d_model))]
    inputs = [rng.standard_normal((s.B, L, d) if batch_first else (L, s.B, d)) for L, d in shapes]
    attn_mask, key_padding_mask = draw_masks(mask_kind, padding_kind, s, s.L_q, s.L_k, rng)
    inputs_t = tensors(*inputs)
    out_t, weights_t = theirs(
        *inputs_t,
        key_padding_mask=tensor_or_none(key_padding_mask),
        attn_mask=tensor_or_none(attn_mask),
        average_attn_weights=average,
    )
    out, weights = ours(*inputs, key_padding_mask, attn_mask=attn_mask, average_attn_weights=average)
    assert_close(out, out_t, "out")
    assert_close(weights, weights_t, "weights")
    dout = rng.standard_normal(out.shape)
    out_t.backward(torch.tensor(dout))
    _, cache = ours.forward(*inputs, key_padding_mask, attn_mask)
    d_inputs, grads = ours.backward(dout, cache)
    for name, d, x_t in zip(("dquery", "dkey", "dvalue"), d_inputs, inputs_t, strict=True):
        assert_close(d, x_t.grad, name)
    compare_gradients(theirs, grads)


def draw_src(s, batch_first, rng):
    return rng.standard_normal((2, s.B, s.L_q, s.d_model) if batch_first else (2, s.L_q, s.B, s.d_model))


encoder_mask_kinds = st.one_of(st.just("causal"), mask_kinds)


def draw_encoder_masks(mask_kind, padding_kind, s, rng):
    """-> mask, key padding mask, is_causal: PyTorch has a path of its own for its causal mask."""
    if mask_kind != "causal":
        return *draw_masks(mask_kind, padding_kind, s, s.L_q, s.L_q, rng), False
    _, padding = draw_masks("float", padding_kind, s, s.L_q, s.L_q, rng)
    return torch.nn.Transformer.generate_square_subsequent_mask(s.L_q, dtype=torch.float64).numpy(), padding, True


def compare_encoders(ours, theirs, src, dout, masks):
    mask, padding, is_causal = masks
    (src_t,) = tensors(src)
    out_t = theirs(src_t, tensor_or_none(mask), tensor_or_none(padding), is_causal=is_causal)
    out, cache = ours.forward(src, *masks)
    assert_close(out, out_t, "out")
    out_t.backward(torch.tensor(dout))
    dsrc, grads = ours.backward(dout, cache)
    assert_close(dsrc, src_t.grad, "dsrc")
    compare_gradients(theirs, grads)


@given(sizes, seeds, configurations, encoder_mask_kinds, padding_kinds)
def test_transformer_encoder_layer(s, seed, configuration, mask_kind, padding_kind):
    rng = np.random.default_rng(seed)
    ours, theirs = same_weights(
        TransformerEncoderLayer(s.d_model, s.h, s.d_ff, 0.0, **configuration),
        torch.nn.TransformerEncoderLayer(s.d_model, s.h, s.d_ff, 0.0, **configuration),
        rng,
    )
    src, dout = draw_src(s, configuration["batch_first"], rng)
    compare_encoders(ours, theirs, src, dout, draw_encoder_masks(mask_kind, padding_kind, s, rng))


@given(sizes, seeds, configurations, encoder_mask_kinds, padding_kinds, final_norms)
def test_transformer_encoder(s, seed, configuration, mask_kind, padding_kind, final_norm):
    """Two layers of different weights, with a final norm and without."""
    rng = np.random.default_rng(seed)
    our_norm, their_norm = both_norms(s.d_model, final_norm)
    ours, theirs = same_weights(
        TransformerEncoder(TransformerEncoderLayer(s.d_model, s.h, s.d_ff, 0.0, **configuration), 2, our_norm),
        torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(s.d_model, s.h, s.d_ff, 0.0, **configuration),
            2,
            their_norm,
            enable_nested_tensor=False,
        ),
        rng,
    )
    src, dout = draw_src(s, configuration["batch_first"], rng)
    compare_encoders(ours, theirs, src, dout, draw_encoder_masks(mask_kind, padding_kind, s, rng))


def layer_with_masks(theirs, src, m_attention, m_hidden, m_1, m_2, h, norm_first):
    """Section 5's layer out of PyTorch's parts, batch-first, with given masks in the places of its dropout."""

    def self_attention(x):
        return attention_with_mask(theirs.self_attn, x, x, m_attention, h)

    def feed_forward(x):
        return theirs.linear2(F.relu(theirs.linear1(x)) * m_hidden)

    if norm_first:
        u = src + self_attention(theirs.norm1(src)) * m_1
        return u + feed_forward(theirs.norm2(u)) * m_2
    u = theirs.norm1(src + self_attention(src) * m_1)
    return theirs.norm2(u + feed_forward(u) * m_2)


@given(sizes, seeds, st.booleans(), st.sampled_from([0.1, 0.5]))
def test_transformer_encoder_layer_with_dropout(s, seed, norm_first, dropout):
    """The masks that NumPy drew, at the four places of section 5: attention weights, both sublayers, hidden units."""
    rng = np.random.default_rng(seed)
    arguments = {"norm_first": norm_first, "batch_first": True}
    ours, theirs = same_weights(
        TransformerEncoderLayer(s.d_model, s.h, s.d_ff, dropout, **arguments),
        torch.nn.TransformerEncoderLayer(s.d_model, s.h, s.d_ff, dropout, **arguments),
        rng,
    )
    src, dout = draw_src(s, True, rng)
    (src_t,) = tensors(src)
    out, cache = ours.forward(src, rng=rng)
    m_1, m_2 = (cache.residual1, cache.residual2) if norm_first else (cache.add_norm1.m, cache.add_norm2.m)
    masks = [torch.tensor(m) for m in (cache.self_attention.attention.attend.m, cache.feed_forward.m, m_1, m_2)]
    out_t = layer_with_masks(theirs, src_t, *masks, s.h, norm_first)
    assert_close(out, out_t, "out")
    out_t.backward(torch.tensor(dout))
    dsrc, grads = ours.backward(dout, cache)
    assert_close(dsrc, src_t.grad, "dsrc")
    compare_gradients(theirs, grads)
