"""What BERT reads (3.3): tokens, positions and segments."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import rates, seeds, sizes

from minitransformer.equations.dropout import Dropout
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.bert_embedding import bert_embedding, bert_embedding_backward, init_bert_embedding
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud

ids_2, segments_2 = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[0, 0, 1], [0, 1, 1]])


def draw(s, seed):
    """V = d_v tokens, positions for one more than there are."""
    rng = np.random.default_rng(seed)
    weights = loud(init_bert_embedding(s.d_v, s.L_q + 1, s.d_model, rng), rng)
    return rng.integers(0, s.d_v, (s.B, s.L_q)), rng.integers(0, 2, (s.B, s.L_q)), weights, rng


@given(sizes, seeds, st.sampled_from([1e-12, 0.01]))
def test_bert_embedding_is_the_equation(s, seed, eps):
    """LayerNorm(E[w_i] + P_i + S[s_i]), position by position."""
    ids, segments, weights, _ = draw(s, seed)
    x, _ = bert_embedding(ids, segments, weights, eps)
    expected = [book.bert_embedding(ids[b], segments[b], weights, eps) for b in range(s.B)]
    assert_allclose(x, expected, rtol=1e-9, atol=1e-11, strict=True)


@given(sizes, seeds, rates)
def test_bert_embedding_gradients(s, seed, rate):
    """All three tables and the norm; with batch axes and without."""
    ids, segments, weights, rng = draw(s, seed)
    for tokens, of in ((ids, segments), (ids[0], segments[0])):
        assert_gradients(
            lambda weights, tokens=tokens, of=of: bert_embedding(
                tokens, of, weights, 0.01, Dropout(rate, np.random.default_rng(seed))
            ),
            bert_embedding_backward,
            (weights,),
            rng,
        )


@given(sizes, seeds)
def test_positions_and_segments_count(s, seed):
    """The same token is another row of x elsewhere, and in the other segment."""
    _, _, weights, _ = draw(s, seed)
    same = np.zeros(s.L_q, int)
    first, _ = bert_embedding(same, same, weights)
    second, _ = bert_embedding(same, same + 1, weights)
    assert not np.allclose(first[0], first[1])
    assert not np.isclose(first, second).all(axis=-1).any()


def test_what_was_not_read_gets_no_gradient():
    """A token, a position and a segment that do not occur."""
    rng = np.random.default_rng(0)
    weights = loud(init_bert_embedding(7, 5, 6, rng), rng)
    x, cache = bert_embedding(np.array([1, 2, 1]), np.array([0, 0, 0]), weights)
    gradient = bert_embedding_backward(rng.standard_normal(x.shape), cache)
    assert gradient.tokens.E.any(axis=1).tolist() == [False, True, True, False, False, False, False]
    assert gradient.positions.P.any(axis=1).tolist() == [True, True, True, False, False]
    assert gradient.segments.E.any(axis=1).tolist() == [True, False]


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, segments, weights, _ = draw(s, seed)
    x, _ = bert_embedding(ids, segments, weights)
    for b in range(s.B):
        assert_allclose(bert_embedding(ids[b], segments[b], weights)[0], x[b], rtol=1e-10, atol=1e-12)


def test_initial_weights():
    """Tokens small enough to score with; positions as sines of their size; segments a tenth as large, and different."""
    weights = init_bert_embedding(2000, 300, 64, np.random.default_rng(0))
    assert [leaf.shape for leaf in leaves(weights)] == [(2000, 64), (300, 64), (2, 64), (64,), (64,)]
    assert 0.98 < weights.tokens.E.std() * 8 < 1.02
    assert_allclose(weights.positions.P * 8 / 2**0.5, positional_encoding(300, 64), atol=1e-6)
    assert_allclose((weights.positions.P**2).mean() * 64, 1, rtol=1e-6)
    many = init_bert_embedding(2, 2, 100_000, np.random.default_rng(0)).segments.E
    assert 0.099 < many.std() * 100_000**0.5 < 0.101
    assert not np.allclose(weights.segments.E[0], weights.segments.E[1])
    assert (weights.norm.gamma == 1).all() and not weights.norm.beta.any()
    assert_float32(weights)
    assert {leaf.dtype for leaf in leaves(init_bert_embedding(7, 5, 6, np.random.default_rng(0), np.float64))} == {
        np.dtype(float)
    }


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    x, cache = bert_embedding(ids_2, segments_2, init_bert_embedding(7, 5, 6, rng), drop=Dropout(0.3, rng))
    assert_float32(x, cache, bert_embedding_backward(x, cache))


def test_the_generator_switches_dropout_on():
    """What was dropped is 0 after the norm, and what was kept is larger by 1 / (1 - rate)."""
    rng = np.random.default_rng(0)
    weights = loud(init_bert_embedding(7, 5, 6, rng), rng)
    x, _ = bert_embedding(ids_2, segments_2, weights)
    assert_array_equal(bert_embedding(ids_2, segments_2, weights, drop=Dropout(0.7, None))[0], x)
    dropped, _ = bert_embedding(ids_2, segments_2, weights, drop=Dropout(0.7, rng))
    kept = dropped != 0
    assert 0 < kept.sum() < kept.size
    assert_allclose(dropped[kept], x[kept] / 0.3, rtol=1e-4)


def test_bad_input_is_refused():
    weights = init_bert_embedding(7, 3, 6, np.random.default_rng(0))
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        bert_embedding(np.array([0, 7]), np.array([0, 1]), weights)
    with refuses(ValueError, "ids: got shape (), expected at least 1 axes"):
        bert_embedding(np.array(3), np.array(0), weights)
    with refuses(ValueError, "segments: got values from 0 to 2, expected 0 to 1"):
        bert_embedding(np.array([0, 1]), np.array([0, 2]), weights)
    with refuses(TypeError, "segments: got dtype bool, expected an array of integers"):
        bert_embedding(np.array([0, 1]), np.array([False, True]), weights)
    with refuses(ValueError, "segments: got shape (2,), expected (3, 2), the shape of ids"):
        bert_embedding(np.zeros((3, 2), int), np.array([0, 1]), weights)
    with refuses(ValueError, "E: got 4 positions, expected at most 3, for which there are vectors"):
        bert_embedding(np.zeros(4, int), np.zeros(4, int), weights)


@given(sizes, seeds)
def test_eps_is_berts(s, seed):
    """1e-12, where no other is given."""
    ids, segments, weights, _ = draw(s, seed)
    assert_array_equal(bert_embedding(ids, segments, weights)[0], bert_embedding(ids, segments, weights, eps=1e-12)[0])
