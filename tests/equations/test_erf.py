"""The error function, for the exact GELU: to the last bits of float64."""

import math

import numpy as np
import pytest
from assertions import assert_float32
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minitransformer.equations.erf import erfc, normal_cdf, normal_density


@given(st.floats(-30, 26))
@example(0.0)
@example(-0.0)
@example(1e-300)
@example(26.0)
def test_erfc_to_full_double_precision(z):
    """As accurate as the C library's, in relative terms, into the far tail."""
    (given,) = erfc(np.array([z]))
    assert given == pytest.approx(math.erfc(z), rel=2e-15 * max(1, z * z / 4), abs=0)


def test_erfc_on_a_fine_grid():
    """No spot between the nodes of the series is worse: 2e-15 for |z| < 2, where most numbers of a network are."""
    z = np.linspace(-2, 2, 20_001)
    assert_allclose(erfc(z), [math.erfc(z_i) for z_i in z], rtol=2e-15)


def test_erfc_far_out():
    """0 and 2, without an overflow on the way."""
    assert erfc(np.array([1e10, -1e10, 40.0])).tolist() == [0.0, 2.0, 0.0]


@given(st.floats(-8, 8))
def test_normal_cdf_is_half_of_one_plus_erf(x):
    """Phi(x) = (1 + erf(x / sqrt 2)) / 2."""
    (given,) = normal_cdf(np.array([x]))
    assert given == pytest.approx((1 + math.erf(x / math.sqrt(2))) / 2, rel=1e-12, abs=1e-15)


@given(st.floats(-8, 8))
def test_the_two_tails_of_the_normal_distribution_sum_to_1(x):
    below, above = normal_cdf(np.array([x, -x]))
    assert below + above == pytest.approx(1, rel=1e-15)


@given(st.floats(-8, 8))
def test_the_density_is_the_derivative(x):
    """Phi'(x) = phi(x) = exp(-x^2/2) / sqrt(2 pi), by the complex step through the series."""
    (density,) = normal_density(np.array([x]))
    assert density == pytest.approx(math.exp(-x * x / 2) / math.sqrt(2 * math.pi), rel=1e-14)
    slope = normal_cdf(np.array([x + 1e-30j])).imag / 1e-30
    assert slope[0] == pytest.approx(density, rel=1e-11)


def test_float32_stays_float32():
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    assert_float32(erfc(x), normal_cdf(x), normal_density(x))
    assert_allclose(normal_cdf(x), normal_cdf(x.astype(np.float64)), rtol=3e-6)
