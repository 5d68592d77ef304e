"""State dicts, start values and switches: what the PyTorch-named classes share."""

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal

from minitransformer.nn import (
    LayerNorm,
    Linear,
    MultiheadAttention,
    RMSNorm,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)


def fresh_modules():
    rng = np.random.default_rng(0)
    layer = TransformerEncoderLayer(6, 3, 10, rng=rng)
    decoder_layer = TransformerDecoderLayer(6, 3, 10, rng=rng)
    return {
        "Linear": Linear(4, 5, rng=rng),
        "Linear, no bias": Linear(4, 5, bias=False, rng=rng),
        "LayerNorm": LayerNorm(6),
        "LayerNorm, two axes, no bias": LayerNorm((2, 3), bias=False),
        "RMSNorm": RMSNorm((2, 3)),
        "MultiheadAttention": MultiheadAttention(6, 3, rng=rng),
        "MultiheadAttention, other widths": MultiheadAttention(6, 3, kdim=5, vdim=7, rng=rng),
        "MultiheadAttention, more rows, no bias": MultiheadAttention(6, 3, 0, False, True, True, rng=rng),
        "TransformerEncoderLayer": layer,
        "TransformerEncoderLayer, no bias": TransformerEncoderLayer(6, 3, 10, bias=False, rng=rng),
        "TransformerEncoder": TransformerEncoder(layer, 2, norm=LayerNorm(6)),
        "TransformerDecoderLayer": decoder_layer,
        "TransformerDecoder": TransformerDecoder(decoder_layer, 2),
        "Transformer": Transformer(6, 3, 2, 1, 10, rng=rng),
        "Transformer, no bias": Transformer(6, 3, 2, 1, 10, bias=False, rng=rng),
    }


every_module = pytest.mark.parametrize("name", fresh_modules())


@every_module
def test_a_state_dict_loads_back_unchanged(name):
    """Names, shapes and numbers, in the order of the class."""
    module = fresh_modules()[name]
    rng = np.random.default_rng(1)
    state = {key: rng.standard_normal(array.shape).astype(array.dtype) for key, array in module.state_dict().items()}
    module.load_state_dict(state)
    again = module.state_dict()
    assert list(again) == list(state)
    for key in state:
        assert_array_equal(again[key], state[key], strict=True)


@every_module
def test_a_state_dict_is_a_copy_both_ways(name):
    """Changing what came out or what went in does not change the module."""
    module = fresh_modules()[name]
    before = module.state_dict()
    for array in module.state_dict().values():
        array += 1
    module.load_state_dict(given := module.state_dict())
    for array in given.values():
        array += 1
    for key, array in module.state_dict().items():
        assert type(array) is np.ndarray
        assert_array_equal(array, before[key])


@every_module
def test_a_state_dict_keeps_its_dtype(name):
    """Loading float64 makes a float64 module."""
    module = fresh_modules()[name]
    assert {array.dtype for array in module.state_dict().values()} == {np.dtype("float32")}
    module.load_state_dict({key: array.astype(np.float64) for key, array in module.state_dict().items()})
    assert {array.dtype for array in module.state_dict().values()} == {np.dtype("float64")}


@every_module
def test_a_state_dict_that_does_not_fit_changes_nothing(name):
    """Missing and unknown names, wrong shapes, and what is no floating-point array; each says which."""
    module = fresh_modules()[name]
    state = module.state_dict()
    first = next(iter(state))
    n = len(state)
    without = {key: array + 1 for key, array in state.items() if key != first}
    bad = [
        (without, KeyError, f"state_dict: missing ['{first}'], unknown []; expected the {n} keys of state_dict()"),
        (state | {"x": 1}, KeyError, f"state_dict: missing [], unknown ['x']; expected the {n} keys of state_dict()"),
        (
            without | {first: np.ones(3)},
            ValueError,
            f"state_dict['{first}']: got shape (3,), expected {state[first].shape}",
        ),
        (
            without | {first: state[first].astype(int)},
            TypeError,
            f"state_dict['{first}']: got dtype int64, expected floating-point numbers such as float32",
        ),
        (
            without | {first: state[first].tolist()},
            TypeError,
            f"state_dict['{first}']: got list, expected a NumPy array of floating-point numbers",
        ),
        *(
            (
                without | {first: np.full_like(state[first], number)},
                ValueError,
                f"state_dict['{first}']: got {number} among {state[first].size} numbers, expected only finite ones",
            )
            for number in (np.nan, np.inf, -np.inf)
        ),
        (
            without | {first: state[first].astype(np.complex64)},
            TypeError,
            f"state_dict['{first}']: got dtype complex64, expected real numbers such as float32",
        ),
        (
            without | {first: state[first].astype(np.float16)},
            TypeError,
            f"state_dict['{first}']: got dtype float16, expected floating-point numbers such as float32",
        ),
        ([], TypeError, "state_dict: got list, expected a dict of NumPy arrays by name"),
    ]
    for given, error, message in bad:
        with pytest.raises(error) as info:
            module.load_state_dict(given)
        assert info.value.args == (message,)
    for key, array in module.state_dict().items():
        assert_array_equal(array, state[key])


@pytest.mark.parametrize(
    "make", [Linear, MultiheadAttention, TransformerEncoderLayer, TransformerDecoderLayer, Transformer]
)
def test_a_seed_decides_the_start_values(make):
    """The same generator gives the same weights; without one, they differ from time to time."""
    first, second = (make(4, 2, rng=np.random.default_rng(0)).state_dict() for _ in range(2))
    for key in first:
        assert_array_equal(first[key], second[key])
    fresh = make(4, 2).state_dict()
    assert any(not np.array_equal(fresh[key], first[key]) for key in first)
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        make(4, 2, rng=0)
    with refuses(TypeError, "dtype: got int32, expected a floating-point type such as float32"):
        make(4, 2, dtype=np.int32)
    with refuses(TypeError, "dtype: got 'flaot', expected a floating-point type such as float32"):
        make(4, 2, dtype="flaot")
    assert {array.dtype for array in make(4, 2, dtype=np.float64).state_dict().values()} == {np.dtype("float64")}


@pytest.mark.parametrize(
    ("make", "switches"),
    [
        (Linear, ["bias"]),
        (LayerNorm, ["elementwise_affine", "bias"]),
        (RMSNorm, ["elementwise_affine"]),
        (MultiheadAttention, ["bias", "add_bias_kv", "add_zero_attn", "batch_first"]),
        (TransformerEncoderLayer, ["batch_first", "norm_first", "bias"]),
        (TransformerDecoderLayer, ["batch_first", "norm_first", "bias"]),
        (Transformer, ["batch_first", "norm_first", "bias"]),
    ],
)
def test_a_switch_is_true_or_false(make, switches):
    """Python takes "no" for true, and 0 for false."""
    for name in switches:
        for value in ("no", 0, None):
            with refuses(TypeError, f"{name}: got {value!r}, expected True or False"):
                make(*(() if "Norm" in make.__name__ else (4,)), 2, **{name: value})


@pytest.mark.parametrize("make", [Linear, MultiheadAttention, TransformerEncoderLayer, Transformer])
def test_half_precision_is_refused_when_it_is_asked_for(make):
    """And None, which NumPy takes for float64."""
    for dtype, given in ((np.float16, "float16"), (None, "None"), (np.complex64, "complex64")):
        with refuses(TypeError, f"dtype: got {given}, expected a floating-point type such as float32"):
            make(4, 2, dtype=dtype)
