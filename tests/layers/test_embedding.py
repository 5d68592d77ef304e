"""Token embedding (3.1.1)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.embedding import Embedding, embedding, embedding_backward, init_embedding


def draw(s, seed):
    """V = d_k tokens at B L_q positions: some occur twice."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, s.d_k, (s.B, s.L_q)), Embedding(rng.standard_normal((s.d_k, s.d_v))), rng


@given(sizes, seeds)
def test_embedding_is_one_hot_times_E(s, seed):
    """x_i = E[w_i], the row that a one-hot vector selects."""
    ids, weights, _ = draw(s, seed)
    one_hot = np.eye(s.d_k)[ids]
    assert_allclose(embedding(ids, weights)[0], one_hot @ weights.E, rtol=1e-13, strict=True)


@given(sizes, seeds)
def test_embedding_gradient(s, seed):
    ids, weights, rng = draw(s, seed)
    assert_gradients(lambda weights: embedding(ids, weights), embedding_backward, (weights,), rng)


def test_a_token_that_occurs_twice_gets_both_gradients():
    """`dE[ids] += dx` would keep only the last; and tokens that do not occur get 0."""
    weights = Embedding(np.zeros((4, 2)))
    _, cache = embedding(np.array([2, 0, 2]), weights)
    dx = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    assert embedding_backward(dx, cache).E.tolist() == [[2, 20], [0, 0], [5, 50], [0, 0]]


def test_ids_of_any_shape():
    """A single id, none at all, or unsigned ones."""
    weights = Embedding(np.arange(6.0).reshape(3, 2))
    x, cache = embedding(np.array(2, np.uint8), weights)
    assert x.tolist() == [4, 5]
    assert_array_equal(embedding_backward(x, cache).E, [[0, 0], [0, 0], [4, 5]])
    x, cache = embedding(np.empty((2, 0), int), weights)
    assert x.shape == (2, 0, 2)


def test_initial_table_is_standard_normal():
    """The size of the sines that are added to it."""
    E = init_embedding(500, 60, np.random.default_rng(0)).E
    assert E.shape == (500, 60)
    assert E.mean() == pytest.approx(0, abs=0.02)
    assert E.std() == pytest.approx(1, rel=0.02)
    assert_float32(E)
    assert init_embedding(3, 2, np.random.default_rng(0), np.float64).E.dtype == np.float64


def test_float32_stays_float32():
    x, cache = embedding(np.array([[0, 1, 1]]), init_embedding(3, 2, np.random.default_rng(0)))
    assert_float32(x, cache.weights, embedding_backward(x, cache))


def test_bad_ids_are_refused():
    weights = Embedding(np.ones((3, 2)))
    with refuses(ValueError, "ids: got values from 0 to 3, expected 0 to 2"):
        embedding(np.array([0, 3]), weights)
    with refuses(ValueError, "ids: got values from -1 to 2, expected 0 to 2"):
        embedding(np.array([-1, 2]), weights)
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        embedding(np.array([1.0]), weights)
    with refuses(TypeError, "ids: got dtype bool, expected an array of integers"):
        embedding(np.array([True]), weights)
    with refuses(TypeError, "ids: got list, expected an array of integers"):
        embedding([1, 2], weights)
