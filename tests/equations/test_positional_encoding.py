"""Sinusoidal positional encoding (4.3)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.positional_encoding import (
    add_positions,
    add_positions_backward,
    positional_encoding,
)
from minitransformer.verify import by_the_book as book


@given(st.integers(0, 40), st.integers(1, 15))
def test_positional_encoding_is_the_equation(L, d):
    """Sines in the even columns, cosines in the odd ones, for any L and d, odd d included."""
    assert_allclose(positional_encoding(L, d), book.positional_encoding(L, d), rtol=1e-13, atol=1e-13, strict=True)


def test_position_0_is_0_1_0_1():
    """sin 0 and cos 0. Positions count from 0."""
    assert positional_encoding(1, 5).tolist() == [[0.0, 1.0, 0.0, 1.0, 0.0]]


@given(st.integers(1, 8), st.integers(0, 30), st.integers(0, 30))
def test_a_step_is_a_rotation(pairs, i, k):
    """PE(i + k) is PE(i) turned by k / 10000^(2j/d) in each pair of columns: the same rotation wherever i is."""
    P = positional_encoding(i + k + 1, 2 * pairs)
    angle = k / 10000 ** (np.arange(pairs) / pairs)
    sine, cosine = P[i, 0::2], P[i, 1::2]
    assert_allclose(P[i + k, 0::2], sine * np.cos(angle) + cosine * np.sin(angle), atol=1e-12)
    assert_allclose(P[i + k, 1::2], cosine * np.cos(angle) - sine * np.sin(angle), atol=1e-12)


@given(st.integers(1, 8), st.integers(0, 30))
def test_products_depend_on_the_distance_alone(pairs, k):
    """PE(i) . PE(i + k) = sum_j cos(k / 10000^(2j/d)), the same for every i."""
    P = positional_encoding(k + 20, 2 * pairs)
    products = [P[i] @ P[i + k] for i in range(20)]
    assert_allclose(products, np.cos(k / 10000 ** (np.arange(pairs) / pairs)).sum(), atol=1e-12)


def test_columns_2j_and_2j_plus_1_share_one_frequency():
    """The exponent is 2j/d, not the column's number over d: sin^2 + cos^2 = 1 in each pair."""
    P = positional_encoding(50, 6)
    assert_allclose(P[:, 0::2] ** 2 + P[:, 1::2] ** 2, 1, rtol=1e-13)


@given(sizes, seeds)
def test_positions_are_added_not_joined(s, seed):
    """x = E + P, the same P for each sequence of a batch."""
    E = np.random.default_rng(seed).standard_normal((s.B, s.L_q, s.d_v))
    x, _ = add_positions(E)
    assert_array_equal(x, E + positional_encoding(s.L_q, s.d_v), strict=True)
    assert_array_equal(add_positions(E[0])[0], x[0], strict=True)


@given(sizes, seeds)
def test_add_positions_gradient(s, seed):
    """dE = dx."""
    rng = np.random.default_rng(seed)
    assert_gradients(add_positions, add_positions_backward, (rng.standard_normal((s.B, s.L_q, s.d_v)),), rng)


def test_float32_stays_float32():
    E = np.ones((2, 3, 4), np.float32)
    assert_float32(add_positions(E), positional_encoding(3, 4, np.float32))
    assert positional_encoding(3, 4).dtype == np.float64


def test_float32_is_rounded_once():
    """The angles are float64: a far position in float32 is as exact as float32 can be."""
    exact = positional_encoding(5000, 8)
    assert_array_equal(positional_encoding(5000, 8, np.float32), exact.astype(np.float32))


def test_bad_input_is_refused():
    with refuses(ValueError, "L: got -1, expected 0 or more"):
        positional_encoding(-1, 4)
    with refuses(TypeError, "L: got 3.0, expected an integer"):
        positional_encoding(3.0, 4)
    with refuses(ValueError, "d: got 0, expected 1 or more"):
        positional_encoding(3, 0)
    with refuses(ValueError, "E: got shape (4,), expected (..., L, d)"):
        add_positions(np.ones(4))
    with refuses(TypeError, "E: got dtype int64, expected floating-point numbers such as float32"):
        add_positions(np.ones((3, 4), int))
