"""Softmax (4.1), its logarithm, and the softmax under a mask."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import matrices, random_mask, seeds, sizes

from minitransformer.equations.softmax import (
    log_softmax,
    log_softmax_backward,
    masked_softmax,
    softmax,
    softmax_backward,
)
from minitransformer.verify import by_the_book as book


@given(matrices())
def test_softmax_is_the_equation(a):
    """alpha_i = exp(a_i) / sum_j exp(a_j), row by row."""
    alpha, cache = softmax(a)
    assert_allclose(alpha, [book.softmax(row) for row in a], rtol=1e-13)
    assert cache is alpha


@given(matrices())
def test_rows_sum_to_1(a):
    """Each row is a distribution."""
    alpha, _ = softmax(a)
    assert (alpha >= 0).all()
    assert_allclose(alpha.sum(axis=-1), 1, rtol=1e-14)


@given(matrices(), st.floats(-1000, 1000))
def test_a_shift_changes_nothing(a, shift):
    """softmax(a + c) = softmax(a), as exp(a + c) = exp(a) exp(c)."""
    assert_allclose(softmax(a + shift)[0], softmax(a)[0], rtol=1e-11)


@pytest.mark.parametrize("a", [[1e300, -1e300], [1000.0, 1001.0], [-1000.0, -1001.0], [0.0, 800.0, 0.0]])
def test_no_overflow(a):
    """Large scores give finite weights, as the largest is subtracted first."""
    alpha, _ = softmax(np.array(a))
    log_alpha, _ = log_softmax(np.array(a))
    assert np.isfinite(alpha).all()
    assert np.isfinite(log_alpha).all()
    assert alpha.sum() == pytest.approx(1, rel=1e-14)


def test_one_key_gets_all_the_weight():
    """exp(a) / exp(a) = 1."""
    assert softmax(np.array([[-3.0], [700.0]]))[0].tolist() == [[1.0], [1.0]]


def test_softmax_is_over_keys_not_over_queries():
    """The last axis is the keys': each query's weights sum to 1, not each key's."""
    alpha, _ = softmax(np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]]))
    assert_allclose(alpha.sum(axis=1), 1)
    assert not np.allclose(alpha.sum(axis=0), 1)


@given(sizes, seeds)
def test_softmax_gradient(s, seed):
    """The backward agrees with the complex step, with any number of axes before the last."""
    rng = np.random.default_rng(seed)
    for shape in ((s.L_k,), (s.L_q, s.L_k), (s.B, s.h, s.L_q, s.L_k)):
        assert_gradients(softmax, softmax_backward, (rng.standard_normal(shape),), rng)


@given(sizes, seeds)
def test_softmax_gradient_sums_to_0(s, seed):
    """A shift changes nothing, so the gradient has no part along it."""
    rng = np.random.default_rng(seed)
    alpha, cache = softmax(rng.standard_normal((s.L_q, s.L_k)))
    assert_allclose(softmax_backward(rng.standard_normal(alpha.shape), cache).sum(axis=-1), 0, atol=1e-14)


def test_softmax_gradient_is_not_divided_by_the_batch():
    """Each row's gradient is the same alone and in a batch."""
    rng = np.random.default_rng(0)
    a, dalpha = rng.standard_normal((2, 4, 5))
    together = softmax_backward(dalpha, softmax(a)[1])
    alone = [softmax_backward(dalpha[i], softmax(a[i])[1]) for i in range(4)]
    assert_allclose(together, alone, rtol=1e-14)


@given(sizes, seeds)
def test_masked_softmax_is_the_softmax_of_the_allowed_keys(s, seed):
    """What is masked gets 0; what is left is shared as if nothing else were there."""
    rng = np.random.default_rng(seed)
    a, mask = rng.standard_normal((s.L_q, s.L_k)), random_mask(rng, s.L_q, s.L_k)
    alpha, cache = masked_softmax(a, mask)
    assert_allclose(alpha, [book.masked_softmax(a[i], mask[i]) for i in range(s.L_q)], rtol=1e-13)
    assert (alpha[~mask] == 0).all()
    assert cache is alpha


@given(matrices())
@example(np.array([[1e300, -1e300]]))
def test_a_mask_that_allows_everything_changes_nothing(a):
    assert_allclose(masked_softmax(a, np.ones(a.shape, bool))[0], softmax(a)[0], rtol=1e-15)


@given(matrices())
def test_a_query_that_may_attend_to_nothing_gets_zeros(a):
    """Weights 0 and gradient 0, never NaN."""
    alpha, cache = masked_softmax(a, np.zeros(a.shape, bool))
    assert not alpha.any()
    assert not softmax_backward(np.ones_like(a), cache).any()


def test_a_huge_masked_score_does_not_underflow_the_others():
    """The maximum is taken over the allowed keys alone."""
    alpha, _ = masked_softmax(np.array([[1e30, 1.0, 1.0]]), np.array([[False, True, True]]))
    assert alpha.tolist() == [[0.0, 0.5, 0.5]]


@given(sizes, seeds, st.sampled_from(["all axes", "rows", "batch"]))
def test_masked_softmax_gradient(s, seed, kind):
    """The complex step agrees, for masks of all axes and for masks that broadcast, with an empty row."""
    rng = np.random.default_rng(seed)
    shape = {"all axes": (s.B, s.L_q, s.L_k), "rows": (s.L_q, s.L_k), "batch": (s.B, 1, s.L_k)}[kind]
    mask = random_mask(rng, *shape, empty_row=kind != "batch")
    a = rng.standard_normal((s.B, s.L_q, s.L_k))
    assert_gradients(lambda a: masked_softmax(a, mask), softmax_backward, (a,), rng)


@given(matrices())
def test_log_softmax_is_the_logarithm(a):
    log_alpha, cache = log_softmax(a)
    assert_allclose(log_alpha, [book.log_softmax(row) for row in a], rtol=1e-12, atol=1e-14)
    assert_allclose(cache.alpha, softmax(a)[0], rtol=1e-14)


def test_log_softmax_does_not_underflow():
    """log of a weight that is 0 in floating point is still exact."""
    assert log_softmax(np.array([0.0, -2000.0]))[0].tolist() == [0.0, -2000.0]


@given(sizes, seeds)
def test_log_softmax_gradient(s, seed):
    rng = np.random.default_rng(seed)
    assert_gradients(log_softmax, log_softmax_backward, (rng.standard_normal((s.B, s.L_q, s.L_k)),), rng)


def test_float32_stays_float32():
    a = np.ones((2, 3), np.float32)
    mask = np.ones((2, 3), bool)
    assert_float32(softmax(a), masked_softmax(a, mask), softmax_backward(a, a))
    assert_float32(log_softmax(a), log_softmax_backward(a, log_softmax(a)[1]))


@pytest.mark.parametrize("function", [softmax, log_softmax, lambda a: masked_softmax(a, np.ones(1, bool))])
def test_bad_scores_are_refused(function):
    with refuses(TypeError, "a: got list, expected a NumPy array of floating-point numbers"):
        function([1.0, 2.0])
    with refuses(TypeError, "a: got dtype int64, expected floating-point numbers such as float32"):
        function(np.array([1, 2]))
    with refuses(ValueError, "a: got shape (), expected (..., n)"):
        function(np.array(1.0))
    with refuses(ValueError, "a: got shape (2, 0), expected (..., n) with n of 1 or more"):
        function(np.ones((2, 0)))


@pytest.mark.parametrize("shape", [(3, 2), (4, 2, 3)])
def test_a_mask_that_does_not_fit_is_refused(shape):
    """A mask may be smaller than the scores, and is never what enlarges them."""
    with refuses(ValueError, f"mask: got shape {shape}, which does not broadcast to the scores' shape (2, 3)"):
        masked_softmax(np.ones((2, 3)), np.ones(shape, bool))


@pytest.mark.parametrize(("mask", "given"), [(np.ones((2, 3), int), "dtype int64"), ([[True]], "list")])
def test_a_mask_that_is_not_boolean_is_refused(mask, given):
    with refuses(
        TypeError,
        f"mask: got {given}, expected a boolean array, True where a query may attend to a key, "
        "or floating-point numbers such as float32 to add to the scores",
    ):
        masked_softmax(np.ones((2, 3)), mask)
