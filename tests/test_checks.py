"""Every check says which argument was wrong, what came, and what was expected; and lets through what is right."""

import numpy as np
import pytest
from assertions import refuses

from minitransformer import checks as check

x = np.ones((2, 3))
ids = np.array([0, 2])
BEYOND = 10**309  # no float is so large
rng = np.random.default_rng(0)

ACCEPTED = [
    (check.check_floats, ("x", x)),
    (check.check_floats, ("x", x, 2)),
    (check.check_floats, ("x", x.astype(np.float32), 0)),
    (check.check_floats, ("x", x.astype(complex))),
    (check.check_rank, ("x", x, 2)),
    (check.check_width, ("x", x, 3)),
    (check.check_width, ("x", x.view(np.memmap), 3)),  # a subclass with the same arithmetic
    (check.check_shape, ("x", x, (2, 3))),
    (check.check_shape, ("x", np.array(1.0), ())),
    (check.check_same_shape, ("x", x, "y", x)),
    (check.check_finite, ("x", x)),
    (check.check_tokens, ("ids", ids, 3)),
    (check.check_positions, ("x", x)),
    (check.check_positions, ("ids", ids, -1)),
    (check.check_lengths, (np.array([0, 3]), np.ones((2, 3), int))),
    (check.check_lengths, (np.array([1, 3], np.uint8), np.ones((2, 3), int), 1)),
    (check.check_reals, ("x", x * np.nan)),
    (check.check_mask, (x, (2, 3))),
    (check.check_mask, (np.ones((1, 3), bool), (2, 3))),
    (check.check_mask, (np.array(True), (2, 3))),
    (check.check_ids, ("ids", ids, 3)),
    (check.check_ids, ("ids", ids, 3, 1)),
    (check.check_ids, ("ids", ids - 100, None)),
    (check.check_ids, ("ids", np.empty(0, int), 3)),
    (check.check_ids, ("ids", ids.astype(np.uint8), 3)),
    (check.check_row, ("ids", ids)),
    (check.check_row, ("ids", ids, 3)),
    (check.check_integer, ("n", 1, 1)),
    (check.check_integer, ("n", np.int64(3), 1)),
    (check.check_rate, ("rate", 0)),
    (check.check_rate, ("rate", np.float32(0.5))),
    (check.check_number, ("x", np.float32(-3))),
    (check.check_number, ("x", 2)),
    (check.check_positive, ("eps", 1e-9)),
    (check.check_positive, ("eps", np.float64(1e-9))),
    (check.check_limit, ("limit", float("inf"))),
    (check.check_limit, ("limit", 1e-30)),
    (check.check_not_negative, ("decay", 0)),
    (check.check_fraction, ("floor", 0.0)),
    (check.check_fraction, ("floor", 1)),
    (check.check_truth, ("tied", False)),
    (check.check_truth, ("tied", np.bool_(True))),
    (check.check_choice, ("cell", "lstm", ("elman", "lstm"))),
    (check.check_type, ("ids", ids, np.ndarray)),
    (check.check_heads, (np.int32(3), "X", 6)),
    (check.check_rng, (None,)),
    (check.check_rng, (rng,)),
    (check.check_generator, (rng,)),
    (check.check_dtype, (np.float32,)),
    (check.check_dtype, ("complex128",)),
    (check.check_start, (rng, np.float64)),
    (check.check_text, ("text", "")),
    (check.check_text, ("text", "caf\u00e9 \U0001f600 \ufffd\0")),
]

REFUSED = [
    (check.check_floats, ("x", 1.0), TypeError, "x: got float, expected a NumPy array of floating-point numbers"),
    (check.check_floats, ("x", None), TypeError, "x: got NoneType, expected a NumPy array of floating-point numbers"),
    (check.check_floats, ("x", ids), TypeError, "x: got dtype int64, expected floating-point numbers such as float32"),
    (check.check_floats, ("x", x, 3), ValueError, "x: got shape (2, 3), expected at least 3 axes"),
    (
        check.check_floats,
        ("x", np.ma.masked_array(x, x > 0)),
        TypeError,
        "x: got MaskedArray, expected a NumPy array of floating-point numbers",
    ),
    (
        check.check_shape,
        ("x", x.view(np.matrix), (2, 3)),
        TypeError,
        "x: got matrix, expected a NumPy array of floating-point numbers",
    ),
    (check.check_rank, ("x", x, 1), ValueError, "x: got shape (2, 3), expected 1 axes"),
    (check.check_width, ("x", x, 4), ValueError, "x: got shape (2, 3), expected 4 features on the last axis"),
    (check.check_shape, ("x", x, (3, 2)), ValueError, "x: got shape (2, 3), expected (3, 2)"),
    (
        check.check_same_shape,
        ("f", x, "x", x.T),
        ValueError,
        "f: got shape (2, 3), expected (3, 2), the shape of x",
    ),
    (
        check.check_reals,
        ("x", x.astype(complex)),
        TypeError,
        "x: got dtype complex128, expected real numbers such as float32",
    ),
    (
        check.check_finite,
        ("x", np.array([1.0, np.nan, np.inf])),
        ValueError,
        "x: got nan among 3 numbers, expected only finite ones",
    ),
    (check.check_tokens, ("ids", ids, 2), ValueError, "ids: got values from 0 to 2, expected 0 to 1"),
    (check.check_tokens, ("ids", ids[:0], 3), ValueError, "ids: got shape (0,), expected at least one position"),
    (check.check_positions, ("x", x[:0]), ValueError, "x: got shape (0, 3), expected at least one position"),
    (check.check_positions, ("x", [1.0]), TypeError, "x: got list, expected a NumPy array"),
    (
        check.check_lengths,
        (np.array([3]), np.ones((2, 3), int)),
        ValueError,
        "lengths: got shape (1,), expected (2,), one for each sequence",
    ),
    (
        check.check_lengths,
        (np.array([4, 1]), np.ones((2, 3), int)),
        ValueError,
        "lengths: got values from 1 to 4, expected 0 to 3",
    ),
    (
        check.check_lengths,
        (np.array([0, 1]), np.ones((2, 3), int), 1),
        ValueError,
        "lengths: got values from 0 to 1, expected 1 to 3",
    ),
    (
        check.check_mask,
        (x.astype(int), (2, 3)),
        TypeError,
        "mask: got dtype int64, expected a boolean array, True where a query may attend to a key, "
        "or floating-point numbers such as float32 to add to the scores",
    ),
    (
        check.check_mask,
        (True, (2, 3), "src_mask"),
        TypeError,
        "src_mask: got bool, expected a boolean array, True where a query may attend to a key, "
        "or floating-point numbers such as float32 to add to the scores",
    ),
    (
        check.check_mask,
        (np.ones((3, 2), bool), (2, 3)),
        ValueError,
        "mask: got shape (3, 2), which does not broadcast to the scores' shape (2, 3)",
    ),
    (
        check.check_mask,
        (np.ones((4, 3), bool), (4, 2, 3)),
        ValueError,
        "mask: got shape (4, 3), which does not broadcast to the scores' shape (4, 2, 3)"
        "; where keys are masked, the queries need an axis, too: mask[:, None, :]",
    ),
    (
        check.check_mask,
        (np.ones((1, 2, 3), bool), (2, 3)),
        ValueError,
        "mask: got shape (1, 2, 3), which does not broadcast to the scores' shape (2, 3)",
    ),
    (check.check_row, ("ids", ids[None]), ValueError, "ids: got shape (1, 2), expected one axis with at least one id"),
    (check.check_row, ("ids", ids[:0]), ValueError, "ids: got shape (0,), expected one axis with at least one id"),
    (check.check_row, ("ids", ids, 2), ValueError, "ids: got values from 0 to 2, expected 0 to 1"),
    (check.check_ids, ("ids", [1], 3), TypeError, "ids: got list, expected an array of integers"),
    (check.check_ids, ("ids", ids == 0, 3), TypeError, "ids: got dtype bool, expected an array of integers"),
    (check.check_ids, ("ids", ids, 2), ValueError, "ids: got values from 0 to 2, expected 0 to 1"),
    (check.check_ids, ("ids", ids - 1, 2), ValueError, "ids: got values from -1 to 1, expected 0 to 1"),
    (check.check_ids, ("ids", ids, 3, 2), ValueError, "ids: got shape (2,), expected at least 2 axes"),
    (check.check_integer, ("n", 0, 1), ValueError, "n: got 0, expected 1 or more"),
    (check.check_integer, ("n", 2.0, 1), TypeError, "n: got 2.0, expected an integer"),
    (check.check_integer, ("n", True, 1), TypeError, "n: got True, expected an integer"),
    (check.check_integer, ("n", "2", 1), TypeError, "n: got '2', expected an integer"),
    (check.check_rate, ("rate", 1.0), ValueError, "rate: got 1.0, expected a probability in [0, 1)"),
    (check.check_rate, ("rate", -1e-9), ValueError, "rate: got -1e-09, expected a probability in [0, 1)"),
    (check.check_rate, ("rate", True), TypeError, "rate: got True, expected a number in [0, 1)"),
    (check.check_rate, ("rate", None), TypeError, "rate: got None, expected a number in [0, 1)"),
    (check.check_positive, ("eps", 0.0), ValueError, "eps: got 0.0, expected a finite number above 0"),
    (check.check_positive, ("eps", float("inf")), ValueError, "eps: got inf, expected a finite number above 0"),
    (check.check_positive, ("eps", float("nan")), ValueError, "eps: got nan, expected a finite number above 0"),
    (check.check_positive, ("eps", "1"), TypeError, "eps: got '1', expected a number above 0"),
    (check.check_positive, ("eps", True), TypeError, "eps: got True, expected a number above 0"),
    (check.check_number, ("x", 1j), TypeError, "x: got 1j, expected a number"),
    (check.check_limit, ("limit", -1.0), ValueError, "limit: got -1.0, expected a number above 0"),
    (check.check_limit, ("limit", float("nan")), ValueError, "limit: got nan, expected a number above 0"),
    (check.check_positive, ("k", BEYOND), ValueError, f"k: got {BEYOND}, expected a finite number above 0"),
    (check.check_limit, ("limit", BEYOND), ValueError, f"limit: got {BEYOND}, expected a number above 0"),
    (
        check.check_not_negative,
        ("decay", BEYOND),
        ValueError,
        f"decay: got {BEYOND}, expected a finite number, 0 or more",
    ),
    (check.check_not_negative, ("decay", -1), ValueError, "decay: got -1, expected a finite number, 0 or more"),
    (check.check_not_negative, ("decay", None), TypeError, "decay: got None, expected a number"),
    (check.check_fraction, ("floor", 1.5), ValueError, "floor: got 1.5, expected a number in [0, 1]"),
    (check.check_truth, ("tied", "no"), TypeError, "tied: got 'no', expected True or False"),
    (check.check_truth, ("tied", 1), TypeError, "tied: got 1, expected True or False"),
    (
        check.check_choice,
        ("cell", "gru", ("elman", "lstm")),
        ValueError,
        "cell: got 'gru', expected one of 'elman', 'lstm'",
    ),
    (check.check_type, ("ids", [1], np.ndarray), TypeError, "ids: got list, expected ndarray"),
    (
        check.check_heads,
        (4, "X", 6, "nhead"),
        ValueError,
        "nhead: got 4 heads, expected a number that divides the 6 features of X",
    ),
    (check.check_heads, (0, "X", 6), ValueError, "h: got 0, expected 1 or more"),
    (
        check.check_rng,
        (np.random.RandomState(0),),
        TypeError,
        "rng: got RandomState, expected a numpy.random.Generator, or None for evaluation",
    ),
    (check.check_generator, (3,), TypeError, "rng: got int, expected a numpy.random.Generator"),
    (check.check_generator, (None,), TypeError, "rng: got NoneType, expected a numpy.random.Generator"),
    (
        check.check_dtype,
        ("nonsense",),
        TypeError,
        "dtype: got 'nonsense', expected a floating-point type such as float32",
    ),
    (
        check.check_dtype,
        ("float16",),
        TypeError,
        "dtype: got float16, expected a floating-point type such as float32",
    ),
    (check.check_dtype, (None,), TypeError, "dtype: got None, expected a floating-point type such as float32"),
    (check.check_start, (3, np.float32), TypeError, "rng: got int, expected a numpy.random.Generator"),
    (check.check_text, ("prompt", b"a"), TypeError, "prompt: got bytes, expected a string"),
    (
        check.check_text,
        ("prompt", "a\u00e9\udcff"),
        ValueError,
        "prompt: got '\\udcff' at character 2, expected valid UTF-8 text",
    ),
]


@pytest.mark.parametrize(("function", "args"), ACCEPTED, ids=lambda value: getattr(value, "__name__", None))
def test_what_is_right_passes(function, args):
    """Without a word."""
    assert function(*args) is None


@pytest.mark.parametrize(
    ("function", "args", "error", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", None)
)
def test_what_is_wrong_is_named(function, args, error, message):
    """The argument, what came, what was expected."""
    with refuses(error, message):
        function(*args)


def test_every_check_is_tested_both_ways():
    """Whoever adds a check adds what it accepts and what it refuses."""
    checks = {f for name, f in vars(check).items() if name.startswith("check_")} - {check.check_broadcast}
    assert {function for function, *_ in ACCEPTED} == {function for function, *_ in REFUSED} == checks


def test_texts_are_checked_one_by_one():
    """Each when its turn comes; one text is no list of texts."""
    texts = check.checked_texts("texts", iter(["a", "\u4e2d", 3]))
    assert (next(texts), next(texts)) == ("a", "\u4e2d")
    with refuses(TypeError, "texts: got int, expected a string"):
        next(texts)
    for wrong in ("abc", b"abc", None, 3):
        with refuses(
            TypeError, f"texts: got {type(wrong).__name__}, expected several texts, such as a list of strings"
        ):
            next(check.checked_texts("texts", wrong))
