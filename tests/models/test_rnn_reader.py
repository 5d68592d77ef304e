"""The recurrent reader (6.3), with an attention that makes one vector of the question."""

import numpy as np
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.models.rnn_reader import init_rnn_reader, rnn_reader, rnn_reader_backward
from minitransformer.tree import leaves
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases.points import loud


def draw(s, seed):
    """V = d_ff tokens; L_k positions, of which each sequence fills two or more: a question, then a text."""
    rng = np.random.default_rng(seed)
    weights = loud(init_rnn_reader(s.d_ff, s.d_k, s.d_v, rng), rng)
    L = s.L_k + 1
    lengths = rng.integers(2, L + 1, s.B)
    question = rng.integers(1, lengths)  # so many tokens of it
    segments = (np.arange(L) >= question[:, None]).astype(int)
    return rng.integers(0, s.d_ff, (s.B, L)), segments, lengths, weights, rng


@given(sizes, seeds)
def test_rnn_reader_is_the_equation(s, seed):
    """Each sequence without its padding: the states, one vector of the question, two of the answer, their products."""
    ids, segments, lengths, weights, _ = draw(s, seed)
    scores, _ = rnn_reader(ids, segments, lengths, weights)
    assert scores.shape == (s.B, 2, s.L_k + 1)
    for b, n in list(enumerate(lengths))[:2]:
        expected = book.rnn_reader(ids[b, :n], segments[b, :n], weights)
        assert_allclose(scores[b, :, :n], expected, rtol=1e-9, atol=1e-11, strict=True)


@given(sizes, seeds)
def test_rnn_reader_gradients(s, seed):
    """Of y, which is used three times; with batch axes and without."""
    ids, segments, lengths, weights, rng = draw(s, seed)
    for b in (slice(None), 0):
        assert_gradients(
            lambda weights, b=b: rnn_reader(ids[b], segments[b], lengths[b, ...], weights),
            rnn_reader_backward,
            (weights,),
            rng,
        )


@given(sizes, seeds)
def test_padding_changes_nothing(s, seed):
    """Neither the scores of the tokens nor a gradient, and if its segment is 0 it is no question either."""
    ids, segments, lengths, weights, rng = draw(s, seed)
    tokens = np.arange(s.L_k + 1) < lengths[:, None]
    others = np.where(tokens, ids, rng.integers(0, s.d_ff, ids.shape)), segments * tokens
    scores, cache = rnn_reader(ids, segments, lengths, weights)
    again, cache_again = rnn_reader(*others, lengths, weights)
    assert_allclose(again * tokens[:, None], scores * tokens[:, None], rtol=1e-10, atol=1e-12)
    dscores = rng.standard_normal(scores.shape) * tokens[:, None]
    gradients = [leaves(rnn_reader_backward(dscores, c)) for c in (cache, cache_again)]
    for ours, theirs in zip(*gradients, strict=True):
        assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@given(sizes, seeds)
def test_the_vector_of_the_question_is_of_the_question_alone(s, seed):
    """Its weights are 0 at every other position, and sum to 1."""
    ids, segments, lengths, weights, _ = draw(s, seed)
    _, cache = rnn_reader(ids, segments, lengths, weights)
    alpha = cache.attend.alpha[:, 0]  # (B, L)
    assert not alpha[segments == 1].any()
    assert (alpha[segments == 0] > 0).all()
    assert_allclose(alpha.sum(axis=-1), 1, rtol=1e-12)


@given(sizes, seeds)
def test_without_a_way_back_the_text_does_not_touch_the_question(s, seed):
    """Where the network that reads from the end hears nothing, what is asked for depends on the question alone."""
    ids, segments, lengths, weights, rng = draw(s, seed)
    rnn = weights.rnn
    deaf = weights._replace(rnn=rnn._replace(back=rnn.back._replace(W_x=np.zeros_like(rnn.back.W_x))))
    other_text = np.where(segments == 1, rng.integers(0, s.d_ff, ids.shape), ids)
    other_question = np.where(segments == 0, (ids + 1) % s.d_ff, ids)
    U, U_text, U_question = (
        rnn_reader(tokens, segments, lengths, deaf)[1].U for tokens in (ids, other_text, other_question)
    )
    assert_allclose(U_text, U, rtol=1e-10, atol=1e-12)
    assert (U_question != U).any(axis=(1, 2)).all()


@given(sizes, seeds)
def test_a_batch_is_its_members_one_by_one(s, seed):
    ids, segments, lengths, weights, _ = draw(s, seed)
    scores, _ = rnn_reader(ids, segments, lengths, weights)
    for b in range(s.B):
        alone, _ = rnn_reader(ids[b], segments[b], lengths[b, ...], weights)
        assert_allclose(alone, scores[b], rtol=1e-10, atol=1e-12)


def test_without_a_question_there_is_no_vector_and_no_nan():
    """All is text: the vector of the question is 0, and the bias alone scores."""
    rng = np.random.default_rng(0)
    weights = loud(init_rnn_reader(7, 4, 3, rng), rng)
    scores, cache = rnn_reader(np.array([[1, 2, 3]]), np.ones((1, 3), int), np.array([3]), weights)
    assert_allclose(cache.U.reshape(-1), weights.span.b, rtol=1e-12)
    assert np.isfinite(scores).all()
    gradient = rnn_reader_backward(scores, cache)
    assert not gradient.pooling.W.any() and not gradient.span.W.any()


def test_initial_weights_and_float32():
    rng = np.random.default_rng(0)
    weights = init_rnn_reader(7, 4, 3, rng)
    assert weights.embedding.E.shape == (7, 4)
    assert weights.rnn.onward.W_x.shape == weights.rnn.back.W_x.shape == (4, 12)
    assert weights.pooling.W.shape == (6, 1)
    assert weights.span.W.shape == (6, 12)
    scores, cache = rnn_reader(np.array([[1, 2, 3]]), np.array([[0, 1, 1]]), np.array([3]), weights)
    assert_float32(weights, scores, rnn_reader_backward(scores, cache))
    assert {leaf.dtype for leaf in leaves(init_rnn_reader(7, 4, 3, rng, np.float64))} == {np.dtype(float)}


def test_bad_input_is_refused():
    weights = init_rnn_reader(7, 4, 3, np.random.default_rng(0))
    good = np.array([[0, 1]])
    with refuses(ValueError, "ids: got values from 0 to 7, expected 0 to 6"):
        rnn_reader(np.array([[0, 7]]), good, np.array([2]), weights)
    with refuses(ValueError, "ids: got shape (), expected at least 1 axes"):
        rnn_reader(np.array(0), np.array(0), np.array(1), weights)
    with refuses(ValueError, "lengths: got values from 3 to 3, expected 0 to 2"):
        rnn_reader(good, good, np.array([3]), weights)
