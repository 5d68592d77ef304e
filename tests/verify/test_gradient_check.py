"""The gradient check: it passes right gradients to the last digits, and no wrong one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.equations.softmax import softmax, softmax_backward
from minitransformer.layers.layer_norm import LayerNorm, layer_norm, layer_norm_backward
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import TOLERANCE, Case, derivative, gradient_error

Array = np.ndarray


@pytest.mark.parametrize("name", CASES)
def test_every_pair_agrees_with_the_complex_step(name):
    """<dy, J v> = <J^T dy, v> to 1e-12 for each input and weight, at several random points."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        assert gradient_error(CASES[name](rng), rng) < TOLERANCE


@given(st.floats(-3, 3))
def test_the_complex_step_is_the_derivative_to_the_last_digit(x):
    """d/dx exp(sin x) = cos x exp(sin x), without a step that would have to be chosen."""
    (slope,) = derivative(lambda x: (np.exp(np.sin(x)), None), (np.array([x]),), (np.array([1.0]),))
    assert slope == pytest.approx(np.cos(x) * np.exp(np.sin(x)), rel=1e-15, abs=1e-16)


def softmax_without_the_inner_product(dalpha: Array, alpha: Array) -> Array:
    return alpha * dalpha


def softmax_inner_product_over_queries(dalpha: Array, alpha: Array) -> Array:
    return alpha * (dalpha - (dalpha * alpha).sum(axis=-2, keepdims=True))


def softmax_divided_by_the_batch(dalpha: Array, alpha: Array) -> Array:
    return softmax_backward(dalpha, alpha) / len(alpha)


def softmax_off_by_a_millionth(dalpha: Array, alpha: Array) -> Array:
    return softmax_backward(dalpha, alpha) * (1 + 1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        softmax_without_the_inner_product,
        softmax_inner_product_over_queries,
        softmax_divided_by_the_batch,
        softmax_off_by_a_millionth,
    ],
)
def test_a_wrong_softmax_gradient_is_caught(wrong):
    """Planted errors, even of one part in a million, stand far above the tolerance."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 3, 5))
    case = Case(softmax, lambda dy, cache: (wrong(dy, cache),), (a,))
    assert gradient_error(case, rng) > 1e-8


@pytest.mark.parametrize("term", ["mean", "x_hat", "gain", "sigma"])
def test_a_layer_norm_gradient_that_lacks_a_term_is_caught(term):
    """Each term of dx = (g - mean(g) - x_hat mean(g x_hat)) / sigma, g = dy gamma, is needed."""

    def backward(dy: Array, cache: tuple) -> tuple:
        x_hat, sigma, (gamma, _) = cache
        g = dy if term == "gain" else dy * gamma
        mean_g = 0 if term == "mean" else g.mean(axis=-1, keepdims=True)
        mean_g_x_hat = 0 if term == "x_hat" else (g * x_hat).mean(axis=-1, keepdims=True)
        dx = (g - mean_g - x_hat * mean_g_x_hat) / (1 if term == "sigma" else sigma)
        return dx, layer_norm_backward(dy, cache)[1]

    rng = np.random.default_rng(0)
    weights = LayerNorm(rng.standard_normal(6), rng.standard_normal(6))
    case = Case(layer_norm, backward, (rng.standard_normal((2, 3, 6)), weights))
    assert gradient_error(case, rng) > 1e-3


def test_an_error_in_one_small_weight_is_not_hidden_by_the_others():
    """Each leaf is tried alone: a missing beta gradient shows beside a thousand times larger input gradient."""
    rng = np.random.default_rng(0)
    weights = LayerNorm(rng.standard_normal(6), rng.standard_normal(6))

    def backward(dy: Array, cache: tuple) -> tuple:
        dx, dweights = layer_norm_backward(dy, cache)
        return dx, dweights._replace(beta=np.zeros(6))

    case = Case(layer_norm, backward, (1e-3 * rng.standard_normal((2, 3, 6)), weights))
    assert gradient_error(case, rng) > 1e-6


def test_a_gradient_that_is_no_number_is_not_hidden_by_the_others():
    """NaN in the last of several gradients."""
    case = Case(lambda x, y: (x + y, None), lambda dy, cache: (dy, dy * np.nan), (np.ones(3), np.ones(3)))
    assert not gradient_error(case, np.random.default_rng(0)) < TOLERANCE


def test_where_nothing_gets_through_no_gradient_may_come_back():
    """Derivative 0: a gradient of 0 is right, without a warning; any other is wrong, however small it is."""
    for gradient, right in ((0.0, True), (1e-30, False)):
        case = Case(lambda x: (0 * x, None), lambda dy, cache, g=gradient: (np.full(3, g),), (np.ones(3),))
        error = gradient_error(case, np.random.default_rng(0))
        assert error == 0 if right else error > 1e-3


def test_a_derivative_that_nearly_cancels_is_no_error():
    """Of one number, <dy, J v> may be small by chance: rounding is measured against its terms, not against the sum."""
    x = np.array([1.0, 1.0, 1e-16])
    case = Case(
        lambda x: (x[0] * 3 - x[1] * 3 + x[2], None), lambda dy, cache: (dy * np.array([3.0, -3.0, 1.0]),), (x,)
    )
    for seed in range(200):
        assert gradient_error(case, np.random.default_rng(seed)) < TOLERANCE


def test_a_gradient_of_another_shape_is_refused():
    """A gradient that would only broadcast to its input's shape is an error, whatever its dot product."""
    case = Case(lambda x: (x * 2, None), lambda dy, cache: (dy.sum(axis=0, keepdims=True) * 2,), (np.ones((3, 4)),))
    with pytest.raises(AssertionError, match=r"backward: gradients have paths and shapes .*\(1, 4\).*\(3, 4\)"):
        gradient_error(case, np.random.default_rng(0))


@pytest.mark.parametrize("drop", [np.real, np.abs, lambda x: x.real.copy()])
def test_a_forward_that_drops_the_imaginary_part_is_refused(drop):
    """Else its derivative would come out as 0, and any backward of 0 would pass."""
    with pytest.raises(AssertionError, match="somewhere the imaginary part was dropped"):
        derivative(lambda x: (drop(x), None), (np.ones(3),), (np.ones(3),))


def test_a_forward_that_casts_to_real_raises():
    """NumPy's ComplexWarning is an error here."""
    with pytest.raises(np.exceptions.ComplexWarning):
        derivative(lambda x: (x.astype(np.float64) + 0j, None), (np.ones(3),), (np.ones(3),))
