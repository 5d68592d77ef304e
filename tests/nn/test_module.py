"""State dicts and masks: what the PyTorch-named classes share."""

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal

from minitransformer.nn import (
    LayerNorm,
    Linear,
    MultiheadAttention,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from minitransformer.nn.boundary import torch_masks


def fresh_modules():
    rng = np.random.default_rng(0)
    layer = TransformerEncoderLayer(6, 3, 10, rng=rng)
    decoder_layer = TransformerDecoderLayer(6, 3, 10, rng=rng)
    return {
        "Linear": Linear(4, 5, rng=rng),
        "LayerNorm": LayerNorm(6),
        "MultiheadAttention": MultiheadAttention(6, 3, rng=rng),
        "MultiheadAttention, other widths": MultiheadAttention(6, 3, kdim=5, vdim=7, rng=rng),
        "TransformerEncoderLayer": layer,
        "TransformerEncoder": TransformerEncoder(layer, 2, norm=LayerNorm(6)),
        "TransformerDecoderLayer": decoder_layer,
        "TransformerDecoder": TransformerDecoder(decoder_layer, 2),
        "Transformer": Transformer(6, 3, 2, 1, 10, rng=rng),
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
        (MultiheadAttention, ["batch_first"]),
        (TransformerEncoderLayer, ["batch_first", "norm_first"]),
        (TransformerDecoderLayer, ["batch_first", "norm_first"]),
        (Transformer, ["batch_first", "norm_first"]),
    ],
)
def test_a_switch_is_true_or_false(make, switches):
    """Python takes "no" for true, and 0 for false."""
    for name in switches:
        for value in ("no", 0, None):
            with refuses(TypeError, f"{name}: got {value!r}, expected True or False"):
                make(4, 2, **{name: value})


@pytest.mark.parametrize("make", [Linear, MultiheadAttention, TransformerEncoderLayer, Transformer])
def test_half_precision_is_refused_when_it_is_asked_for(make):
    """And None, which NumPy takes for float64."""
    for dtype, given in ((np.float16, "float16"), (None, "None"), (np.complex64, "complex64")):
        with refuses(TypeError, f"dtype: got {given}, expected a floating-point type such as float32"):
            make(4, 2, dtype=dtype)


def masks(attn_mask, key_padding_mask, scores_shape=(2, 3, 4, 5)):
    return torch_masks(attn_mask, key_padding_mask, ("attn_mask", "key_padding_mask"), scores_shape, np.float32)


def test_true_means_masked_out_outside_and_may_attend_inside():
    """PyTorch's boolean masks are inverted at the boundary, and nowhere else."""
    attn_mask = np.random.default_rng(0).random((4, 5)) < 0.5
    padding = np.random.default_rng(1).random((2, 5)) < 0.5
    keep, bias = masks(attn_mask, padding)
    assert bias is None
    assert keep.shape == (2, 3, 4, 5)
    assert_array_equal(keep, np.broadcast_to(~attn_mask & ~padding[:, None, None, :], keep.shape))


def test_a_float_mask_is_a_bias_and_its_infinities_a_mask():
    """What is finite is added to the scores; -inf masks out, and leaves no infinity in the bias."""
    attn_mask = np.array([[0.5, -np.inf, 1.0, 2.0, -3.0]] * 4)
    keep, bias = masks(attn_mask, None)
    assert_array_equal(keep[1, 2], attn_mask != -np.inf)
    assert_array_equal(bias[1, 2], [[0.5, 0.0, 1.0, 2.0, -3.0]] * 4)
    assert bias.dtype == np.float32


def test_two_float_masks_add_up():
    keep, bias = masks(np.full((4, 5), 0.5), np.array([[1.0, 2.0, 3.0, 4.0, -np.inf]] * 2))
    assert_array_equal(bias[0, 0, 0], [1.5, 2.5, 3.5, 4.5, 0.5])
    assert keep[0, 0, 0].tolist() == [True, True, True, True, False]


def test_a_mask_for_each_head_of_each_sequence():
    """PyTorch's (B h, L_q, L_k) has sequence b's head i at b h + i."""
    attn_mask = np.random.default_rng(0).random((6, 4, 5)) < 0.5
    keep, _ = masks(attn_mask, None)
    for b in range(2):
        for i in range(3):
            assert_array_equal(keep[b, i], ~attn_mask[b * 3 + i])


def test_masks_without_a_batch():
    """(h, L_q, L_k) and (L_k,)."""
    keep, _ = masks(np.zeros((3, 4, 5), bool), np.array([False, False, False, False, True]), (3, 4, 5))
    assert_array_equal(keep, np.broadcast_to(np.arange(5) < 4, (3, 4, 5)))


def test_no_masks_are_no_masks():
    assert masks(None, None) == (None, None)


def test_bad_masks_are_refused():
    with refuses(ValueError, "attn_mask: got shape (5, 4), expected (4, 5) or (6, 4, 5)"):
        masks(np.zeros((5, 4), bool), None)
    with refuses(ValueError, "key_padding_mask: got shape (5, 2), expected (2, 5)"):
        masks(None, np.zeros((5, 2), bool))
    message = "expected an array, boolean (True = masked out) or float (added to the scores)"
    with refuses(TypeError, f"attn_mask: got dtype int64, {message}"):
        masks(np.zeros((4, 5), int), None)
    with refuses(TypeError, f"key_padding_mask: got list, {message}"):
        masks(None, [[True] * 5] * 2)
