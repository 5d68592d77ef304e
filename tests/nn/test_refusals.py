"""What PyTorch takes and `nn/` refuses: the README's table, line by line, each by an error that names the argument."""

from pathlib import Path

import numpy as np
import pytest

from minitransformer import nn

F = nn.functional
README = Path(__file__).parents[2] / "README.md"

x = np.random.default_rng(0).standard_normal((5, 2, 4))
table, ids = np.ones((3, 4)), np.array([0, 2])
logits, classes = np.ones((2, 3)), np.array([0, 2])


def layer(**kwargs):
    return nn.TransformerEncoderLayer(4, 2, 8, **kwargs)


def attention(**kwargs):
    return nn.MultiheadAttention(4, 2)(x, x, x, **kwargs)


def both_gradients():
    """Of the output and of the weights, as PyTorch's call returns them."""
    module = nn.MultiheadAttention(4, 2)
    _, cache = module.forward(x, x, x)
    return module.backward(module(x, x, x), cache)


REFUSALS = {
    "`device`": [(lambda: nn.Linear(4, 5, device="cpu"), "device"), (lambda: layer(device="cpu"), "device")],
    "`dtype` of half precision": [
        (lambda: layer(dtype=np.float16), "dtype"),
        (lambda: nn.Linear(4, 5)(x.astype(np.float16)), "input"),
    ],
    "`activation`, any other function": [(lambda: layer(activation=np.tanh), "activation")],
    "`norm` of a stack, other than a `LayerNorm` over `d_model` features": [
        (lambda: nn.TransformerEncoder(layer(), 2, nn.RMSNorm(4)), "norm"),
        (lambda: nn.TransformerEncoder(layer(), 2, nn.LayerNorm((2, 4))), "norm"),
    ],
    "`custom_encoder`, `custom_decoder`": [
        (lambda: nn.Transformer(4, 2, custom_encoder=layer()), "custom_encoder"),
        (lambda: nn.Transformer(4, 2, custom_decoder=layer()), "custom_decoder"),
    ],
    "`enable_nested_tensor`, `mask_check`": [
        (lambda: nn.TransformerEncoder(layer(), 2, enable_nested_tensor=False), "enable_nested_tensor"),
        (lambda: nn.TransformerEncoder(layer(), 2, mask_check=False), "mask_check"),
    ],
    "`is_causal=True` without a mask, or with another than the causal one": [
        (lambda: layer()(x, is_causal=True), "is_causal"),
        (lambda: attention(attn_mask=np.zeros((5, 5), bool), is_causal=True), "is_causal"),
    ],
    "a gradient of the attention weights that `MultiheadAttention` returns": [(both_gradients, "dout")],
    "`eps` of 0 or less": [
        (lambda: F.layer_norm(x, 4, eps=-0.5), "eps"),
        (lambda: nn.RMSNorm(4, eps=0.0), "eps"),
        (lambda: layer(layer_norm_eps=0.0), "layer_norm_eps"),
    ],
    "`softmax` and `log_softmax` over no numbers": [
        (lambda: F.softmax(x[:0], 0), "input"),
        (lambda: F.log_softmax(x[:0], 0), "input"),
    ],
    "`embedding(max_norm=..., norm_type=...)`": [
        (lambda: F.embedding(ids, table, max_norm=1.0), "max_norm"),
        (lambda: F.embedding(ids, table, norm_type=1.0), "norm_type"),
    ],
    "`embedding(scale_grad_by_freq=True)`": [
        (lambda: F.embedding(ids, table, scale_grad_by_freq=True), "scale_grad_by_freq")
    ],
    "`embedding(sparse=True)`": [(lambda: F.embedding(ids, table, sparse=True), "sparse")],
    "`cross_entropy(size_average=..., reduce=...)`": [
        (lambda: F.cross_entropy(logits, classes, size_average=True), "size_average"),
        (lambda: F.cross_entropy(logits, classes, reduce=True), "reduce"),
    ],
    "`scaled_dot_product_attention(scale=..., enable_gqa=...)`": [
        (lambda: F.scaled_dot_product_attention(x, x, x, scale=1.0), "scale"),
        (lambda: F.scaled_dot_product_attention(x, x, x, enable_gqa=True), "enable_gqa"),
    ],
    "a sequence without positions, or no key": [
        (lambda: layer()(x[:0]), "src"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x[:0], x[:0]), "key"),
        (lambda: F.scaled_dot_product_attention(x, x[:, :0], x[:, :0]), "key"),
    ],
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_refused_is_refused_by_name(what):
    for call, argument in REFUSALS[what]:
        with pytest.raises((TypeError, ValueError), match=argument):
            call()


def test_the_table_of_the_readme_has_these_lines():
    """And no others."""
    _, _, below = README.read_text(encoding="utf-8").partition("| refused | why |\n|---|---|\n")
    lines = below.partition("\n\n")[0].splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(REFUSALS)


def test_two_results_differ_on_purpose():
    """PyTorch gives NaN: where all keys of a query are masked, and for a mean over nothing."""
    out, weights = attention(attn_mask=np.ones((5, 5), bool))
    assert not weights.any()
    assert np.isfinite(out).all()
    assert F.cross_entropy(logits, np.array([-100, -100]))[0] == 0
