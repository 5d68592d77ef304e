"""The decoder's classes and the whole Transformer beside PyTorch's, in float64: values and every gradient.

Random configurations, masks and padding, with loud weights; tensor by tensor, relative to the tensor's norm.
"""

import numpy as np
import pytest
from hypothesis import given
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

from minitransformer.nn import Transformer, TransformerDecoder, TransformerDecoderLayer

target_mask_kinds = st.one_of(st.just("causal"), mask_kinds)
layer_counts = st.integers(1, 2)


def draw_target_masks(mask_kind, padding_kind, s, rng):
    """Those of `draw_masks`, or PyTorch's own causal mask, for which it has a path of its own."""
    if mask_kind != "causal":
        return draw_masks(mask_kind, padding_kind, s, s.L_q, s.L_q, rng)
    _, padding = draw_masks("float", padding_kind, s, s.L_q, s.L_q, rng)
    return torch.nn.Transformer.generate_square_subsequent_mask(s.L_q, dtype=torch.float64).numpy(), padding


def draw_decoder_masks(kinds, s, rng):
    """-> tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask; the target has L_q positions."""
    tgt_kind, tgt_padding_kind, memory_kind, memory_padding_kind = kinds
    tgt_mask, tgt_padding = draw_target_masks(tgt_kind, tgt_padding_kind, s, rng)
    memory_mask, memory_padding = draw_masks(memory_kind, memory_padding_kind, s, s.L_q, s.L_k, rng)
    return tgt_mask, memory_mask, tgt_padding, memory_padding


decoder_mask_kinds = st.tuples(target_mask_kinds, padding_kinds, mask_kinds, padding_kinds)


def draw_sequences(s, batch_first, lengths, rng):
    return [rng.standard_normal((s.B, L, s.d_model) if batch_first else (L, s.B, s.d_model)) for L in lengths]


def compare(ours, theirs, inputs, masks, names, tgt_is_causal, rng):
    """The output, and the gradients of the inputs (`names`) and of all parameters, for a random upstream gradient."""
    inputs_t = tensors(*inputs)
    out_t = theirs(*inputs_t, *map(tensor_or_none, masks), tgt_is_causal=tgt_is_causal)
    out, cache = ours.forward(*inputs, *masks, tgt_is_causal=tgt_is_causal)
    assert_close(out, out_t, "out")
    dout = rng.standard_normal(out.shape)
    out_t.backward(torch.tensor(dout))
    d_inputs, grads = ours.backward(dout, cache)
    for name, d, x_t in zip(names, d_inputs, inputs_t, strict=True):
        assert_close(d, x_t.grad, name)
    compare_gradients(theirs, grads)


@given(sizes, seeds, configurations, decoder_mask_kinds)
def test_transformer_decoder_layer(s, seed, configuration, kinds):
    rng = np.random.default_rng(seed)
    arguments = (s.d_model, s.h, s.d_ff, 0.0)
    ours, theirs = same_weights(
        TransformerDecoderLayer(*arguments, **configuration),
        torch.nn.TransformerDecoderLayer(*arguments, **configuration),
        rng,
    )
    inputs = draw_sequences(s, configuration["batch_first"], (s.L_q, s.L_k), rng)
    compare(ours, theirs, inputs, draw_decoder_masks(kinds, s, rng), ("dtgt", "dmemory"), kinds[0] == "causal", rng)


@given(sizes, seeds, configurations, decoder_mask_kinds, layer_counts, final_norms)
def test_transformer_decoder(s, seed, configuration, kinds, num_layers, final_norm):
    """Layers of different weights, with a final norm and without."""
    rng = np.random.default_rng(seed)
    arguments = (s.d_model, s.h, s.d_ff, 0.0)
    our_norm, their_norm = both_norms(s.d_model, final_norm)
    our_layer = TransformerDecoderLayer(*arguments, **configuration)
    their_layer = torch.nn.TransformerDecoderLayer(*arguments, **configuration)
    ours, theirs = same_weights(
        TransformerDecoder(our_layer, num_layers, our_norm),
        torch.nn.TransformerDecoder(their_layer, num_layers, their_norm),
        rng,
    )
    inputs = draw_sequences(s, configuration["batch_first"], (s.L_q, s.L_k), rng)
    compare(ours, theirs, inputs, draw_decoder_masks(kinds, s, rng), ("dtgt", "dmemory"), kinds[0] == "causal", rng)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@given(
    sizes, seeds, configurations, st.tuples(mask_kinds, padding_kinds), decoder_mask_kinds, layer_counts, layer_counts
)
def test_transformer(s, seed, configuration, source_kinds, kinds, num_encoder_layers, num_decoder_layers):
    """Different weights in every layer, and all six masks."""
    rng = np.random.default_rng(seed)
    arguments = (s.d_model, s.h, num_encoder_layers, num_decoder_layers, s.d_ff, 0.0)
    ours, theirs = same_weights(
        Transformer(*arguments, **configuration), torch.nn.Transformer(*arguments, **configuration), rng
    )
    inputs = draw_sequences(s, configuration["batch_first"], (s.L_k, s.L_q), rng)
    src_mask, src_padding = draw_masks(*source_kinds, s, s.L_k, s.L_k, rng)
    tgt_mask, memory_mask, tgt_padding, memory_padding = draw_decoder_masks(kinds, s, rng)
    masks = (src_mask, tgt_mask, memory_mask, src_padding, tgt_padding, memory_padding)
    compare(ours, theirs, inputs, masks, ("dsrc", "dtgt"), kinds[0] == "causal", rng)


@given(st.integers(1, 9))
def test_the_causal_mask(sz):
    ours = Transformer.generate_square_subsequent_mask(sz)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(sz).numpy()
    np.testing.assert_array_equal(ours, theirs, strict=True)


def layer_with_masks(theirs, x, memory, m, h, norm_first):
    """The decoder layer out of PyTorch's parts, batch-first, with given masks in the places of its dropout."""

    def self_attention(x):
        return attention_with_mask(theirs.self_attn, x, x, m["self_attention"], h) * m["1"]

    def cross_attention(x):
        return attention_with_mask(theirs.multihead_attn, x, memory, m["cross_attention"], h) * m["2"]

    def feed_forward(x):
        return theirs.linear2(torch.relu(theirs.linear1(x)) * m["hidden"]) * m["3"]

    if norm_first:
        u = x + self_attention(theirs.norm1(x))
        v = u + cross_attention(theirs.norm2(u))
        return v + feed_forward(theirs.norm3(v))
    u = theirs.norm1(x + self_attention(x))
    v = theirs.norm2(u + cross_attention(u))
    return theirs.norm3(v + feed_forward(v))


@given(sizes, seeds, st.booleans(), st.sampled_from([0.1, 0.5]))
def test_transformer_decoder_layer_with_dropout(s, seed, norm_first, dropout):
    """The masks that NumPy drew, at the six places: the weights of both attentions, the sublayers, hidden units."""
    rng = np.random.default_rng(seed)
    arguments = (s.d_model, s.h, s.d_ff, dropout)
    options = {"norm_first": norm_first, "batch_first": True}
    ours, theirs = same_weights(
        TransformerDecoderLayer(*arguments, **options), torch.nn.TransformerDecoderLayer(*arguments, **options), rng
    )
    inputs = draw_sequences(s, True, (s.L_q, s.L_k), rng)
    inputs_t = tensors(*inputs)
    out, cache = ours.forward(*inputs, rng=rng)
    m = {
        "self_attention": cache.self_attention.attention.attend.m,
        "cross_attention": cache.cross_attention.attention.attend.m,
        "hidden": cache.feed_forward.m,
    }
    for i in "123":
        m[i] = getattr(cache, f"residual{i}") if norm_first else getattr(cache, f"add_norm{i}").m
    masks = {place: torch.tensor(mask) for place, mask in m.items()}
    out_t = layer_with_masks(theirs, *inputs_t, masks, s.h, norm_first)
    assert_close(out, out_t, "out")
    dout = rng.standard_normal(out.shape)
    out_t.backward(torch.tensor(dout))
    d_inputs, grads = ours.backward(dout, cache)
    for name, d, x_t in zip(("dtgt", "dmemory"), d_inputs, inputs_t, strict=True):
        assert_close(d, x_t.grad, name)
    compare_gradients(theirs, grads)
