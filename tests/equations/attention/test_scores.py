"""Scores (4.1, 2.2.1): the scaled dot product."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.equations.attention import scaled_dot_product, scaled_dot_product_backward
from minitransformer.verify import by_the_book as book


def draw(s, seed):
    """Random Q (B, L_q, d_k), K (B, L_k, d_k), and a generator for the rest."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((s.B, s.L_q, s.d_k)), rng.standard_normal((s.B, s.L_k, s.d_k)), rng


@given(sizes, seeds)
def test_the_scaled_dot_product_is_the_equation(s, seed):
    """A_ij = q_i^T k_j / sqrt(d_k)."""
    Q, K, _ = draw(s, seed)
    assert_allclose(scaled_dot_product(Q, K)[0], [book.scores(*QK) for QK in zip(Q, K, strict=True)], rtol=1e-11)


def test_scaled_by_sqrt_of_d_k_not_of_d_model():
    """Two heads of width 3, made of a model of width 6: divided by sqrt(3), so that the scores' variance is 1."""
    rng = np.random.default_rng(0)
    Q, K = rng.standard_normal((2, 2, 400, 3))
    assert_allclose(scaled_dot_product(Q, K)[0], Q @ K.mT / 3**0.5, rtol=1e-12)
    assert scaled_dot_product(Q, K)[0].var() == pytest.approx(1, rel=0.1)


@given(sizes, seeds)
def test_scaled_dot_product_gradients(s, seed):
    """The complex step agrees, without batch axes and with one or two."""
    Q, K, rng = draw(s, seed)
    assert_gradients(scaled_dot_product, scaled_dot_product_backward, (Q, K), rng)
    assert_gradients(scaled_dot_product, scaled_dot_product_backward, (Q[0], K[0]), rng)
    assert_gradients(scaled_dot_product, scaled_dot_product_backward, (Q[None], K[None]), rng)


def test_float32_stays_float32():
    Q, K = np.ones((2, 3, 4), np.float32), np.ones((2, 5, 4), np.float32)
    A, cache = scaled_dot_product(Q, K)
    assert_float32(A, cache, scaled_dot_product_backward(A, cache))


def test_a_gradient_of_another_shape_is_refused():
    """Also one that a product would broadcast."""
    _, cache = scaled_dot_product(np.ones((2, 3, 4)), np.ones((2, 5, 4)))
    with refuses(ValueError, "dA: got shape (1, 3, 5), expected the batch axes (2,) before (L_q, L_k)"):
        scaled_dot_product_backward(np.ones((1, 3, 5)), cache)
