"""BERT's guess of a masked token (3.3.1)."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.activations import GELU, RELU
from minitransformer.layers.embedding import Embedding, init_embedding
from minitransformer.layers.mlm_head import (
    init_mlm_head,
    mlm_head,
    mlm_head_backward,
)
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

activations = st.sampled_from([(GELU, book.gelu), (RELU, book.relu)])


def draw(s, seed):
    """V = d_v tokens, L_q masked positions."""
    rng = np.random.default_rng(seed)
    weights = loud(init_mlm_head(s.d_v, s.d_model, rng), rng)
    return rng.standard_normal((s.L_q, s.d_model)), weights, Embedding(rng.standard_normal((s.d_v, s.d_model))), rng


@given(sizes, seeds, activations, st.sampled_from([1e-12, 0.01]))
def test_mlm_head_is_the_equation(s, seed, activation, eps):
    """LayerNorm(GELU(y W + b)) E^T + b_V, or with another activation."""
    y, weights, embedding, _ = draw(s, seed)
    ours, by_the_book = activation
    logits, _ = mlm_head(y, weights, embedding, ours, eps)
    expected = book.mlm_head(y, weights, embedding.E, by_the_book, eps)
    assert_allclose(logits, expected, rtol=1e-8, atol=1e-10, strict=True)


@given(sizes, seeds)
def test_mlm_head_gradients(s, seed):
    """Of the positions, of the weights, and of the table; for a list of positions, one position, and a whole batch."""
    y, weights, embedding, rng = draw(s, seed)
    for positions in (y, y[0], rng.standard_normal((s.B, *y.shape))):
        assert_gradients(
            lambda y, weights, embedding: mlm_head(y, weights, embedding, GELU, 0.01),
            mlm_head_backward,
            (positions, weights, embedding),
            rng,
        )


@given(sizes, seeds)
def test_positions_are_scored_one_by_one(s, seed):
    y, weights, embedding, _ = draw(s, seed)
    logits, _ = mlm_head(y, weights, embedding, GELU)
    for position, scores in zip(y, logits, strict=True):
        assert_allclose(mlm_head(position, weights, embedding, GELU)[0], scores, rtol=1e-9, atol=1e-11)


def test_no_masked_position_is_no_score_and_no_gradient():
    """A batch where chance masked no token."""
    rng = np.random.default_rng(0)
    weights, embedding = init_mlm_head(7, 4, rng), init_embedding(7, 4, rng)
    logits, cache = mlm_head(np.zeros((0, 4), np.float32), weights, embedding, GELU)
    assert logits.shape == (0, 7)
    dy, dweights, dembedding = mlm_head_backward(logits, cache)
    assert dy.shape == (0, 4)
    assert not any(leaf.any() for leaf in leaves((dweights, dembedding)))


def test_initial_weights_and_float32():
    """No token is likelier than another by its bias."""
    rng = np.random.default_rng(0)
    weights = init_mlm_head(7, 4, rng)
    assert weights.transform.W.shape == (4, 4)
    assert weights.norm.gamma.tolist() == [1] * 4
    assert weights.b.tolist() == [0] * 7
    logits, cache = mlm_head(np.ones((2, 4), np.float32), weights, init_embedding(7, 4, rng), GELU)
    assert_float32(weights, logits, cache, mlm_head_backward(logits, cache))
    assert {leaf.dtype for leaf in leaves(init_mlm_head(7, 4, rng, np.float64))} == {np.dtype(float)}


def test_bad_input_is_refused():
    """Another width, or a bias for other tokens than the table has."""
    rng = np.random.default_rng(0)
    weights = init_mlm_head(7, 4, rng)
    with refuses(ValueError, "x: got shape (2, 5), expected (..., d_in) with d_in = 4"):
        mlm_head(np.ones((2, 5)), weights, init_embedding(7, 4, rng), GELU)
    with refuses(ValueError, "weights.b: got shape (7,), expected (V,) with V = 8"):
        mlm_head(np.ones((2, 4)), weights, init_embedding(8, 4, rng), GELU)
    with refuses(ValueError, "y: got shape (2, 4), expected (..., d) with d = 5"):
        mlm_head(np.ones((2, 4)), weights, init_embedding(7, 5, rng), GELU)


@given(sizes, seeds)
def test_eps_is_berts(s, seed):
    """1e-12, where no other is given."""
    y, weights, embedding, _ = draw(s, seed)
    assert_array_equal(mlm_head(y, weights, embedding, GELU)[0], mlm_head(y, weights, embedding, GELU, 1e-12)[0])
