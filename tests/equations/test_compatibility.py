"""The compatibility function f (4.1): scaled dot product, dot product, bilinear, additive."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.equations.attention import scaled_dot_product, scaled_dot_product_backward
from minitransformer.equations.compatibility import (
    ADDITIVE,
    BILINEAR,
    DOT_PRODUCT,
    SCALED_DOT_PRODUCT,
    Additive,
    additive,
    additive_backward,
    bilinear,
    bilinear_backward,
    dot_product,
    dot_product_backward,
)
from minitransformer.tree import tree_map
from minitransformer.verify import by_the_book as book


def draw(s, seed, d_q=None):
    """Random Q (B, L_q, d_q), K (B, L_k, d_k), and a generator for the rest."""
    rng = np.random.default_rng(seed)
    Q = rng.standard_normal((s.B, s.L_q, d_q or s.d_k))
    return Q, rng.standard_normal((s.B, s.L_k, s.d_k)), rng


def additive_weights(s, rng):
    """d_a = d_ff, d_q = d_v: all different."""
    return Additive(
        rng.standard_normal((s.d_ff, s.d_v)), rng.standard_normal((s.d_ff, s.d_k)), rng.standard_normal(s.d_ff)
    )


@given(sizes, seeds)
def test_the_dot_product_is_the_equation(s, seed):
    """A_ij = q_i^T k_j."""
    Q, K, _ = draw(s, seed)
    assert_allclose(dot_product(Q, K)[0], [book.scores(*QK, book.dot) for QK in zip(Q, K, strict=True)], rtol=1e-11)


@given(sizes, seeds)
def test_bilinear_is_the_equation(s, seed):
    """A_ij = q_i^T M k_j, with queries and keys of different widths."""
    Q, K, rng = draw(s, seed, d_q=s.d_v)
    M = rng.standard_normal((s.d_v, s.d_k))
    expected = [book.scores(Q[b], K[b], lambda q, k: book.bilinear(q, k, M)) for b in range(s.B)]
    assert_allclose(bilinear(Q, K, M)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_additive_is_the_equation(s, seed):
    """A_ij = v^T tanh(W q_i + U k_j), with queries and keys of different widths."""
    Q, K, rng = draw(s, seed, d_q=s.d_v)
    weights = additive_weights(s, rng)
    expected = [book.scores(Q[b], K[b], lambda q, k: book.additive(q, k, *weights)) for b in range(s.B)]
    assert_allclose(additive(Q, K, weights)[0], expected, rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_dot_product_is_the_bilinear_form_of_the_identity(s, seed):
    """q^T I k = q^T k."""
    Q, K, _ = draw(s, seed)
    assert_allclose(bilinear(Q, K, np.eye(s.d_k))[0], dot_product(Q, K)[0], rtol=1e-12, atol=1e-13)


@given(sizes, seeds)
def test_projected_dot_product_is_a_bilinear_form(s, seed):
    """(W_q x)^T (W_k y) = x^T (W_q^T W_k) y: attention's two projections are one M of low rank."""
    X, Y, rng = draw(s, seed, d_q=s.d_v)
    W_q, W_k = rng.standard_normal((s.d_v, 2)), rng.standard_normal((s.d_k, 2))  # for vectors as rows
    assert_allclose(dot_product(X @ W_q, Y @ W_k)[0], bilinear(X, Y, W_q @ W_k.T)[0], rtol=1e-10, atol=1e-12)


@given(sizes, seeds)
def test_the_additive_score_is_bounded(s, seed):
    """|v^T tanh(...)| <= sum |v_a|, however large query and key are."""
    Q, K, rng = draw(s, seed, d_q=s.d_v)
    weights = additive_weights(s, rng)
    A, _ = additive(1e6 * Q, 1e6 * K, weights)
    assert (np.abs(A) <= np.abs(weights.v).sum() * (1 + 1e-12)).all()


@given(sizes, seeds)
def test_dot_product_gradients(s, seed):
    """The complex step agrees, without batch axes and with one or two."""
    Q, K, rng = draw(s, seed)
    assert_gradients(dot_product, dot_product_backward, (Q, K), rng)
    assert_gradients(dot_product, dot_product_backward, (Q[0], K[0]), rng)
    assert_gradients(dot_product, dot_product_backward, (Q[None], K[None]), rng)


@given(sizes, seeds)
def test_bilinear_gradients(s, seed):
    """dM sums over the batch; dQ and dK do not."""
    Q, K, rng = draw(s, seed, d_q=s.d_v)
    M = rng.standard_normal((s.d_v, s.d_k))
    assert_gradients(bilinear, bilinear_backward, (Q, K, M), rng)
    assert_gradients(bilinear, bilinear_backward, (Q[0], K[0], M), rng)


@given(sizes, seeds)
def test_additive_gradients(s, seed):
    """dW, dU, dv sum over the batch and over every pair of query and key."""
    Q, K, rng = draw(s, seed, d_q=s.d_v)
    weights = additive_weights(s, rng)
    assert_gradients(additive, additive_backward, (Q, K, weights), rng)
    assert_gradients(additive, additive_backward, (Q[0], K[0], weights), rng)


def test_each_choice_of_f_is_a_forward_with_its_backward():
    """What `attention_one_query` is given as f."""
    assert (dot_product, dot_product_backward) == DOT_PRODUCT
    assert (scaled_dot_product, scaled_dot_product_backward) == SCALED_DOT_PRODUCT
    assert (bilinear, bilinear_backward) == BILINEAR
    assert (additive, additive_backward) == ADDITIVE


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    Q, K, M = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3, 4), (2, 5, 4), (4, 4)))
    weights = tree_map(lambda x: x.astype(np.float32), Additive(*map(rng.standard_normal, ((6, 4), (6, 4), 6))))
    for forward, backward, inputs in (
        (dot_product, dot_product_backward, (Q, K)),
        (scaled_dot_product, scaled_dot_product_backward, (Q, K)),
        (bilinear, bilinear_backward, (Q, K, M)),
        (additive, additive_backward, (Q, K, weights)),
    ):
        A, cache = forward(*inputs)
        assert_float32(A, cache, backward(A, cache))


Q, K = np.ones((2, 3, 4)), np.ones((2, 5, 4))


@pytest.mark.parametrize(
    "f",
    [
        dot_product,
        scaled_dot_product,
        lambda Q, K: bilinear(Q, K, np.ones((4, 4))),
        lambda Q, K: additive(Q, K, Additive(np.ones((6, 4)), np.ones((6, 4)), np.ones(6))),
    ],
    ids=["dot_product", "scaled_dot_product", "bilinear", "additive"],
)
def test_bad_queries_and_keys_are_refused(f):
    with refuses(TypeError, "Q: got list, expected a NumPy array of floating-point numbers"):
        f([[1.0]], K)
    with pytest.raises(ValueError, match=r"^Q: got shape \(4,\), expected \(\.\.\., L_q, d_[qk]\)"):
        f(np.ones(4), K)
    with refuses(TypeError, "K: got dtype int64, expected floating-point numbers such as float32"):
        f(Q, np.ones((2, 5, 4), int))
    with refuses(ValueError, "K: got shape (4,), expected (..., L_k, d_k) with d_k = 4"):
        f(Q, np.ones(4))
    with refuses(ValueError, "K: got shape (2, 5, 3), expected (..., L_k, d_k) with d_k = 4"):
        f(Q, np.ones((2, 5, 3)))
    with refuses(ValueError, "K: got shape (7, 5, 4), expected the batch axes (2,) before (L_k, d_k)"):
        f(Q, np.ones((7, 5, 4)))


def test_bad_weights_of_f_are_refused():
    with refuses(ValueError, "M: got shape (1, 4, 4), expected (d_q, d_k)"):
        bilinear(Q, K, np.ones((1, 4, 4)))
    with refuses(ValueError, "M: got shape (4,), expected (d_q, d_k)"):
        bilinear(Q, K, np.ones(4))
    with refuses(ValueError, "Q: got shape (2, 3, 4), expected (..., L_q, d_q) with d_q = 3"):
        bilinear(Q, K, np.ones((3, 4)))
    with refuses(ValueError, "K: got shape (2, 5, 4), expected (..., L_k, d_k) with d_k = 3"):
        bilinear(Q, K, np.ones((4, 3)))
    W, v = np.ones((6, 4)), np.ones(6)
    with refuses(ValueError, "Q: got shape (2, 3, 4), expected (..., L_q, d_q) with d_q = 3"):
        additive(Q, K, Additive(np.ones((6, 3)), W, v))
    with refuses(ValueError, "K: got shape (2, 5, 4), expected (..., L_k, d_k) with d_k = 3"):
        additive(Q, K, Additive(W, np.ones((6, 3)), v))
    with refuses(ValueError, "weights.W: got shape (1, 6, 4), expected (d_a, d_q)"):
        additive(Q, K, Additive(W[None], W, v))
    with refuses(ValueError, "weights.U: got shape (1, 6, 4), expected (d_a, d_k) with d_a = 6"):
        additive(Q, K, Additive(W, W[None], v))
    with refuses(ValueError, "weights.U: got shape (5, 4), expected (d_a, d_k) with d_a = 6"):
        additive(Q, K, Additive(W, W[1:], v))
    with refuses(ValueError, "weights.v: got shape (5,), expected (d_a,) with d_a = 6"):
        additive(Q, K, Additive(W, W, v[1:]))
