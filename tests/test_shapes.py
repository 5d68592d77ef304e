"""Shapes, stated once: what a line says, the arrays are held to, and every error names its array."""

import numpy as np
import pytest
from assertions import refuses

from minitransformer import shapes
from minitransformer.shapes import check, check_sized, parts

ATTENTION = "Q: ... L_q d_k, K: ... L_k d_k, V: ... L_k d_v"
Q, K, V = np.ones((2, 3, 5)), np.ones((2, 4, 5)), np.ones((2, 4, 6))


def test_a_line_is_read_array_by_array():
    """Names, batch axes, multiples, and sizes that may be 0; written again as the shape of a comment."""
    assert [str(part) for part in parts(ATTENTION)] == ["(..., L_q, d_k)", "(..., L_k, d_k)", "(..., L_k, d_v)"]
    x, W, b = parts("x: ... L? d_in, weights.W: d_in 4*d_h, weights.b: h*d_k")
    assert (x.name, x.batched, [axis.may_be_empty for axis in x.axes]) == ("x", True, [True, False])
    assert (W.name, str(W), W.batched) == ("weights.W", "(d_in, 4*d_h)", False)
    assert str(b) == "(h*d_k,)"


def checked(spec, arrays, sizes):
    """By the form for arrays alone, or for one with sizes that are given."""
    if sizes:
        check_sized(spec, *arrays, **sizes)
    else:
        check(spec, *arrays)


RIGHT = [
    (ATTENTION, (Q, K, V), {}),
    (ATTENTION, (Q[0], K[0], V[0]), {}),
    (ATTENTION, (Q[None], K[None], V[None]), {}),
    (ATTENTION, (Q[:0], K[:0], V[:0]), {}),  # a batch of none
    ("x: ...", (np.array(1.0),), {}),
    ("x: ..., f: ...", (Q, Q), {}),
    ("x: ... L? d", (np.ones((0, 3)),), {}),
    ("W_x: d_in 4*d_h, b: 4*d_h", (np.ones((3, 8)), np.ones(8)), {}),
    ("X: ... L h*d_k", (np.ones((3, 8)),), {"h": 2}),
    ("X: ... L h*d_k", (np.ones((3, 8)),), {"h": np.int64(4)}),
    ("x: d", (np.ones(3, np.complex64),), {}),  # for the complex step
    ("x: d", (np.ones(3, np.longdouble),), {}),
]


@pytest.mark.parametrize(("spec", "arrays", "sizes"), RIGHT)
def test_what_fits_passes(spec, arrays, sizes):
    """The first time, when it is compared, and the second, when it is remembered."""
    for _ in range(2):
        checked(spec, arrays, sizes)


WRONG = [
    (ATTENTION, (Q, K[..., :4], V), {}, "K: got shape (2, 4, 4), expected (..., L_k, d_k) with d_k = 5"),
    (ATTENTION, (Q, K, V[:, 1:]), {}, "V: got shape (2, 3, 6), expected (..., L_k, d_v) with L_k = 4"),
    (ATTENTION, (Q, K[:1], V), {}, "K: got shape (1, 4, 5), expected the batch axes (2,) before (L_k, d_k)"),
    (ATTENTION, (Q[0], K, V), {}, "K: got shape (2, 4, 5), expected the batch axes () before (L_k, d_k)"),
    (ATTENTION, (Q, K[:, :0], V), {}, "K: got shape (2, 0, 5), expected (..., L_k, d_k) with L_k of 1 or more"),
    (ATTENTION, (Q[0, 0], K, V), {}, "Q: got shape (5,), expected (..., L_q, d_k)"),
    ("dy: ..., y: ...", (Q, Q[:1]), {}, "y: got shape (1, 3, 5), expected the batch axes (2, 3, 5)"),
    ("W: d_in d_out", (Q,), {}, "W: got shape (2, 3, 5), expected (d_in, d_out)"),
    ("W: d d", (np.ones((3, 4)),), {}, "W: got shape (3, 4), expected (d, d)"),
    ("W: d_in 4*d_h", (np.ones((3, 9)),), {}, "W: got shape (3, 9), expected (d_in, 4*d_h)"),
    ("a: 4*d_h, b: 4*d_h", (np.ones(8), np.ones(4)), {}, "b: got shape (4,), expected (4*d_h,) with d_h = 2"),
    ("X: ... h*d_k", (np.ones((3, 8)),), {"h": 3}, "X: got shape (3, 8), expected (..., h*d_k) with h = 3"),
    ("X: ... h*d_k", (np.ones((3, 8)),), {"h": 0}, "h: got 0, expected 1 or more"),
]


@pytest.mark.parametrize(("spec", "arrays", "sizes", "message"), WRONG, ids=[row[-1] for row in WRONG])
def test_what_does_not_fit_is_named(spec, arrays, sizes, message):
    """With what came and what was expected; of a size that another array gave, with that size."""
    with refuses(ValueError, message):
        checked(spec, arrays, sizes)


NO_ARRAYS = [
    ([1.0], "x: got list, expected a NumPy array of floating-point numbers"),
    (None, "x: got NoneType, expected a NumPy array of floating-point numbers"),
    (np.ones((1, 1)).view(np.matrix), "x: got matrix, expected a NumPy array of floating-point numbers"),
    (np.ma.ones((1, 1)), "x: got MaskedArray, expected a NumPy array of floating-point numbers"),
    (np.ones((1, 1), int), "x: got dtype int64, expected floating-point numbers such as float32"),
    (np.ones((1, 1), bool), "x: got dtype bool, expected floating-point numbers such as float32"),
    (np.ones((1, 1), np.float16), "x: got dtype float16, expected floating-point numbers such as float32"),
]


@pytest.mark.parametrize(("x", "message"), NO_ARRAYS, ids=[row[-1] for row in NO_ARRAYS])
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_shape_that_has_fitted_lets_nothing_else_through(x, message):
    """What is remembered are shapes with their dtypes, of plain arrays."""
    check("x: ... d", np.ones((1, 1)))
    with refuses(TypeError, message):
        check("x: ... d", x)


@pytest.mark.parametrize("h", [2.0, True, "2", None, [2], np.array([2])])
def test_a_size_is_an_integer(h):
    """Also where it equals one with which the array has fitted."""
    x = np.ones((3, 2))
    check_sized("X: ... h*d_k", x, h=2)
    check_sized("X: ... h*d_k", x, h=1)
    with pytest.raises(TypeError, match=r"^h: got .*, expected an integer$"):
        check_sized("X: ... h*d_k", x, h=h)


def test_what_is_remembered_is_bounded(monkeypatch):
    """A decoder meets another length at each step."""
    monkeypatch.setattr(shapes, "MOST_KNOWN", 8)
    monkeypatch.setattr(shapes, "known", set())
    for n in range(1, 40):
        check("x: n", np.ones(n))
        assert len(shapes.known) <= 8


def test_a_subclass_that_computes_as_arrays_do_is_taken(tmp_path):
    """A memory map, which is compared each time."""
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    check("x: L d", x)
    with refuses(ValueError, "x: got shape (2, 3), expected (d,)"):
        check("x: d", x)
