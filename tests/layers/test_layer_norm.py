"""Layer normalization (3.1.4)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.layer_norm import (
    LayerNorm,
    LayerNormCache,
    init_layer_norm,
    layer_norm,
    layer_norm_backward,
)
from minitransformer.verify import by_the_book as book

epsilons = st.sampled_from([1e-5, 0.1])


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = LayerNorm(rng.standard_normal(s.d_ff), rng.standard_normal(s.d_ff))
    return rng.standard_normal((s.B, s.L_q, s.d_ff)), weights, rng


@given(sizes, seeds, epsilons)
def test_layer_norm_is_the_equation(s, seed, eps):
    """gamma (x - mean) / sqrt(variance + eps) + beta, position by position."""
    x, weights, _ = draw(s, seed)
    y, _ = layer_norm(x, weights, eps)
    assert_allclose(y, [book.layer_norm(x_b, *weights, eps) for x_b in x], rtol=1e-10, atol=1e-12, strict=True)


@given(sizes, seeds)
def test_eps_is_1e_5_by_default(s, seed):
    """PyTorch's, and so section 5's."""
    x, weights, _ = draw(s, seed)
    assert_array_equal(layer_norm(1e-3 * x, weights)[0], layer_norm(1e-3 * x, weights, 1e-5)[0])


@given(sizes, seeds)
def test_each_position_gets_mean_0_and_variance_1(s, seed):
    """Over the features of one position, never over positions or the batch; eps makes it a little less than 1."""
    x, _, _ = draw(s, seed)
    y, _ = layer_norm(x, init_layer_norm(s.d_ff, np.float64), eps=1e-6)
    assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    variance = x.var(axis=-1)
    assert_allclose(y.var(axis=-1), variance / (variance + 1e-6), rtol=1e-9)


def test_variance_is_biased_and_eps_stands_inside_the_root():
    """x = (-1, 1): variance (1 + 1)/2 = 1, not 2; with eps = 3, sigma = sqrt(1 + 3) = 2, not 1 + 3."""
    y, cache = layer_norm(np.array([-1.0, 1.0]), init_layer_norm(2, np.float64), eps=3.0)
    assert y.tolist() == [-0.5, 0.5]
    assert cache.sigma.tolist() == [2.0]


@given(sizes, seeds, st.floats(0.5, 20), st.floats(-9, 9))
def test_shift_and_scale_of_the_input_are_ignored(s, seed, scale, shift):
    """LayerNorm(c x + t) = LayerNorm(x), with an eps that is scaled as the variance is."""
    x, weights, _ = draw(s, seed)
    y, _ = layer_norm(x, weights, 1e-5)
    assert_allclose(layer_norm(scale * x + shift, weights, scale**2 * 1e-5)[0], y, rtol=1e-9, atol=1e-9)


@given(sizes, seeds)
def test_the_input_gradient_is_orthogonal_to_shift_and_scale(s, seed):
    """A direction that changes nothing gets no gradient: sum dx = 0, and sum dx x_hat = 0 but for what eps leaves.

    As sum x_hat^2 = d (1 - eps/sigma^2), sum dx x_hat = (eps/sigma^2) sum g x_hat / sigma.
    """
    x, weights, rng = draw(s, seed)
    eps = 1e-5
    y, (x_hat, sigma, _) = layer_norm(x, weights, eps)
    g = rng.standard_normal(y.shape) * weights.gamma
    dx, _ = layer_norm_backward(g / weights.gamma, LayerNormCache(x_hat, sigma, weights))
    scale = np.abs(g / sigma).sum(axis=-1, keepdims=True)
    assert_allclose(dx.sum(axis=-1, keepdims=True) / scale, 0, atol=1e-13)
    along_x_hat = (dx - eps / sigma**2 * g / sigma) * x_hat
    assert_allclose(along_x_hat.sum(axis=-1, keepdims=True) / scale, 0, atol=1e-13)


def test_the_gain_stands_inside_the_means():
    """A shift of x changes nothing, so sum dx = 0 for any gain; with the gain outside, for equal gains alone."""
    weights = LayerNorm(np.array([2.0, 5.0, 1.0]), np.zeros(3))
    _, cache = layer_norm(np.array([-1.0, 0.0, 4.0]), weights)
    dx, _ = layer_norm_backward(np.array([1.0, 4.0, 2.0]), cache)
    assert abs(dx.sum()) < 1e-14
    assert np.abs(dx).max() > 0.1


@given(sizes, seeds, epsilons)
def test_layer_norm_gradients(s, seed, eps):
    """dx, dgamma, dbeta at random gains and biases, with any axes before the last."""
    x, weights, rng = draw(s, seed)
    for part in (x, x[0], x[0, 0]):
        assert_gradients(lambda x, weights: layer_norm(x, weights, eps), layer_norm_backward, (part, weights), rng)


def test_equal_features_are_no_trouble():
    """Variance 0: eps keeps the division defined, y is beta."""
    weights = LayerNorm(np.array([2.0, 3.0, 4.0]), np.array([5.0, 6.0, 7.0]))
    y, cache = layer_norm(np.full((1, 3), 8.0), weights)
    assert y.tolist() == [[5, 6, 7]]
    assert np.isfinite(layer_norm_backward(np.array([[1.0, 2.0, 3.0]]), cache)[0]).all()


@given(st.floats(-1e4, 1e4, allow_subnormal=False), st.integers(1, 900), st.sampled_from([1e-5, 1e-12]))
@example(0.1, 512, 1e-12)
@example(1234.567, 500, 1e-5)
def test_equal_features_become_beta(value, d, eps):
    """In float32, too, where their mean is rounded, and with BERT's eps, whose root makes a rounding a million times
    as large."""
    y, _ = layer_norm(np.full((2, d), value, np.float32), init_layer_norm(d), eps)
    assert np.abs(y).max() < 1e-7


def test_initial_weights_change_nothing():
    """gamma = 1, beta = 0, in float32 unless asked otherwise."""
    weights = init_layer_norm(3)
    assert weights.gamma.tolist() == [1, 1, 1]
    assert weights.beta.tolist() == [0, 0, 0]
    assert_float32(weights)
    assert {w.dtype for w in init_layer_norm(3, np.float64)} == {np.dtype("float64")}


def test_float32_stays_float32():
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    y, cache = layer_norm(x, init_layer_norm(4))
    assert_float32(y, cache, layer_norm_backward(y, cache))


def test_bad_input_is_refused():
    weights = init_layer_norm(4)
    with refuses(ValueError, "x: got shape (2, 3), expected (..., d) with d = 4"):
        layer_norm(np.ones((2, 3)), weights)
    with refuses(TypeError, "x: got dtype int64, expected floating-point numbers such as float32"):
        layer_norm(np.ones((2, 4), int), weights)
