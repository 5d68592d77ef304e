"""Root mean square normalization, layer normalization without its mean (3.1.4)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.layer_norm import LayerNorm, layer_norm
from minitransformer.layers.rms_norm import RMSNorm, init_rms_norm, rms_norm, rms_norm_backward
from minitransformer.verify import by_the_book as book

epsilons = st.sampled_from([1e-5, 0.1])


def draw(s, seed):
    rng = np.random.default_rng(seed)
    weights = RMSNorm(rng.standard_normal(s.d_ff))
    return rng.standard_normal((s.B, s.L_q, s.d_ff)), weights, rng


@given(sizes, seeds, epsilons)
def test_rms_norm_is_the_equation(s, seed, eps):
    """gamma x / sqrt(mean(x^2) + eps), position by position."""
    x, weights, _ = draw(s, seed)
    y, _ = rms_norm(x, weights, eps)
    assert_allclose(y, [book.rms_norm(x_b, *weights, eps) for x_b in x], rtol=1e-10, atol=1e-12, strict=True)


@given(sizes, seeds)
def test_eps_is_1e_5_by_default(s, seed):
    x, weights, _ = draw(s, seed)
    assert_array_equal(rms_norm(1e-3 * x, weights)[0], rms_norm(1e-3 * x, weights, 1e-5)[0])


def test_eps_stands_inside_the_root():
    """x = (1, 7): mean of squares 25, with eps = 11 the root is 6, not 5 + 11."""
    y, cache = rms_norm(np.array([1.0, 7.0]), init_rms_norm(2, np.float64), eps=11.0)
    assert cache.rms.tolist() == [6.0]
    assert y.tolist() == [1 / 6, 7 / 6]


@given(sizes, seeds, st.floats(0.5, 20))
def test_the_scale_of_the_input_is_ignored(s, seed, scale):
    """RMSNorm(c x) = RMSNorm(x) for c > 0, with an eps that is scaled as the mean of squares is."""
    x, weights, _ = draw(s, seed)
    y, _ = rms_norm(x, weights, 1e-5)
    assert_allclose(rms_norm(scale * x, weights, scale**2 * 1e-5)[0], y, rtol=1e-10)


def test_a_shift_of_the_input_is_not_ignored():
    """LayerNorm makes equal features 0; here they stay: no mean is subtracted."""
    y, _ = rms_norm(np.full((1, 3), 8.0), init_rms_norm(3, np.float64))
    assert_allclose(y, 1, rtol=1e-6)


@given(sizes, seeds, epsilons)
def test_of_centred_features_it_is_layer_norm_without_a_bias(s, seed, eps):
    x, weights, _ = draw(s, seed)
    centred = x - x.mean(axis=-1, keepdims=True)
    y, _ = layer_norm(centred, LayerNorm(weights.gamma, np.zeros(s.d_ff)), eps)
    assert_allclose(rms_norm(centred, weights, eps)[0], y, rtol=1e-9, atol=1e-12)


@given(sizes, seeds)
def test_the_input_gradient_is_orthogonal_to_the_scale(s, seed):
    """A direction that changes nothing gets no gradient: sum dx x_hat = 0 but for what eps leaves.

    As sum x_hat^2 = d (1 - eps/rms^2), sum dx x_hat = (eps/rms^2) sum g x_hat / rms.
    """
    x, weights, rng = draw(s, seed)
    eps = 1e-5
    y, cache = rms_norm(x, weights, eps)
    dy = rng.standard_normal(y.shape)
    dx, _ = rms_norm_backward(dy, cache)
    g, rms = dy * weights.gamma, cache.rms
    along_x_hat = (dx - eps / rms**2 * g / rms) * cache.x_hat
    scale = np.abs(g / rms).sum(axis=-1)
    assert_allclose(along_x_hat.sum(axis=-1) / scale, 0, atol=1e-13)


@given(sizes, seeds, epsilons)
def test_rms_norm_gradients(s, seed, eps):
    """dx and dgamma at random gains, with any axes before the last."""
    x, weights, rng = draw(s, seed)
    for part in (x, x[0], x[0, 0]):
        assert_gradients(lambda x, weights: rms_norm(x, weights, eps), rms_norm_backward, (part, weights), rng)


def test_zeros_are_no_trouble():
    """A root of 0: eps keeps the division defined, y is 0."""
    y, cache = rms_norm(np.zeros((1, 3)), RMSNorm(np.array([2.0, 3.0, 4.0])))
    assert y.tolist() == [[0, 0, 0]]
    assert np.isfinite(rms_norm_backward(np.array([[1.0, 2.0, 3.0]]), cache)[0]).all()


def test_initial_weights_change_nothing():
    """gamma = 1, in float32 unless asked otherwise."""
    weights = init_rms_norm(3)
    assert weights.gamma.tolist() == [1, 1, 1]
    assert_float32(weights)
    assert init_rms_norm(1, np.float64).gamma.dtype == np.float64


def test_float32_stays_float32():
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    y, cache = rms_norm(x, init_rms_norm(4))
    assert_float32(y, cache, rms_norm_backward(y, cache))


def test_bad_input_is_refused():
    weights = init_rms_norm(4)
    with refuses(ValueError, "x: got shape (2, 3), expected (..., d) with d = 4"):
        rms_norm(np.ones((2, 3)), weights)
    with refuses(TypeError, "x: got dtype int64, expected floating-point numbers such as float32"):
        rms_norm(np.ones((2, 4), int), weights)
    with refuses(ValueError, "d: got 0, expected 1 or more"):
        init_rms_norm(0)
