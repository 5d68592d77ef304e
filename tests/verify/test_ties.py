"""Ties of max and min, and numbers on a border: the complex step is taken apart from them everywhere else.

Where a tie is only a matter of computing (which of two highest scores is subtracted), the function is smooth, and the
complex step agrees there, too. Where the function itself has a kink, it has no derivative, and the code's choice is
stated. NumPy orders complex numbers by their real parts and, where those are equal, by their imaginary ones: at a tie
the complex step sees the slope of one side.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.equations.activations import (
    FAR,
    gelu,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    relu,
    relu_backward,
    sigmoid,
)
from minitransformer.equations.erf import normal_cdf, normal_density
from minitransformer.tree import tree_map
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import TOLERANCE, H, derivative, gradient_error

directions = st.lists(st.integers(-8, 8), min_size=4, max_size=4).map(lambda v: np.array(v, float))

SOFTMAXES = (
    *("softmax", "masked_softmax", "log_softmax", "cross_entropy", "attend", "attention", "blockwise_attention"),
    *("attention_one_query", "multi_head"),
)


@pytest.mark.parametrize("name", SOFTMAXES)
@pytest.mark.parametrize("tied", [np.ones_like, np.zeros_like, np.sign, np.round], ids=lambda f: f.__name__)
def test_whichever_of_the_highest_scores_is_subtracted_softmax_is_the_same(name, tied):
    """All inputs equal, all 0, of two values, or whole: of many scores several are the highest."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        case = CASES[name](rng)
        assert gradient_error(case._replace(inputs=tree_map(tied, case.inputs)), rng) < TOLERANCE


@given(directions)
def test_relu_at_0_is_given_the_gradient_0(v):
    """To the left it has the slope 0 and to the right 1. The complex step sees max(0, v), the slope of v's side."""
    x = np.array([0.0, -0.0, 0.0, -0.0])
    y, cache = relu(x)
    assert_array_equal(y, 0)
    assert_array_equal(relu_backward(np.ones(4), cache), 0)
    assert_allclose(derivative(relu, (x,), (v,)), np.maximum(0, v), rtol=1e-15)
    assert_allclose(derivative(relu, (x,), (-v,)), np.maximum(0, -v), rtol=1e-15)


@given(directions)
def test_relu_next_to_0_has_one_slope(v):
    """The smallest numbers on both sides: the slopes are 1 and 0, and the complex step sees them."""
    tiny = np.finfo(float).tiny
    x = np.array([tiny, -tiny, 1e-300, -1e-300])
    gradient = relu_backward(v, relu(x)[1])
    assert_array_equal(gradient, v * [1, 0, 1, 0])
    assert_allclose(derivative(relu, (x,), (v,)), gradient, rtol=1e-15)


@given(directions)
def test_where_the_two_forms_of_erfc_meet_there_is_no_border(v):
    """At 0 and -0, from the left and from the right: Phi' = phi, and the slope of GELU is 1/2."""
    x = np.array([0.0, -0.0, 1e-300, -1e-300])
    slope = derivative(lambda x: (normal_cdf(x), None), (x,), (v,))
    assert_allclose(slope, normal_density(x) * v, rtol=1e-14)
    for forward, backward in ((gelu, gelu_backward), (gelu_tanh, gelu_tanh_backward)):
        assert_allclose(backward(v, forward(x)[1]), v / 2, rtol=1e-14)
        assert_allclose(derivative(forward, (x,), (v,)), v / 2, rtol=1e-14)


@given(directions)
def test_gelu_has_no_kink_where_its_input_is_clipped(v):
    """At -FAR and FAR exactly, and next to them: the slopes 0 and 1, whichever of two equal numbers is the larger."""
    x = np.array([-FAR, np.nextafter(-FAR, -np.inf), np.nextafter(-FAR, 0), FAR])
    for forward, backward in ((gelu, gelu_backward), (gelu_tanh, gelu_tanh_backward)):
        y, cache = forward(x)
        assert_array_equal(y, [0, 0, 0, FAR])
        assert_array_equal(backward(v, cache), v * [0, 0, 0, 1])
    assert_allclose(derivative(gelu, (x,), (v,)), v * [0, 0, 0, 1], rtol=1e-15)


@pytest.mark.xfail(strict=True, reason="exp of a complex number overflows to inf + inf i, whose reciprocal is NaN")
@pytest.mark.parametrize(("forward", "x"), [(sigmoid, -800.0), (gelu_tanh, -22.0)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_complex_step_goes_as_far_to_the_left_as_real_numbers_do(forward, x):
    """There both are 0, and so are their slopes."""
    assert forward(np.array([x]))[0] == 0
    assert derivative(forward, (np.array([x]),), (np.array([1.0]),)) == 0


@given(directions, directions)
def test_of_two_complex_numbers_the_smaller_is_that_with_the_smaller_real_part(v, w):
    """So the complex step may pass through min and max, away from ties; at a tie it follows the smaller direction."""
    a, b = np.arange(4.0), np.array([1.0, 1.0, 1.0, 1.0])
    step = np.minimum(a + 1j * H * v, b + 1j * H * w).imag / H
    assert_allclose(step, [v[0], min(v[1], w[1]), w[2], w[3]], rtol=1e-15)
    step = np.maximum(a + 1j * H * v, b + 1j * H * w).imag / H
    assert_allclose(step, [w[0], max(v[1], w[1]), v[2], v[3]], rtol=1e-15)


def test_the_sign_of_a_complex_number_turns_with_it():
    """NumPy 2 has sign(z) = z / |z|. So |x| written as x sign(x) is right for real x, and has twice its slope here."""
    x, v = np.array([3.0, -2.0]), np.array([1.0, 1.0])
    assert derivative(lambda x: (x * np.sign(x), None), (x,), (v,)) == pytest.approx([2.0, -2.0])
    assert derivative(lambda x: (np.where(x.real < 0, -x, x), None), (x,), (v,)) == pytest.approx([1.0, -1.0])
