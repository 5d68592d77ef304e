"""What the encoder layer, the decoder layer and the Transformer share: activation, no biases, is_causal."""

import functools

import numpy as np
import pytest
from assertions import assert_module_gradients, refuses
from numpy.testing import assert_array_equal

from minitransformer import nn
from minitransformer.equations.activations import GELU, GELU_TANH, RELU, gelu, relu
from minitransformer.layers.encoder_layer import Config
from minitransformer.nn.layer import activation_op

L_s, L_t, B, h, d_model = 5, 4, 3, 2, 6
src = np.random.default_rng(1).standard_normal((L_s, B, d_model))
tgt = np.random.default_rng(2).standard_normal((L_t, B, d_model))
causal = ~np.tri(L_s, dtype=bool)
padding = np.arange(L_s) >= np.array([5, 3, 4])[:, None]
tgt_causal, memory_causal = ~np.tri(L_t, dtype=bool), ~np.tri(L_t, L_s, dtype=bool)


def encoder(**kwargs):
    return nn.TransformerEncoder(encoder_layer(**kwargs), 2, nn.LayerNorm(d_model, bias=kwargs.get("bias", True)))


def decoder(**kwargs):
    return nn.TransformerDecoder(decoder_layer(**kwargs), 2, nn.LayerNorm(d_model, elementwise_affine=False))


encoder_layer = functools.partial(nn.TransformerEncoderLayer, d_model, h, 8)
decoder_layer = functools.partial(nn.TransformerDecoderLayer, d_model, h, 8)
transformer = functools.partial(nn.Transformer, d_model, h, 1, 1, 8)
INPUTS = {
    encoder_layer: (src,),
    encoder: (src,),
    decoder_layer: (tgt, src),
    decoder: (tgt, src),
    transformer: (src, tgt),
}
NAMES = ("encoder layer", "encoder", "decoder layer", "decoder", "transformer")
every_kind = pytest.mark.parametrize("make", INPUTS, ids=NAMES)


@pytest.mark.parametrize(("name", "op"), [("relu", RELU), ("gelu", GELU)])
def test_an_activation_is_text_or_a_function_of_that_name(name, op):
    """PyTorch's, which says where it is from, or that of `nn.functional`; an Op is taken as it is."""
    like_pytorchs = functools.wraps(getattr(nn.functional, name))(lambda x: x)
    like_pytorchs.__module__ = "torch._C._nn"
    for activation in (name, getattr(nn.functional, name), like_pytorchs, op):
        assert activation_op(activation) is op
        assert encoder_layer(activation=activation).config.activation is op
    assert activation_op(GELU_TANH) is GELU_TANH
    assert [activation_op(f) for f in (relu, gelu)] == [RELU, GELU]


def test_another_function_is_refused_even_if_it_is_called_gelu():
    """Its backward is not known, and what it computes is not, either."""

    def gelu(x):
        return x

    for activation in (gelu, np.tanh, nn.functional.softmax, functools.partial(nn.functional.gelu, approximate="tanh")):
        with pytest.raises(ValueError, match=r"^activation: got .*, expected 'relu' or 'gelu', PyTorch's function"):
            encoder_layer(activation=activation)
    for activation in ("swish", None, 3):
        with refuses(ValueError, f"activation: got {activation!r}, expected one of 'relu', 'gelu'"):
            decoder_layer(activation=activation)


@every_kind
def test_without_biases(make):
    """No name of the state dict, and none of the gradients, is a bias; at the same weights all biases are 0."""
    module, with_biases = make(bias=False), make()
    names = [name for name in with_biases.state_dict() if not name.endswith("bias")]
    state = module.state_dict()
    assert list(state) == names
    zeros = {name: np.zeros_like(array) for name, array in with_biases.state_dict().items()}
    with_biases.load_state_dict(zeros | state)
    out, cache = module.forward(*INPUTS[make])
    assert_array_equal(out, with_biases(*INPUTS[make]))
    _, grads = module.backward(out, cache)
    assert list(grads) == names


@every_kind
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients(make, norm_first, bias):
    """Of the inputs and of every parameter that there is."""
    assert_module_gradients(make(norm_first=norm_first, bias=bias), INPUTS[make], np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "masks", "hints"),
    [
        (encoder_layer, {"src_mask": causal, "src_key_padding_mask": padding}, {"src_mask": "is_causal"}),
        (encoder, {"mask": causal, "src_key_padding_mask": padding}, {"mask": "is_causal"}),
        *(
            (
                make,
                {"tgt_mask": tgt_causal, "memory_mask": memory_causal, "memory_key_padding_mask": padding},
                {"tgt_mask": "tgt_is_causal", "memory_mask": "memory_is_causal"},
            )
            for make in (decoder_layer, decoder)
        ),
        (
            transformer,
            {"src_mask": causal, "tgt_mask": tgt_causal, "memory_mask": memory_causal, "src_key_padding_mask": padding},
            {"src_mask": "src_is_causal", "tgt_mask": "tgt_is_causal", "memory_mask": "memory_is_causal"},
        ),
    ],
    ids=NAMES,
)
def test_is_causal_is_a_hint(make, masks, hints):
    """Where it is right it changes nothing; each has its mask, and is refused without it and with another."""
    module, inputs = make(rng=np.random.default_rng(0)), INPUTS[make]
    out = module(*inputs, **masks)
    assert_array_equal(module(*inputs, **masks, **dict.fromkeys(hints.values(), True)), out)
    assert_array_equal(module(*inputs, **masks, **dict.fromkeys(hints.values(), False)), out)
    for mask, hint in hints.items():
        with refuses(ValueError, f"{mask}: got None, expected the causal mask, as {hint} is True"):
            module(*inputs, **{hint: True})
        with refuses(ValueError, f"{mask}: got another mask, expected the causal one, as {hint} is True"):
            module(*inputs, **{mask: np.zeros_like(masks[mask]), hint: True})


def test_a_stack_takes_none_for_no_hint():
    """PyTorch's stacks then look at the mask themselves."""
    for make, hint in ((encoder, "is_causal"), (decoder, "tgt_is_causal")):
        module = make(rng=np.random.default_rng(0))
        assert_array_equal(module(*INPUTS[make], **{hint: None}), module(*INPUTS[make]))


def test_arguments_have_pytorchs_places():
    """dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias."""
    for make in (encoder_layer, decoder_layer, transformer):
        custom = (None, None) if make is transformer else ()  # custom_encoder, custom_decoder
        module = make(0.3, "gelu", *custom, 0.1, True, True, False)
        final_eps = 0.1 if make is transformer else None
        config = Config(h=h, dropout=0.3, activation=GELU, norm_first=True, eps=0.1, final_eps=final_eps)
        assert module.config == config
        assert module.batch_first is True
        assert not any(name.endswith("bias") for name in module.state_dict())


def test_the_final_norm_must_fit():
    """A LayerNorm over the features of a position."""
    with refuses(ValueError, "norm: got normalized_shape (5,), expected (6,)"):
        nn.TransformerEncoder(encoder_layer(), 2, nn.LayerNorm(5))
    with refuses(ValueError, "norm: got normalized_shape (2, 3), expected (6,)"):
        nn.TransformerDecoder(decoder_layer(), 2, nn.LayerNorm((2, 3)))
    with refuses(TypeError, "norm: got RMSNorm, expected a LayerNorm or None"):
        nn.TransformerEncoder(encoder_layer(), 2, nn.RMSNorm(6))
