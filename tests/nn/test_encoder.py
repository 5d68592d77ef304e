"""Section 5's TransformerEncoderLayer, and the stack TransformerEncoder."""

import numpy as np
import pytest
from assertions import assert_float32, refuses
from numpy.testing import assert_allclose, assert_array_equal

import minitransformer
from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config, encoder_layer
from minitransformer.nn import LayerNorm, TransformerEncoder, TransformerEncoderLayer


def layer(**kwargs):
    return TransformerEncoderLayer(6, 3, 10, dtype=np.float64, rng=np.random.default_rng(0), **kwargs)


src = np.random.default_rng(1).standard_normal((5, 2, 6))  # (L, B, d_model)


def test_the_usage_example_of_section_5():
    """As printed, but for the import and the random source: (10, 32, 512) in and out."""
    d_model = 512
    nhead = 8
    dim_feedforward = 2048
    dropout = 0.1
    encoder_layer = minitransformer.TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout=dropout)
    src = np.random.default_rng(0).standard_normal((10, 32, 512)).astype(np.float32)
    out = encoder_layer(src)
    assert out.shape == (10, 32, 512)
    assert out.dtype == np.float32


def test_names_and_shapes_are_pytorchs():
    assert {name: array.shape for name, array in layer().state_dict().items()} == {
        "self_attn.in_proj_weight": (18, 6),
        "self_attn.in_proj_bias": (18,),
        "self_attn.out_proj.weight": (6, 6),
        "self_attn.out_proj.bias": (6,),
        "linear1.weight": (10, 6),
        "linear1.bias": (10,),
        "linear2.weight": (6, 10),
        "linear2.bias": (6,),
        "norm1.weight": (6,),
        "norm1.bias": (6,),
        "norm2.weight": (6,),
        "norm2.bias": (6,),
    }
    stack = TransformerEncoder(layer(), 2, norm=LayerNorm(6))
    names = [f"layers.{i}.{name}" for i in range(2) for name in layer().state_dict()]
    assert list(stack.state_dict()) == [*names, "norm.weight", "norm.bias"]


def test_defaults_are_pytorchs():
    """dim_feedforward 2048, dropout 0.1, ReLU, eps 1e-5, sequence-first, post-norm."""
    module = TransformerEncoderLayer(4, 2)
    assert module.state_dict()["linear1.weight"].shape == (2048, 4)
    assert module.config == Config(h=2, dropout=0.1)
    assert module.batch_first is False


def test_arguments_reach_the_layer():
    module = layer(dropout=0.3, activation="gelu", layer_norm_eps=0.1, norm_first=True)
    assert module.config == Config(h=3, dropout=0.3, activation=GELU, norm_first=True, eps=0.1)
    expected, _ = encoder_layer(src.swapaxes(0, 1), module.weights, module.config)
    assert_allclose(module(src), expected.swapaxes(0, 1), rtol=1e-12)


def test_sequence_first_not_batch_first():
    """Section 5's first dimension is the sequence: each of the B columns is a sequence of its own."""
    out = layer()(src)
    for b in range(2):
        assert_allclose(out[:, b], layer()(src[:, b]), rtol=1e-10, atol=1e-12)
    assert_array_equal(layer(batch_first=True)(src.swapaxes(0, 1)), out.swapaxes(0, 1))
    assert not np.allclose(layer(batch_first=True)(src), out)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_call_evaluates_and_forward_with_rng_trains(norm_first):
    """No global mode: dropout acts only where a generator is passed."""
    with_dropout, without = layer(dropout=0.5, norm_first=norm_first), layer(dropout=0.0, norm_first=norm_first)
    assert_array_equal(with_dropout(src), without(src))
    assert_array_equal(with_dropout.forward(src)[0], without(src))
    assert not np.allclose(with_dropout.forward(src, rng=np.random.default_rng(0))[0], without(src))
    stack = TransformerEncoder(with_dropout, 2)
    assert_array_equal(stack(src), stack.forward(src)[0])
    assert not np.allclose(stack.forward(src, rng=np.random.default_rng(0))[0], stack(src))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_have_the_shapes_of_input_and_state_dict(norm_first, batch_first):
    """grads is a dict with the state dict's names, for the layer and for the stack."""
    module = layer(norm_first=norm_first, batch_first=batch_first, dropout=0.2)
    for m in (module, TransformerEncoder(module, 2, LayerNorm(6))):
        out, cache = m.forward(src, rng=np.random.default_rng(0))
        dsrc, grads = m.backward(out, cache)
        assert dsrc.shape == src.shape
        state = m.state_dict()
        assert {name: grads[name].shape for name in grads} == {name: state[name].shape for name in state}


def test_a_boolean_mask_masks_out_where_it_is_true():
    """PyTorch's convention, opposite to the package's: under the usual causal mask no value comes from the future."""
    causal = np.triu(np.ones((5, 5), bool), k=1)
    changed = src.copy()
    changed[3:] += 1
    for module in (layer(), TransformerEncoder(layer(), 2)):
        assert_allclose(module(changed, causal)[:3], module(src, causal)[:3], rtol=1e-10)
        as_float = np.where(causal, -np.inf, 0.0)
        assert_allclose(module(src, as_float), module(src, causal), rtol=1e-12)


def test_padding_masks_out_where_it_is_true():
    """Real positions come out as in a sequence without padding."""
    padding = np.array([[False] * 5, [False, False, False, True, True]])
    for module in (layer(), TransformerEncoder(layer(), 2, LayerNorm(6, dtype=np.float64))):
        out = module(src, src_key_padding_mask=padding)
        assert_allclose(out[:3, 1], module(src[:3, 1]), rtol=1e-10, atol=1e-12)
        assert_allclose(out[:, 0], module(src[:, 0]), rtol=1e-10, atol=1e-12)


def test_a_fully_masked_sequence_is_not_nan():
    """PyTorch gives NaN here; the package's rule is weights 0."""
    assert np.isfinite(layer()(src, src_key_padding_mask=np.ones((2, 5), bool))).all()


def test_a_stack_copies_its_layer():
    """As PyTorch's: all layers start equal, and the given one is not among them."""
    module, norm = layer(), LayerNorm(6, dtype=np.float64, eps=0.1)
    stack = TransformerEncoder(module, 2, norm)
    assert_allclose(stack(src), norm(module(module(src))), rtol=1e-12)
    module.weights.norm1.gamma[:] = 7
    norm.weights.gamma[:] = 7
    state = stack.state_dict()
    assert state["layers.0.norm1.weight"].tolist() == state["norm.weight"].tolist() == [1] * 6
    stack.weights.layers[0].norm1.gamma[:] = 7
    assert stack.state_dict()["layers.1.norm1.weight"].tolist() == [1] * 6


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_float32_stays_float32(activation, norm_first):
    """Also under float64 masks."""
    module = TransformerEncoderLayer(6, 3, 10, 0.3, activation, norm_first=norm_first)
    for m in (module, TransformerEncoder(module, 2, LayerNorm(6))):
        x = src.astype(np.float32)
        out, cache = m.forward(x, np.zeros((5, 5)), np.zeros((2, 5)), rng=np.random.default_rng(0))
        dsrc, grads = m.backward(out, cache)
        assert_float32(out, dsrc, *grads.values())


def test_bad_input_is_refused():
    stack = TransformerEncoder(layer(), 2)
    for module, mask_name in ((layer(), "src_mask"), (stack, "mask")):
        with refuses(ValueError, "src: got shape (5, 2, 4), expected 6 features on the last axis"):
            module(src[..., :4])
        with refuses(ValueError, "src: got shape (6,), expected at least 2 axes"):
            module(src[0, 0])
        with refuses(ValueError, "src: got shape (1, 5, 2, 6), expected 3 axes, or 2 without a batch"):
            module(src[None])
        with refuses(TypeError, "src: got list, expected a NumPy array of floating-point numbers"):
            module(src.tolist())
        with refuses(ValueError, f"{mask_name}: got shape (2, 2), expected (5, 5) or (6, 5, 5)"):
            module(src, np.zeros((2, 2), bool))
        with refuses(ValueError, "src_key_padding_mask: got shape (5, 2), expected (2, 5)"):
            module(src, None, np.zeros((5, 2), bool))
        with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
            module.forward(src, rng=1)
        _, cache = module.forward(src)
        with refuses(ValueError, "dout: got shape (2, 5, 6), expected (5, 2, 6)"):
            module.backward(src.swapaxes(0, 1), cache)


def test_bad_arguments_are_refused():
    with refuses(ValueError, "nhead: got 4 heads, expected a number that divides the 6 features of d_model"):
        TransformerEncoderLayer(6, 4)
    with refuses(ValueError, "d_model: got 0, expected 1 or more"):
        TransformerEncoderLayer(0, 1)
    with refuses(ValueError, "dim_feedforward: got 0, expected 1 or more"):
        TransformerEncoderLayer(6, 3, 0)
    with refuses(ValueError, "dropout: got -0.1, expected a probability in [0, 1)"):
        TransformerEncoderLayer(6, 3, 10, -0.1)
    with refuses(ValueError, "activation: got 'swish', expected one of 'relu', 'gelu'"):
        TransformerEncoderLayer(6, 3, 10, activation="swish")
    with refuses(ValueError, "layer_norm_eps: got 0, expected a finite number above 0"):
        TransformerEncoderLayer(6, 3, 10, layer_norm_eps=0)
    with refuses(TypeError, "encoder_layer: got str, expected a TransformerEncoderLayer"):
        TransformerEncoder("layer", 2)
    with refuses(ValueError, "num_layers: got 0, expected 1 or more"):
        TransformerEncoder(layer(), 0)
    with refuses(TypeError, "norm: got float, expected a LayerNorm or None"):
        TransformerEncoder(layer(), 2, 1e-5)
