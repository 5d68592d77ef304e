"""Dropout (section 5)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.dropout import Dropout, dropout, dropout_backward, dropout_mask


@given(sizes, seeds, st.floats(0, 0.99))
def test_without_a_generator_nothing_is_dropped(s, seed, rate):
    """Evaluation: y is x, and dx is dy, whatever the rate; and so it is in training at rate 0."""
    x = np.random.default_rng(seed).standard_normal((s.B, s.L_q))
    for y, m in (
        dropout(x, Dropout(rate, None)),
        dropout(x, Dropout(0.0, np.random.default_rng(0))),
        dropout(x, Dropout(0, None)),
    ):
        assert y is x
        assert m is None
        assert dropout_backward(x, m) is x


@given(sizes, seeds, rates)
def test_a_number_is_dropped_or_scaled(s, seed, rate):
    """y = x m with m either 0 or 1 / (1 - rate): scaled up in training, not down in evaluation."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((s.B, s.L_q, s.d_ff))
    y, m = dropout(x, Dropout(rate, rng))
    assert_array_equal(y, x * m, strict=True)
    assert np.isclose(m[m != 0], 1 / (1 - rate), rtol=1e-4, atol=0).all()


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
def test_the_rate_is_the_probability_to_drop_not_to_keep(rate):
    """Of 200,000 numbers, `rate` of them within 5 standard deviations; and the mean of y is x."""
    n = 200_000
    m = dropout_mask((n,), rate, np.random.default_rng(0), np.dtype(float))
    deviation = (rate * (1 - rate) / n) ** 0.5
    assert (m == 0).mean() == pytest.approx(rate, abs=5 * deviation)
    assert m.mean() == pytest.approx(1, abs=5 * deviation / (1 - rate))


@given(st.floats(1e-6, 1, exclude_max=True), st.integers(1, 40), seeds)
def test_the_scale_belongs_to_the_rounded_rate(rate, n, seed):
    """The rate is rounded to 1/65536, and never up to 1: what is kept is divided by just that probability."""
    dropped = min(round(rate * 65536), 65535)
    m = dropout_mask((n,), rate, np.random.default_rng(seed), np.dtype(float))
    assert set(m.tolist()) <= {0.0, 65536 / (65536 - dropped)}


def test_each_of_the_65536_values_is_dropped_or_kept_as_the_rate_says():
    """A mask keeps a number exactly if its 16 bits are at least rate * 65536, so the rate is exact in each of them."""

    class Counting:
        """Gives every value of 16 bits once."""

        def integers(self, low, high, size, dtype):
            assert (low, high, dtype) == (0, 2**64, np.uint64)
            return np.arange(4 * size, dtype=np.uint16).view(np.uint64)

    for rate in (0.25, 0.1, 1 - 1e-9):
        m = dropout_mask((65536,), rate, Counting(), np.dtype(float))
        assert (m == 0).sum() == min(round(rate * 65536), 65535)


def test_neighbours_are_dropped_independently():
    """Four numbers come from one random word: none of them tells of another."""
    m = dropout_mask((100_000, 4), 0.5, np.random.default_rng(0), np.dtype(float)) / 2
    assert np.abs(np.corrcoef(m.T) - np.eye(4)).max() < 0.02


@given(sizes, seeds, rates)
def test_the_generator_decides(s, seed, rate):
    """The same seed drops the same numbers, and the next call drops others."""
    shape = (s.B, s.L_q, 50)
    rng = np.random.default_rng(seed)
    first, second = (dropout_mask(shape, rate, rng, np.dtype(float)) for _ in range(2))
    assert_array_equal(first, dropout_mask(shape, rate, np.random.default_rng(seed), np.dtype(float)))
    assert not np.array_equal(first, second)


@given(sizes, seeds, rates)
def test_dropout_gradient(s, seed, rate):
    """What was dropped gets no gradient, and what was scaled a scaled one: the same mask both ways."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((s.B, s.L_q, s.d_k))
    assert_gradients(lambda x: dropout(x, Dropout(rate, np.random.default_rng(seed))), dropout_backward, (x,), rng)


def test_float32_stays_float32():
    x = np.ones((3, 4), np.float32)
    y, m = dropout(x, Dropout(0.5, np.random.default_rng(0)))
    assert_float32(y, m, dropout_backward(y, m))


def test_a_single_number_can_be_dropped():
    """Any shape: also none."""
    y, m = dropout(np.array(2.0), Dropout(0.5, np.random.default_rng(0)))
    assert y.shape == m.shape == ()


def test_bad_input_is_refused():
    x, rng = np.ones(3), np.random.default_rng(0)
    for rate in (-0.1, 1.0, 1.5, float("nan")):
        with refuses(ValueError, f"rate: got {rate}, expected a probability in [0, 1)"):
            dropout(x, Dropout(rate, rng))
    with refuses(TypeError, "rate: got '0.1', expected a number in [0, 1)"):
        Dropout("0.1", rng)
    with refuses(TypeError, "x: got dtype int64, expected floating-point numbers such as float32"):
        dropout(np.ones(3, int), Dropout(0.5, rng))
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        Dropout(0.5, 0)
    with refuses(TypeError, "drop: got float, expected Dropout"):
        dropout(x, 0.5)
