"""Rotary positions, a variant of 4.3: queries and keys turned by their positions."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import merge_heads, split_heads
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.equations.rotary import MOST_KEPT, prepare_rotation, rotary, rotary_backward
from minitransformer.verify import by_the_book as book

starts = st.integers(0, 40)


def draw(s, seed, *shape):
    """Random numbers (*shape, 2 d_k): of an even width."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((*shape, 2 * s.d_k)), rng


@given(sizes, seeds, starts)
def test_rotary_is_the_equation(s, seed, start):
    """For every head of every sequence, from any position on."""
    X, _ = draw(s, seed, s.B, s.h, s.L_q)
    Y, _ = rotary(X, start)
    expected = [[book.rotary(X[b, n], start) for n in range(s.h)] for b in range(s.B)]
    assert_allclose(Y, expected, rtol=1e-13, atol=1e-13, strict=True)


@given(sizes, seeds, starts, starts)
def test_scores_depend_on_the_distance_alone(s, seed, i, j):
    """q_i . k_j after the rotations is the same wherever the two stand, if they stand as far apart."""
    (q, k), _ = draw(s, seed, 2)
    scores = [rotary(q[None], i + moved)[0][0] @ rotary(k[None], j + moved)[0][0] for moved in (0, 1, 17)]
    assert_allclose(scores, scores[0], atol=1e-11)


@given(sizes, seeds)
def test_the_matrix_of_scores_has_constant_diagonals(s, seed):
    """One q and one k at all positions: A_ij = f(i - j), and f is not the same for i - j and j - i."""
    (q, k), _ = draw(s, seed, 2)
    L = s.L_q
    Q, K = (rotary(np.tile(x, (L, 1)))[0] for x in (q, k))
    A = Q @ K.T
    for i in range(L - 1):
        assert_allclose(A[i + 1, 1:], A[i, :-1], atol=1e-12)
    assert abs(A - A.T).max() > 1e-6


@given(sizes, seeds, starts)
def test_norms_are_kept(s, seed, start):
    """Of every pair, and so of every vector."""
    X, _ = draw(s, seed, s.B, s.L_q)
    Y, _ = rotary(X, start)
    of_pairs = [np.hypot(Z[..., 0::2], Z[..., 1::2]) for Z in (X, Y)]
    assert_allclose(*of_pairs, rtol=1e-13)


@given(sizes, seeds)
def test_position_0_is_left_as_it_is(s, seed):
    """Bit for bit: cos 0 = 1 and sin 0 = 0."""
    X, _ = draw(s, seed, s.B, 1)
    assert_array_equal(rotary(X)[0], X, strict=True)


@given(sizes, seeds, st.integers(0, 8))
def test_from_a_later_position_on_it_is_the_end_of_a_longer_text(s, seed, start):
    """What a cache of keys relies on: each position is turned once, and alone as in its text. Bit for bit."""
    X, _ = draw(s, seed, s.B, start + s.L_q)
    whole, _ = rotary(X)
    assert_array_equal(rotary(X[:, start:], start)[0], whole[:, start:], strict=True)


@given(sizes, seeds, starts, starts)
def test_two_rotations_are_one_by_the_sum_of_the_angles(s, seed, i, k):
    x, _ = draw(s, seed, 1)
    assert_allclose(rotary(rotary(x, i)[0], k)[0], rotary(x, i + k)[0], atol=1e-12)


@given(sizes, seeds, starts)
def test_the_backward_is_the_rotation_back(s, seed, start):
    """R^T R = 1."""
    X, _ = draw(s, seed, s.B, s.h, s.L_q)
    Y, cache = rotary(X, start)
    assert_allclose(rotary_backward(Y, cache), X, rtol=1e-13, atol=1e-13, strict=True)


@given(sizes, seeds, starts)
def test_rotary_gradient(s, seed, start):
    X, rng = draw(s, seed, s.B, s.h, s.L_q)
    assert_gradients(lambda X: rotary(X, start), rotary_backward, (X,), rng)


def test_neighbours_form_a_pair_not_the_two_halves():
    """Position 1 of four features: (x_0, x_1) turns by 1, (x_2, x_3) by 1/100. Llama's halves would be (x_0, x_2)."""
    Y, _ = rotary(np.array([[1.0, 0.0, 1.0, 0.0]]), start=1)
    assert_allclose(Y, [[np.cos(1), np.sin(1), np.cos(0.01), np.sin(0.01)]], rtol=1e-14)


@given(st.integers(1, 6), starts)
def test_the_angles_are_those_of_the_positional_encoding(pairs, start):
    """(0, 1) turned by -i theta is (sin, cos): its rotation back is P_i of 4.3."""
    P = positional_encoding(3, 2 * pairs, start=start)
    _, cache = rotary(P, start)
    assert_allclose(rotary_backward(np.tile([0.0, 1.0], (3, pairs)), cache), P, rtol=1e-14, atol=1e-14)


def test_far_positions_are_exact_in_float32():
    """Angles are float64, and their cosines are rounded once: computed in float32, they would be off by 10^-2."""
    X = np.random.default_rng(0).standard_normal((1, 8))
    exact, _ = rotary(X, start=1_000_000)
    assert_allclose(rotary(X.astype(np.float32), start=1_000_000)[0], exact, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_complex_numbers_are_turned_as_their_two_parts(dtype):
    """A rotation is real. (The pairs are of features: the parts of a complex number are no pair.)"""
    real, imaginary = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(dtype)
    Y, _ = rotary(real + 1j * imaginary, start=2)
    assert Y.real.dtype == dtype
    assert_array_equal(Y.real, rotary(real, 2)[0])
    assert_array_equal(Y.imag, rotary(imaginary, 2)[0])


def test_heads_keep_their_layout_in_memory():
    """So heads that are views of Q, as `split_heads` makes them, can be merged again without a copy."""
    heads = split_heads(np.ones((2, 5, 12), np.float32), 3)
    Y, cache = rotary(heads)
    assert Y.strides == rotary_backward(Y, cache).strides == heads.strides
    assert np.shares_memory(merge_heads(Y), Y)


def test_tables_are_shared_and_cannot_be_changed():
    """Queries and keys of all layers have one; an old one is let go."""
    X = np.ones((3, 4), np.float32)
    (_, first), (_, second) = rotary(X, 2), rotary(2 * X, np.int64(2))
    assert first.cos is second.cos and first.sin is second.sin
    assert not (first.cos.flags.writeable or first.sin.flags.writeable)
    for start in range(2 * MOST_KEPT):
        rotary(X, start)
    assert prepare_rotation.cache_info().currsize == MOST_KEPT


def test_a_start_may_be_a_numpy_integer_of_few_bits():
    X = np.random.default_rng(0).standard_normal((100, 4))
    assert_array_equal(rotary(X, np.uint8(200))[0], rotary(X, 200)[0], strict=True)


def test_no_position_at_all():
    """As when every new token is in the cache already."""
    Y, cache = rotary(np.ones((2, 0, 4)))
    assert Y.shape == rotary_backward(Y, cache).shape == (2, 0, 4)


def test_float32_stays_float32():
    X = np.ones((2, 3, 4), np.float32)
    Y, cache = rotary(X, 5)
    assert_float32(Y, cache, rotary_backward(Y, cache))


def test_bad_input_is_refused():
    with refuses(ValueError, "X: got shape (2, 3, 5), expected (..., L, 2*pairs)"):
        rotary(np.ones((2, 3, 5)))
    with refuses(ValueError, "X: got shape (4,), expected (..., L, 2*pairs)"):
        rotary(np.ones(4))
    with refuses(ValueError, "X: got shape (3, 0), expected (..., L, 2*pairs) with 2*pairs of 1 or more"):
        rotary(np.ones((3, 0)))
    with refuses(TypeError, "X: got dtype int64, expected floating-point numbers such as float32"):
        rotary(np.ones((3, 4), int))
    with refuses(ValueError, "start: got -1, expected 0 or more"):
        rotary(np.ones((3, 4)), -1)
    with refuses(TypeError, "start: got 1.0, expected an integer"):
        rotary(np.ones((3, 4)), 1.0)
    _, cache = rotary(np.ones((3, 4)))
    with refuses(ValueError, "dY: got shape (2, 4), expected (..., L, d_k) with L = 3, d_k = 4"):
        rotary_backward(np.ones((2, 4)), cache)
