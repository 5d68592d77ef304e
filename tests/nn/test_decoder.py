"""PyTorch's TransformerDecoderLayer (3.2), and the stack TransformerDecoder."""

import dataclasses

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.equations.activations import GELU
from minitransformer.layers.decoder import decoder, decoder_backward
from minitransformer.layers.decoder_layer import Masks, decoder_layer, decoder_layer_backward
from minitransformer.layers.encoder_layer import Config
from minitransformer.nn import LayerNorm, TransformerDecoder, TransformerDecoderLayer
from minitransformer.verify.cases.points import loud

L_t, L_s, B, h, d_model = 5, 7, 4, 3, 6
tgt = np.random.default_rng(1).standard_normal((L_t, B, d_model))
memory = np.random.default_rng(2).standard_normal((L_s, B, d_model))
causal = np.triu(np.ones((L_t, L_t), bool), k=1)
holes = np.random.default_rng(3).random((L_t, L_s)) < 0.4
tgt_padding = np.arange(L_t) >= np.array([5, 3, 4, 5])[:, None]  # (B, L_t)
memory_padding = np.arange(L_s) >= np.array([4, 7, 5, 6])[:, None]  # (B, L_s)
all_masks = (causal, holes, tgt_padding, memory_padding)


def layer(**kwargs):
    module = TransformerDecoderLayer(d_model, h, 10, dtype=np.float64, **kwargs)
    module.weights = loud(module.weights, np.random.default_rng(0))
    return module


def stack(num_layers=2, norm=True, **kwargs):
    """Layers with weights of their own."""
    module = TransformerDecoder(layer(**kwargs), num_layers, LayerNorm(d_model, 0.1) if norm else None)
    module.weights = loud(module.weights, np.random.default_rng(0))
    return module


def swapped(*arrays):
    return [array.swapaxes(0, 1) for array in arrays]


layer_and_stack = pytest.mark.parametrize("make", [layer, stack])
both_norms = pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])


def test_names_and_shapes_are_pytorchs():
    assert {name: array.shape for name, array in layer().state_dict().items()} == {
        "self_attn.in_proj_weight": (18, 6),
        "self_attn.in_proj_bias": (18,),
        "self_attn.out_proj.weight": (6, 6),
        "self_attn.out_proj.bias": (6,),
        "multihead_attn.in_proj_weight": (18, 6),
        "multihead_attn.in_proj_bias": (18,),
        "multihead_attn.out_proj.weight": (6, 6),
        "multihead_attn.out_proj.bias": (6,),
        "linear1.weight": (10, 6),
        "linear1.bias": (10,),
        "linear2.weight": (6, 10),
        "linear2.bias": (6,),
        "norm1.weight": (6,),
        "norm1.bias": (6,),
        "norm2.weight": (6,),
        "norm2.bias": (6,),
        "norm3.weight": (6,),
        "norm3.bias": (6,),
    }
    names = [f"layers.{i}.{name}" for i in range(2) for name in layer().state_dict()]
    assert list(stack().state_dict()) == [*names, "norm.weight", "norm.bias"]
    assert list(stack(norm=False).state_dict()) == names


def test_defaults_are_pytorchs():
    """dim_feedforward 2048, dropout 0.1, ReLU, eps 1e-5, sequence-first, post-norm."""
    module = TransformerDecoderLayer(4, 2)
    assert module.state_dict()["linear1.weight"].shape == (2048, 4)
    assert module.config == Config(h=2, dropout=0.1)
    assert module.batch_first is False


def test_start_values_are_pytorchs():
    """Glorot's bounds for the three input projections as one matrix; 1/sqrt(d) elsewhere; gains 1."""
    state = TransformerDecoderLayer(200, 2, 100, rng=np.random.default_rng(0)).state_dict()
    for attention in ("self_attn", "multihead_attn"):
        assert np.abs(state[f"{attention}.in_proj_weight"]).max() == pytest.approx((6 / 800) ** 0.5, rel=1e-3)
        assert not state[f"{attention}.in_proj_bias"].any()
        assert not state[f"{attention}.out_proj.bias"].any()
    assert np.abs(state["linear1.weight"]).max() == pytest.approx(200**-0.5, rel=1e-3)
    assert np.abs(state["linear2.weight"]).max() == pytest.approx(100**-0.5, rel=1e-3)
    assert not np.array_equal(state["self_attn.in_proj_weight"], state["multihead_attn.in_proj_weight"])
    for norm in ("norm1", "norm2", "norm3"):
        assert (state[f"{norm}.weight"] == 1).all()
        assert not state[f"{norm}.bias"].any()


@both_norms
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_it_is_the_packages_decoder(activation, norm_first):
    """After the axes are swapped and the masks inverted: the same values and gradients, of layer and stack."""
    dout = np.random.default_rng(4).standard_normal(tgt.shape)
    masks = Masks(
        target=~causal & ~tgt_padding[:, None, None, :],  # (B, 1, L_t, L_t): over the heads
        memory=~holes & ~memory_padding[:, None, None, :],
    )
    arguments = {"dropout": 0.3, "activation": activation, "layer_norm_eps": 0.2, "norm_first": norm_first}
    one, several = layer(**arguments), stack(**arguments)
    config = Config(h=h, dropout=0.3, activation=one.config.activation, norm_first=norm_first, eps=0.2)
    assert one.config == config
    assert several.config == dataclasses.replace(config, final_eps=0.1)
    assert (one.config.activation is GELU) == (activation == "gelu")
    y, cache = decoder_layer(*swapped(tgt, memory), one.weights, one.config, masks)
    d = decoder_layer_backward(dout.swapaxes(0, 1), cache)
    assert_same(one, dout, y, *d)
    y, cache = decoder(*swapped(tgt, memory), several.weights, several.config, masks)
    d = decoder_backward(dout.swapaxes(0, 1), cache)
    assert_same(several, dout, y, *d)


def assert_same(module, dout, y, dx, dmemory, dweights):
    out, cache = module.forward(tgt, memory, *all_masks)
    assert_allclose(out, y.swapaxes(0, 1), rtol=1e-12, atol=1e-13)
    assert_array_equal(module(tgt, memory, *all_masks), out)
    d, grads = module.backward(dout, cache)
    for ours, theirs in zip(d, swapped(dx, dmemory), strict=True):
        assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
    for name, theirs in module.named(dweights).items():
        assert_allclose(grads[name], theirs, rtol=1e-11, atol=1e-12)


@layer_and_stack
@both_norms
def test_gradients(make, norm_first):
    """dtgt, dmemory and every weight by the complex step, with masks and dropout, sequence-first."""
    module = make(norm_first=norm_first, dropout=0.3)

    def forward(tgt, memory, weights):
        module.weights = weights
        return module.forward(tgt, memory, *all_masks, rng=np.random.default_rng(0))

    def backward(dout, cache):
        d, grads = module.backward(dout, cache)
        return *d, module.from_named(grads)

    assert_gradients(forward, backward, (tgt, memory, module.weights), np.random.default_rng(5))


@layer_and_stack
@both_norms
@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_have_the_names_and_shapes_of_the_state_dict(make, norm_first, batch_first):
    module = make(norm_first=norm_first, batch_first=batch_first, dropout=0.2)
    inputs = swapped(tgt, memory) if batch_first else (tgt, memory)
    out, cache = module.forward(*inputs, rng=np.random.default_rng(0))
    d, grads = module.backward(out, cache)
    assert [dx.shape for dx in d] == [x.shape for x in inputs]
    state = module.state_dict()
    assert {name: grads[name].shape for name in grads} == {name: state[name].shape for name in state}


@layer_and_stack
def test_sequence_first_and_batch_first_are_the_same_numbers(make):
    first, second = make(), make(batch_first=True)
    out, cache = first.forward(tgt, memory, *all_masks)
    out_batch_first, cache_batch_first = second.forward(*swapped(tgt, memory), *all_masks)
    assert_array_equal(out_batch_first.swapaxes(0, 1), out)
    d, grads = first.backward(out, cache)
    d_batch_first, grads_batch_first = second.backward(out_batch_first, cache_batch_first)
    for ours, theirs in zip(swapped(*d_batch_first), d, strict=True):
        assert_array_equal(ours, theirs)
    for name in grads:
        assert_array_equal(grads_batch_first[name], grads[name])


@layer_and_stack
@pytest.mark.parametrize("batch_first", [False, True])
def test_without_a_batch(make, batch_first):
    """(L, d) in, (L, d) out: each sequence of a batch as if it were alone, forward and backward."""
    out, cache = make().forward(tgt, memory, *all_masks)
    (dtgt, dmemory), _ = make().backward(out, cache)
    module = make(batch_first=batch_first)
    for b in range(B):
        alone, cache = module.forward(tgt[:, b], memory[:, b], causal, holes, tgt_padding[b], memory_padding[b])
        assert_allclose(alone, out[:, b], rtol=1e-10, atol=1e-12)
        (dtgt_b, dmemory_b), _ = module.backward(alone, cache)
        assert_allclose(dtgt_b, dtgt[:, b], rtol=1e-10, atol=1e-11)
        assert_allclose(dmemory_b, dmemory[:, b], rtol=1e-10, atol=1e-11)


@layer_and_stack
@both_norms
def test_a_call_evaluates_and_forward_with_rng_trains(make, norm_first):
    """No global mode: dropout acts only where a generator is passed."""
    with_dropout, without = make(dropout=0.5, norm_first=norm_first), make(dropout=0.0, norm_first=norm_first)
    expected = without(tgt, memory)
    assert_array_equal(with_dropout(tgt, memory), expected)
    assert_array_equal(with_dropout.forward(tgt, memory)[0], expected)
    first, second = (with_dropout.forward(tgt, memory, rng=np.random.default_rng(0))[0] for _ in range(2))
    assert_array_equal(first, second)
    assert not np.allclose(first, expected)
    assert_array_equal(without.forward(tgt, memory, rng=np.random.default_rng(0))[0], expected)


@layer_and_stack
def test_float_masks_are_boolean_masks_where_they_are_infinite(make):
    """And what is finite in them is added to the scores."""
    module = make()
    as_floats = [np.where(mask, -np.inf, 0.0) for mask in all_masks]
    expected = module(tgt, memory, *all_masks)
    assert_allclose(module(tgt, memory, *as_floats), expected, rtol=1e-12)
    for i in range(4):
        leaning = [mask + (j == i) * np.linspace(0, 1, mask.shape[-1]) for j, mask in enumerate(as_floats)]
        assert not np.allclose(module(tgt, memory, *leaning), expected)


@layer_and_stack
def test_a_mask_for_each_head_of_each_sequence(make):
    """(B*nhead, L_q, L_k), for target and memory: what one head of one sequence sees is that sequence's alone."""
    module = make()
    tgt_by_head, memory_by_head = (np.repeat(mask[None], B * h, axis=0) for mask in (causal, holes))
    expected = module(tgt, memory, causal, holes)
    assert_allclose(module(tgt, memory, tgt_by_head, memory_by_head), expected, rtol=1e-12)
    for mask in (tgt_by_head, memory_by_head):
        mask[1 * h + 2, :, 0] = True
        out = module(tgt, memory, tgt_by_head, memory_by_head)
        assert_allclose(out[:, [0, 2, 3]], expected[:, [0, 2, 3]], rtol=1e-12)
        assert not np.allclose(out[:, 1], expected[:, 1])
        expected = out


@both_norms
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("i", range(L_t - 1))
def test_nothing_comes_from_a_later_position(num_layers, norm_first, i):
    """Under a causal tgt_mask no value reaches a position from a later one, and no gradient, at any layer."""
    module = stack(num_layers, norm_first=norm_first)
    changed = tgt.copy()
    changed[i + 1 :] *= -2  # a pre-norm layer would not see a shift
    out, cache = module.forward(tgt, memory, causal)
    out_changed, cache_changed = module.forward(changed, memory, causal)
    assert_allclose(out_changed[: i + 1], out[: i + 1], rtol=1e-10)
    assert not np.isclose(out_changed[i + 1 :], out[i + 1 :]).all()
    for layer_cache, layer_changed in zip(cache.layers, cache_changed.layers, strict=True):
        for name in ("self_attention", "cross_attention"):
            x, x_changed = (getattr(c, name).query.x for c in (layer_cache, layer_changed))
            assert_allclose(x_changed[:, : i + 1], x[:, : i + 1], rtol=1e-10)
    dout = np.zeros_like(out)
    dout[: i + 1] = np.random.default_rng(6).standard_normal(dout[: i + 1].shape)
    (dtgt, dmemory), _ = module.backward(dout, cache)
    assert not dtgt[i + 1 :].any()
    assert dtgt[: i + 1].any(axis=-1).all()
    assert dmemory.any(axis=-1).all(), "all of the memory is there for every position"


@layer_and_stack
@both_norms
def test_what_stands_in_padding_changes_nothing(make, norm_first):
    """Real positions come out as if there were none, and no gradient goes into it."""
    module = make(norm_first=norm_first)
    out, cache = module.forward(tgt, memory, *all_masks)
    other_tgt = np.where(tgt_padding.T[..., None], -100 * tgt, tgt)
    other_memory = np.where(memory_padding.T[..., None], -100 * memory, memory)
    real = ~tgt_padding.T
    assert_allclose(module(other_tgt, other_memory, *all_masks)[real], out[real], rtol=1e-10, atol=1e-12)
    dout = np.random.default_rng(6).standard_normal(out.shape) * real[..., None]
    (dtgt, dmemory), _ = module.backward(dout, cache)
    assert not dtgt[~real].any()
    assert not dmemory[memory_padding.T].any()
    assert dtgt[real].any(axis=-1).all()
    for b in range(B):
        n_t, n_s = (~tgt_padding[b]).sum(), (~memory_padding[b]).sum()
        alone = module(tgt[:n_t, b], memory[:n_s, b], causal[:n_t, :n_t], holes[:n_t, :n_s])
        assert_allclose(out[:n_t, b], alone, rtol=1e-10, atol=1e-12)


@layer_and_stack
def test_a_memory_of_nothing_but_padding_is_not_nan(make):
    """PyTorch gives NaN here; the package's rule is weights 0: nothing is read from it, and it gets no gradient."""
    padding = np.zeros((B, L_s), bool)
    padding[1] = True
    out, cache = make().forward(tgt, memory, memory_key_padding_mask=padding)
    assert np.isfinite(out).all()
    (dtgt, dmemory), grads = make().backward(out, cache)
    assert all(np.isfinite(array).all() for array in (dtgt, dmemory, *grads.values()))
    assert not dmemory[:, 1].any()
    assert dmemory[:, 0].any()


def test_a_stack_copies_its_layer():
    """As PyTorch's: all layers start equal, and the given one is not among them."""
    module, norm = layer(), LayerNorm(d_model, dtype=np.float64, eps=0.1)
    copies = TransformerDecoder(module, 2, norm)
    expected = norm(module(module(tgt, memory, *all_masks), memory, *all_masks))
    assert_allclose(copies(tgt, memory, *all_masks), expected, rtol=1e-12)
    before = copies.state_dict()
    module.weights.norm1.gamma[:] = 7
    norm.weights.gamma[:] = 7
    copies.weights.layers[0].norm3.gamma[:] = 7
    for name, array in copies.state_dict().items():
        assert_array_equal(array, 7 if name == "layers.0.norm3.weight" else before[name])


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@both_norms
def test_float32_stays_float32(activation, norm_first):
    """Also under float64 masks."""
    module = TransformerDecoderLayer(d_model, h, 10, 0.3, activation, norm_first=norm_first)
    masks = [np.zeros(mask.shape) for mask in all_masks]
    for m in (module, TransformerDecoder(module, 2, LayerNorm(d_model))):
        inputs = [x.astype(np.float32) for x in (tgt, memory)]
        out, cache = m.forward(*inputs, *masks, rng=np.random.default_rng(0))
        d, grads = m.backward(out, cache)
        assert_float32(out, d, *grads.values())


@layer_and_stack
def test_bad_input_is_refused(make):
    module = make()
    with refuses(ValueError, "tgt: got shape (5, 4, 3), expected 6 features on the last axis"):
        module(tgt[..., :3], memory)
    with refuses(ValueError, "memory: got shape (7, 4, 3), expected 6 features on the last axis"):
        module(tgt, memory[..., :3])
    with refuses(ValueError, "tgt: got shape (6,), expected at least 2 axes"):
        module(tgt[0, 0], memory)
    with refuses(ValueError, "memory: got shape (1, 7, 4, 6), expected 3 axes, or 2 without a batch"):
        module(tgt, memory[None])
    with refuses(TypeError, "memory: got list, expected a NumPy array of floating-point numbers"):
        module(tgt, memory.tolist())
    with refuses(ValueError, "memory: got a batch of (1,), expected tgt's, (4,)"):
        module(tgt, memory[:, :1])
    with refuses(ValueError, "memory: got a batch of (), expected tgt's, (4,)"):
        module(tgt, memory[:, 0])
    with refuses(ValueError, "memory: got a batch of (4,), expected tgt's, ()"):
        module(tgt[:, 0], memory)
    with refuses(ValueError, "memory: got a batch of (7,), expected tgt's, (5,)"):
        make(batch_first=True)(tgt, memory)
    with refuses(ValueError, "tgt_mask: got shape (5, 7), expected (5, 5) or (12, 5, 5)"):
        module(tgt, memory, holes)
    with refuses(ValueError, "memory_mask: got shape (5, 5), expected (5, 7) or (12, 5, 7)"):
        module(tgt, memory, None, causal)
    with refuses(ValueError, "tgt_key_padding_mask: got shape (4, 7), expected (4, 5)"):
        module(tgt, memory, tgt_key_padding_mask=memory_padding)
    with refuses(ValueError, "memory_key_padding_mask: got shape (4, 5), expected (4, 7)"):
        module(tgt, memory, memory_key_padding_mask=tgt_padding)
    message = "expected an array, boolean (True = masked out) or float (added to the scores)"
    with refuses(TypeError, f"memory_mask: got dtype int64, {message}"):
        module(tgt, memory, None, holes.astype(np.int64))
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        module.forward(tgt, memory, rng=1)
    _, cache = module.forward(tgt, memory)
    with refuses(ValueError, "dout: got shape (4, 5, 6), expected (5, 4, 6)"):
        module.backward(tgt.swapaxes(0, 1), cache)


def test_bad_arguments_are_refused():
    with refuses(ValueError, "nhead: got 4 heads, expected a number that divides the 6 features of d_model"):
        TransformerDecoderLayer(6, 4)
    with refuses(ValueError, "d_model: got 0, expected 1 or more"):
        TransformerDecoderLayer(0, 1)
    with refuses(ValueError, "dim_feedforward: got 0, expected 1 or more"):
        TransformerDecoderLayer(6, 3, 0)
    with refuses(ValueError, "dropout: got -0.1, expected a probability in [0, 1)"):
        TransformerDecoderLayer(6, 3, 10, -0.1)
    with refuses(ValueError, "activation: got 'swish', expected one of 'relu', 'gelu'"):
        TransformerDecoderLayer(6, 3, 10, activation="swish")
    with refuses(ValueError, "layer_norm_eps: got 0, expected a finite number above 0"):
        TransformerDecoderLayer(6, 3, 10, layer_norm_eps=0)
    with refuses(TypeError, "decoder_layer: got str, expected a TransformerDecoderLayer"):
        TransformerDecoder("layer", 2)
    with refuses(ValueError, "num_layers: got 0, expected 1 or more"):
        TransformerDecoder(layer(), 0)
    with refuses(TypeError, "norm: got float, expected a LayerNorm or None"):
        TransformerDecoder(layer(), 2, 1e-5)
