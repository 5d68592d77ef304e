"""The inputs of PyTorch's own tests, given verbatim: values, and the gradients of all inputs and weights.

PyTorch ships them with its package: for each module what to construct it with and what to call it with (`module_db`),
for each function what to call it with (`op_db`). Weights are loud, upstream gradients random; the modules evaluate, and
PyTorch's fast path is off. What is refused, `refusal` says; the README has the reasons.
"""

import collections
import inspect
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from oracle.beside_torch import assert_close, same_weights, torch

pytest.importorskip("expecttest", reason="the extra `oracle` is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what PyTorch's tests import
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db

from assertions import refuses

from minitransformer import nn

F = nn.functional

MODULES = {  # how many PyTorch 2.13 has; all are equal
    "Linear": 3,
    "LayerNorm": 7,
    "RMSNorm": 6,
    "MultiheadAttention": 64,
    "TransformerEncoderLayer": 35,
    "TransformerDecoderLayer": 67,
    "TransformerEncoder": 35,
    "Transformer": 64,
}
OPS = {  # how many are equal, and how many are refused
    "softmax": (12, 2),
    "log_softmax": (12, 2),
    "gelu": (8, 0),
    "layer_norm": (5, 1),
    "rms_norm": (5, 1),
    "linear": (18, 0),
    "embedding": (5, 5),
    "cross_entropy": (21, 0),
    "scaled_dot_product_attention": (25, 0),
}
since_2_13 = pytest.mark.skipif(not torch.__version__.startswith("2.13"), reason="other versions have other inputs")


def arrays(tree):
    """Tensors become NumPy arrays, dtypes NumPy's, a layer of PyTorch's one of ours; what is Python's stays."""
    if isinstance(tree, torch.Tensor):
        return tree.numpy(force=True)
    if isinstance(tree, torch.dtype):
        return torch.empty(0, dtype=tree).numpy().dtype
    if isinstance(tree, torch.nn.TransformerEncoderLayer):
        return our_layer(tree)
    if isinstance(tree, tuple | list):
        return type(tree)(map(arrays, tree))
    if isinstance(tree, dict):
        return {name: arrays(value) for name, value in tree.items()}
    return tree


def our_layer(theirs):
    """The inputs of a stack contain a layer that is made already."""
    return nn.TransformerEncoderLayer(
        theirs.self_attn.embed_dim,
        theirs.self_attn.num_heads,
        theirs.linear1.out_features,
        theirs.dropout.p,
        theirs.activation,
        theirs.norm1.eps,
        theirs.self_attn.batch_first,
        theirs.norm_first,
        theirs.linear1.bias is not None,
    )


def module_inputs():
    torch.manual_seed(0)
    for info in module_db:
        name = info.module_cls.__name__
        if name in MODULES:
            samples = info.module_inputs_func(info, "cpu", torch.float64, requires_grad=True, training=False)
            for number, sample in enumerate(samples):
                yield pytest.param(info.module_cls, sample, id=f"{name}-{number}-{sample.desc or 'plain'}")


MODULE_INPUTS = list(module_inputs())


@pytest.fixture
def no_fast_path():
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.usefixtures("no_fast_path")
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize(("module_cls", "sample"), MODULE_INPUTS)
def test_a_module_takes_what_pytorchs_takes(module_cls, sample):
    """Made, called and differentiated in the same way; MultiheadAttention's attention weights are equal, too."""
    rng = np.random.default_rng(0)
    make, call = sample.constructor_input, sample.forward_input
    ours, theirs = same_weights(
        getattr(nn, module_cls.__name__)(*arrays(make.args), **arrays(make.kwargs)),
        module_cls(*make.args, **make.kwargs).eval(),
        rng,
    )
    results = as_tuple(ours(*arrays(call.args), **arrays(call.kwargs)))
    results_t = as_tuple(theirs(*call.args, **call.kwargs))
    for result, result_t in zip(results, results_t, strict=True):
        assert_close(result, result_t, "result")
    out, cache = ours.forward(*arrays(call.args), **arrays(call.kwargs))
    np.testing.assert_array_equal(out, results[0])
    dout = rng.standard_normal(out.shape)
    d, grads = ours.backward(dout, cache)
    inputs_t = [x for x in (*call.args, *call.kwargs.values()) if isinstance(x, torch.Tensor) and x.requires_grad]
    parameters = dict(theirs.named_parameters())
    found = torch.autograd.grad(results_t[0], [*inputs_t, *parameters.values()], torch.tensor(dout))
    assert grads.keys() == parameters.keys()
    for number, dx in enumerate(as_tuple(d)):
        assert_close(dx, found[number], f"gradient of input {number}")
    for name, dparameter in zip(parameters, found[len(as_tuple(d)) :], strict=True):
        assert_close(grads[name], dparameter, name)


def as_tuple(x):
    return x if isinstance(x, tuple) else (x,)


@since_2_13
def test_no_module_input_is_lost():
    assert collections.Counter(parameter.values[0].__name__ for parameter in MODULE_INPUTS) == MODULES


def test_the_readme_has_these_numbers():
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    for name, n in MODULES.items():
        assert f"`{name}` {n}" in readme
    for name, (equal, refused) in OPS.items():
        assert f"`{name}` {equal} of {equal + refused}" in readme


def op_inputs():
    for op in op_db:
        name = op.name.rpartition(".")[2]
        if op.name in (name, f"nn.functional.{name}") and name in OPS:
            for dtype in (torch.float64, torch.float32):
                torch.manual_seed(0)
                random.seed(0)
                for number, sample in enumerate(op.sample_inputs("cpu", dtype, requires_grad=False)):
                    title = "-".join(filter(None, (name, op.variant_test_name, str(dtype)[6:], str(number))))
                    yield pytest.param(name, op, sample, id=title)


OP_INPUTS = list(op_inputs())


def refusal(name, sample):
    """The error's message, if this is one of the inputs that are refused."""
    x, kwargs = sample.input, sample.kwargs
    if name in ("softmax", "log_softmax") and x.ndim and x.shape[sample.args[0]] == 0:
        return f"input: got shape {tuple(x.shape)}, expected at least one number on axis {sample.args[0]}"
    if name in ("layer_norm", "rms_norm") and kwargs.get("eps", 1) < 0:
        return f"eps: got {kwargs['eps']}, expected a finite number above 0"
    if name == "embedding":
        for argument in kwargs:
            if argument != "padding_idx":
                return f"embedding() got an unexpected keyword argument '{argument}'"
    return None


def called(name, *args, **kwargs):
    """Our function, its arguments in the order of the sample: there, embedding has the table first."""
    if name == "embedding":
        table, ids = args
        return F.embedding(ids, table, **kwargs)
    return getattr(F, name)(*args, **kwargs)


@pytest.mark.parametrize(("name", "op", "sample"), OP_INPUTS)
def test_a_function_takes_what_pytorchs_takes(name, op, sample):
    """And gives the same, with the same gradients. Without a generator nothing is dropped."""
    args, kwargs = (sample.input, *sample.args), dict(sample.kwargs)
    if message := refusal(name, sample):
        with refuses((TypeError, ValueError), message):
            called(name, *arrays(args), **arrays(kwargs))
        return
    y, cache = called(name, *arrays(args), **arrays(kwargs))
    inputs_t = [x for x in (*args, kwargs.get("attn_mask")) if isinstance(x, torch.Tensor) and x.is_floating_point()]
    for x_t in inputs_t:
        x_t.requires_grad_()
    if "dropout_p" in kwargs:
        kwargs["dropout_p"] = 0.0
    y_t = op.op(*args, **kwargs)
    dy = np.random.default_rng(0).standard_normal(np.shape(y)).astype(y.dtype)
    d = as_tuple(getattr(F, f"{name}_backward")(dy, cache))
    found = torch.autograd.grad(y_t, inputs_t, torch.tensor(dy))
    assert_near(y, y_t, dy)
    for dx, dx_t in zip((dx for dx in d if dx is not None), found, strict=True):
        assert_near(dx, dx_t, dy)


def assert_near(ours, theirs, dy):
    """Relative to the tensor's norm, as elsewhere, and for gradients that cancel to that of the upstream gradient, too:

    one feature alone, normalized, is a constant, and what PyTorch has as its gradients is the rounding of their terms.
    """
    theirs = theirs.detach().numpy()
    assert np.shape(ours) == theirs.shape
    assert ours.dtype == theirs.dtype
    tolerance = {np.dtype("float64"): 1e-12, np.dtype("float32"): 1e-4}[theirs.dtype]
    assert norm(ours - theirs) <= tolerance * (norm(theirs) + norm(dy))


def norm(x):
    return np.linalg.norm(np.ravel(x))


@since_2_13
def test_no_function_input_is_lost():
    """In float64, equal or refused."""
    equal, refused = collections.Counter(), collections.Counter()
    for name, _, sample in (parameter.values for parameter in OP_INPUTS):
        if sample.input.dtype == torch.float64:
            (refused if refusal(name, sample) else equal)[name] += 1
    assert {name: (equal[name], refused[name]) for name in OPS} == OPS


DROPPING = [
    parameter for parameter in OP_INPUTS if parameter.values[2].kwargs.get("dropout_p") and "64" in parameter.id
]


@pytest.mark.parametrize(("name", "op", "sample"), DROPPING)
def test_scaled_dot_product_attention_drops_weights(name, op, sample):
    """The samples with dropout, beside the equation in PyTorch with the mask that NumPy drew."""
    rng = np.random.default_rng(0)
    query, key, value = tensors = [x.detach().requires_grad_() for x in (sample.input, *sample.args)]
    out, cache = F.scaled_dot_product_attention(*arrays(tensors), **sample.kwargs, rng=rng)
    m = torch.tensor(cache.attention.attend.m)
    assert (m == 0).any()
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if sample.kwargs["is_causal"]:
        scores = scores.masked_fill(~torch.ones_like(scores, dtype=bool).tril(), -torch.inf)
    out_t = (torch.softmax(scores, dim=-1) * m) @ value
    assert_close(out, out_t, "out")
    dout = rng.standard_normal(out.shape)
    found = torch.autograd.grad(out_t, tensors, torch.tensor(dout))
    *d, dattn_mask = F.scaled_dot_product_attention_backward(dout, cache)
    assert dattn_mask is None
    for dx, dx_t in zip(d, found, strict=True):
        assert_close(dx, dx_t, "gradient")


LEFT_OUT = {"device", "dtype", "custom_encoder", "custom_decoder", "enable_nested_tensor", "mask_check"}


def arguments(function):
    """Names and defaults, in order, of what may be given by place; an activation's default is its name."""
    places = [p for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    return [(p.name, getattr(p.default, "__name__", p.default)) for p in places if p.name not in LEFT_OUT]


@pytest.mark.parametrize("name", [*MODULES, "TransformerDecoder"])
def test_arguments_have_pytorchs_names_order_and_defaults(name):
    """To make a module, and to call it. (The rest is given by name: here `dtype` and `rng`.)"""
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert arguments(ours.__init__) == arguments(theirs.__init__)
    call = ours.__call__ if name == "MultiheadAttention" else ours.forward
    assert arguments(call) == arguments(theirs.forward)
