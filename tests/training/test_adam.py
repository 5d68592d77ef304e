"""Adam and clipping by the global norm."""

import math

import numpy as np
import pytest
from assertions import assert_float32, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds

from minitransformer.training.adam import Adam, adam, clip_by_global_norm, decay_of_matrices, init_adam


def by_the_book(w, gradients, rate, beta1, beta2, eps, decay=0.0):
    """One weight, step by step, as Kingma and Ba (2015) print it; decay as in Loshchilov and Hutter (2019)."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w -= rate * decay * w
        w -= rate * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)
    return w


@given(seeds, st.integers(1, 8), st.sampled_from([(0.9, 0.999, 1e-8), (0.5, 0.8, 0.1)]))
def test_adam_is_the_equation(seed, steps, constants):
    """For each weight by itself, over several steps, in place."""
    rng = np.random.default_rng(seed)
    weights, gradients = rng.standard_normal(4), rng.standard_normal((steps, 4))
    expected = [by_the_book(weights[i], gradients[:, i], 0.1, *constants) for i in range(4)]
    state = init_adam(weights)
    for gradient in gradients:
        state = adam(weights, gradient, state, 0.1, *constants)
    assert_allclose(weights, expected, rtol=1e-12, atol=1e-14)
    assert state.step == steps


@given(seeds, st.integers(1, 8), st.floats(0, 1))
def test_adamw_shrinks_each_weight_by_its_own_decay(seed, steps, decay):
    """Whatever its gradient; as one number for all, or as one for each."""
    rng = np.random.default_rng(seed)
    start, gradients = rng.standard_normal(4), rng.standard_normal((steps, 4))
    for decays in (decay, np.array([decay, 0.0, 0.5, 2 * decay])):
        weights = start.copy()
        each = np.broadcast_to(decays, 4)
        expected = [by_the_book(start[i], gradients[:, i], 0.1, 0.9, 0.999, 1e-8, each[i]) for i in range(4)]
        state = init_adam(weights)
        for gradient in gradients:
            state = adam(weights, gradient, state, 0.1, decay=decays)
        assert_allclose(weights, expected, rtol=1e-12, atol=1e-14)


class Watched(np.ndarray):
    """Arrays that note, for each operation, whether it makes a new array, and whether it changes one that is kept."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        self.noted.append("new" if out is None else "kept" if any(out[0] is one for one in self.kept) else "scratch")
        plain = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in inputs]
        result = getattr(ufunc, method)(*plain, out=None if out is None else out[0].view(np.ndarray), **options)
        return out[0] if out is not None else result.view(Watched)


@pytest.mark.parametrize("decay", [0.0, 0.1, np.full(5, 0.1)])
def test_once_a_weight_or_a_moment_has_changed_nothing_can_fail(decay):
    """No array is made any more, for which there might be no memory: an update is whole, or has not begun."""
    rng = np.random.default_rng(0)
    weights, gradient = rng.standard_normal((2, 5))
    expected, unwatched = weights.copy(), init_adam(weights)
    watched = [x.copy().view(Watched) for x in (weights, *unwatched[:2])]
    Watched.noted, Watched.kept = [], watched
    adam(expected, gradient, unwatched, 0.1, decay=decay)
    adam(watched[0], gradient.view(Watched), Adam(*watched[1:], 0), 0.1, decay=decay)
    first = Watched.noted.index("kept")
    assert "new" not in Watched.noted[first:]
    assert Watched.noted.count("kept") >= 5
    for ours, theirs in zip(watched, (expected, *unwatched[:2]), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("name", ["weights", "state.m", "state.v"])
def test_what_cannot_be_changed_is_refused_before_anything_is(name):
    weights, gradient = np.ones(3), np.ones(3)
    state = init_adam(weights)
    arrays = {"weights": weights, "state.m": state.m, "state.v": state.v}
    arrays[name].flags.writeable = False
    before = {key: array.tobytes() for key, array in arrays.items()}
    with refuses(ValueError, f"{name}: got a read-only array, expected one that can be changed"):
        adam(weights, gradient, state, 0.1)
    assert before == {key: array.tobytes() for key, array in arrays.items()}


@pytest.mark.parametrize("name", ["weights", "gradient", "state.m", "state.v", "rate", "decay"])
def test_complex_numbers_are_refused_before_anything_is_changed(name):
    """Adam divides by the root of a square: of a complex number that is another step, or half a step."""
    state = init_adam(np.ones(3))
    given = {"weights": np.ones(3), "gradient": np.ones(3), "state.m": state.m, "state.v": state.v}
    given |= {"rate": np.ones(3), "decay": np.ones(3)}
    given[name] = given[name] * (1 + 1j)
    before = {key: array.tobytes() for key, array in given.items()}
    with refuses(TypeError, f"{name}: got dtype complex128, expected real numbers such as float32"):
        adam(
            given["weights"],
            given["gradient"],
            Adam(given["state.m"], given["state.v"], 0),
            given["rate"],
            decay=given["decay"],
        )
    assert before == {key: array.tobytes() for key, array in given.items()}


def test_what_stands_around_adam_refuses_complex_numbers_too():
    """The norm of 1 + i is not the root of (1 + i)^2."""
    x = np.ones(2) * (1 + 1j)
    with refuses(TypeError, "weights: got dtype complex128, expected real numbers such as float32"):
        init_adam(x)
    with refuses(TypeError, "gradient: got dtype complex128, expected real numbers such as float32"):
        clip_by_global_norm(x, 1.0)


def test_only_matrices_decay():
    """Biases and gains have a right size of their own."""
    tree = (np.ones((2, 3), np.float32), (np.ones(2, np.float32), None, np.ones((1, 2), np.float32)))
    decay = decay_of_matrices(tree, 0.5)
    assert decay.tolist() == [0.5] * 6 + [0.0] * 2 + [0.5] * 2
    assert decay.dtype == np.float32


def test_the_usual_constants_are_the_default():
    weights = np.array([1.0])
    adam(weights, np.array([0.3]), init_adam(weights), 0.01)
    assert weights[0] == pytest.approx(by_the_book(1.0, [0.3], 0.01, 0.9, 0.999, 1e-8), rel=1e-15)


@given(st.floats(1e-3, 1e3))
def test_the_first_step_is_the_rate_whatever_the_gradients_size(size):
    """m_hat / sqrt(v_hat) = g / |g|: undoing the start at 0 is what makes it so."""
    weights = np.array([0.0, 0.0])
    adam(weights, np.array([size, -size]), init_adam(weights), 0.01)
    assert_allclose(weights, [-0.01, 0.01], rtol=1e-4)


@given(seeds, st.floats(0.1, 10))
def test_a_clipped_gradient_keeps_its_direction(seed, limit):
    """And has norm `limit` at most; one that is short enough stays as it is."""
    gradient = np.random.default_rng(seed).standard_normal(20)
    clipped, norm = clip_by_global_norm(gradient, limit)
    assert norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
    if norm <= limit:
        assert clipped is gradient
    else:
        assert np.linalg.norm(clipped) == pytest.approx(limit, rel=1e-12)
        assert_allclose(clipped / limit, gradient / norm, rtol=1e-12)


def test_a_gradient_of_zeros_is_no_trouble():
    clipped, norm = clip_by_global_norm(np.zeros(3), 1.0)
    assert norm == 0
    assert not clipped.any()


@given(st.integers(-43, 36), st.integers(0, 3), seeds)
def test_a_norm_has_the_size_of_its_numbers(power, above, seed):
    """Of whatever size they are, though their squares would be none of float32: as in float64, and so the clipping."""
    numbers = np.random.default_rng(seed).standard_normal(4)
    gradient = (numbers * 10.0**power).astype(np.float32)
    exact = float(np.linalg.norm(gradient.astype(np.float64)))
    limit = exact / 10**above
    if exact == 0:
        return
    clipped, norm = clip_by_global_norm(gradient, limit)
    assert clipped.dtype == np.float32
    assert norm == pytest.approx(exact, rel=1e-6)
    smallest = np.finfo(np.float32).smallest_subnormal
    assert_allclose(clipped, gradient.astype(np.float64) * (limit / exact), rtol=2e-6, atol=smallest)


def test_a_norm_beyond_float64s_squares():
    """1e200 squared is infinite, 1e-200 squared 0."""
    for size in (1e200, 1e-200):
        clipped, norm = clip_by_global_norm(np.full(4, size), size)
        assert norm == pytest.approx(2 * size, rel=1e-14)
        assert_allclose(clipped, size / 2, rtol=1e-14)


def test_infinity_clips_nothing():
    gradient = np.full(4, 1e20, np.float32)
    clipped, norm = clip_by_global_norm(gradient, math.inf)
    assert clipped is gradient
    assert norm == pytest.approx(2e20)


def test_float32_stays_float32():
    weights, gradient = np.ones(3, np.float32), np.full(3, 9, np.float32)
    clipped, _ = clip_by_global_norm(gradient, 1.0)
    state = adam(weights, clipped, init_adam(weights), 1e-3, decay=np.ones(3, np.float32))
    assert_float32(weights, clipped, state.m, state.v)
