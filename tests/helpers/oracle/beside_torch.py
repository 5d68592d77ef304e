"""What the comparisons with PyTorch's modules share: loud weights, masks, errors relative to each tensor's norm."""

import numpy as np
import pytest
from hypothesis import strategies as st

from minitransformer.nn import LayerNorm

torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")

torch.set_num_threads(1)  # tensors are small: where cores are busy, threads would wait for one another

TOLERANCE = 1e-12


def assert_close(ours, theirs, name):
    """|ours - theirs| <= 1e-12 |theirs|, and equal shapes."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, name
    error = np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-300)
    assert error < TOLERANCE, f"{name}: relative error {error:.1e}"


def loud_state(module, rng):
    """Weights of order 0.5, gains around 1, no bias 0."""

    def draw(name, shape):
        gain = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        return gain + 0.5 * rng.standard_normal(shape)

    return {name: draw(name, array.shape) for name, array in module.state_dict().items()}


def same_weights(ours, theirs, rng):
    """Load one loud state dict into both: the names and shapes must be the same, `strict`."""
    state = loud_state(ours, rng)
    ours.load_state_dict(state)
    theirs.double().load_state_dict({name: torch.tensor(array) for name, array in state.items()}, strict=True)
    for name, tensor in theirs.state_dict().items():
        assert ours.state_dict()[name].shape == tuple(tensor.shape)
    return ours, theirs


def tensors(*arrays):
    return [torch.tensor(array, requires_grad=True) for array in arrays]


def compare_gradients(theirs, grads):
    """All parameters, by name; PyTorch's key bias gets a gradient of rounding errors around 0."""
    parameters = dict(theirs.named_parameters())
    assert grads.keys() == parameters.keys()
    for name, parameter in parameters.items():
        assert_close(grads[name], parameter.grad, name)


mask_kinds = st.sampled_from(["none", "bool", "float", "bool by head", "float by head"])
padding_kinds = st.sampled_from(["none", "bool", "float"])


def draw_masks(mask_kind, padding_kind, s, L_q, L_k, rng):
    """PyTorch's masks. Its own arithmetic gives NaN for a fully masked query, so here each may attend to key 0."""
    shape = (s.B * s.h, L_q, L_k) if "by head" in mask_kind else (L_q, L_k)
    mask, padding = rng.random(shape) < 0.4, rng.random((s.B, L_k)) < 0.4
    mask[..., 0] = padding[..., 0] = False
    as_float = "float" in mask_kind or padding_kind == "float"  # PyTorch wants both of one kind
    attn_mask = None if mask_kind == "none" else floats(mask, rng) if as_float else mask
    key_padding_mask = None if padding_kind == "none" else floats(padding, rng) if as_float else padding
    return attn_mask, key_padding_mask


def floats(mask, rng):
    return np.where(mask, -np.inf, rng.standard_normal(mask.shape))


def tensor_or_none(array):
    return None if array is None else torch.tensor(array)


# of a stack's final norm, if it has one
final_norms = st.sampled_from([None, {}, {"bias": False}, {"elementwise_affine": False}])


def both_norms(d_model, options):
    """Ours and PyTorch's."""
    if options is None:
        return None, None
    return LayerNorm(d_model, **options), torch.nn.LayerNorm(d_model, **options)


configurations = st.fixed_dictionaries(
    {
        "activation": st.sampled_from(["relu", "gelu", torch.relu, torch.nn.functional.gelu]),
        "norm_first": st.booleans(),
        "batch_first": st.booleans(),
        "bias": st.booleans(),
        "layer_norm_eps": st.sampled_from([1e-5, 0.01]),
    }
)


def attention_with_mask(attention, x, memory, m, h):
    """nn.MultiheadAttention out of its parts, batch-first, with a given mask `m` in the place of its dropout."""
    W_Q, W_K, W_V = attention.in_proj_weight.chunk(3)
    b_Q, b_K, b_V = attention.in_proj_bias.chunk(3)
    Q, K, V = x @ W_Q.T + b_Q, memory @ W_K.T + b_K, memory @ W_V.T + b_V
    Q, K, V = (t.unflatten(-1, (h, -1)).transpose(-3, -2) for t in (Q, K, V))
    alpha = torch.softmax(Q @ K.mT / Q.shape[-1] ** 0.5, dim=-1)
    return attention.out_proj(((alpha * m) @ V).transpose(-3, -2).flatten(-2))
