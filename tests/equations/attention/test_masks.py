"""Masks (3.2.1): boolean, True = may attend, or numbers to add to the scores."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    attention_backward,
    causal_mask,
    causal_padding_mask,
    padding_mask,
)
from minitransformer.equations.blockwise_attention import blockwise_attention, blockwise_attention_backward

ATTENTIONS = {
    "matrix": (attention, attention_backward),
    "blockwise": (lambda *args: blockwise_attention(*args, rows=2), blockwise_attention_backward),
}
garbage = st.sampled_from([np.nan, np.inf, -np.inf, 1e308])

lengths_and_L = st.integers(1, 7).flatmap(
    lambda L: st.tuples(st.lists(st.integers(0, L), min_size=1, max_size=4).map(np.array), st.just(L))
)


@given(st.integers(0, 9))
def test_causal_mask_allows_the_past_and_the_present(L):
    """Position i may attend to j exactly if j <= i: itself included."""
    mask = causal_mask(L)
    assert mask.dtype == np.bool_
    assert mask.shape == (L, L)
    assert mask.tolist() == [[j <= i for j in range(L)] for i in range(L)]


def test_the_causal_mask_of_a_long_text_takes_no_memory():
    """All rows are windows of the same 2L - 1 numbers."""
    mask = causal_mask(100_000)
    assert mask.shape == (100_000, 100_000)
    assert mask[70_000, 70_000] and not mask[70_000, 70_001]
    assert max(map(abs, mask.strides)) == 1
    assert not mask.flags.writeable


def test_true_means_may_attend_not_masked_out():
    """The first position sees itself alone; PyTorch's boolean masks say the opposite."""
    assert causal_mask(3)[0].tolist() == [True, False, False]


@given(lengths_and_L)
def test_padding_mask_allows_the_first_keys(lengths_L):
    """The first lengths[b] keys, for every query: the axis of the queries has length 1."""
    lengths, L = lengths_L
    mask = padding_mask(lengths, L)
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[[j < length for j in range(L)]] for length in lengths]


@given(lengths_and_L)
def test_both_masks_at_once(lengths_L):
    """Neither the future nor the padding."""
    lengths, L = lengths_L
    both = [[[j <= i and j < n for j in range(L)] for i in range(L)] for n in lengths]
    assert causal_padding_mask(lengths, L).tolist() == both


def draw_with_holes(s, seed):
    """Q, K, V and dO with batch and heads; a mask with one key that no query sees, and a fully masked query."""
    rng = np.random.default_rng(seed)
    shapes = (s.L_q, s.d_k), (s.L_k, s.d_k), (s.L_k, s.d_v), (s.L_q, s.d_v)
    arrays = [rng.standard_normal((s.B, s.h, *shape)) for shape in shapes]
    mask = rng.random((s.B, 1, s.L_q, s.L_k)) < 0.6
    mask[..., :, 0] = mask[..., -1, :] = True
    mask[..., :, 1] = mask[..., 1, :] = False
    return *arrays, mask, rng


@pytest.mark.parametrize("form", ATTENTIONS)
@given(sizes, seeds, garbage, st.booleans())
def test_what_nobody_attends_to_has_no_influence(form, s, seed, wrong, as_numbers):
    """NaN, infinity or a number near it in an unseen key, its value, or a fully masked query: all stays as it is.

    Outputs and gradients, of a boolean mask and of one of numbers alike; the rows themselves get the gradient 0.
    """
    forward, backward = ATTENTIONS[form]
    Q, K, V, dO, mask, _ = draw_with_holes(s, seed)
    given_mask = np.where(mask, 0.0, -np.inf) if as_numbers else mask
    O, cache = forward(Q, K, V, given_mask)
    expected = [O, *backward(dO, cache)]
    for spoilt_index in (0, 1, 2):
        spoilt = [x.copy() for x in (Q, K, V)]
        spoilt[spoilt_index][..., 1, :] = wrong
        spoilt_O, spoilt_cache = forward(*spoilt, given_mask)
        found = [spoilt_O, *backward(dO, spoilt_cache)]
        for got, right in zip(found, expected, strict=True):
            assert_allclose(got, right, rtol=1e-12, atol=1e-14)
    dQ, dK, dV = expected[1:]
    assert not (dQ[..., 1, :].any() or dK[..., 1, :].any() or dV[..., 1, :].any())


@given(sizes, seeds, garbage)
def test_scores_behind_a_mask_have_no_influence(s, seed, wrong):
    """Of any f, and wherever the mask stands: `attend` looks at what is allowed alone."""
    _, _, V, dO, mask, rng = draw_with_holes(s, seed)
    A = rng.standard_normal((s.B, s.h, s.L_q, s.L_k))
    O, cache = attend(A, V, mask)
    spoilt_O, spoilt_cache = attend(np.where(mask, A, wrong), V, mask)
    assert_allclose(spoilt_O, O, rtol=1e-14)
    for got, right in zip(attend_backward(dO, spoilt_cache), attend_backward(dO, cache), strict=True):
        assert_allclose(got, right, rtol=1e-14, atol=1e-15)


def assert_same_attention(form, Q, K, V, dO, mask, same, rtol=1e-11, atol=1e-12):
    """Outputs and gradients under either mask."""
    forward, backward = ATTENTIONS[form]
    found = []
    for each in (mask, same):
        O, cache = forward(Q, K, V, each)
        found.append([O, *backward(dO, cache)])
    for ours, theirs in zip(*found, strict=True):
        assert_allclose(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("form", ATTENTIONS)
@given(sizes, seeds)
def test_zeros_and_minus_infinities_are_the_boolean_mask(form, s, seed):
    """Fully masked queries and unseen keys included. To the last bit, but in blocks, where adding numbers changes the
    order in memory, and so that of the sums."""
    Q, K, V, dO, mask, _ = draw_with_holes(s, seed)
    rtol, atol = (0, 0) if form == "matrix" else (1e-12, 1e-14)
    assert_same_attention(form, Q, K, V, dO, np.where(mask, 0.0, -np.inf), mask, rtol, atol)


@pytest.mark.parametrize("form", ATTENTIONS)
@given(sizes, seeds)
def test_a_constant_added_to_a_row_changes_nothing(form, s, seed):
    """Softmax ignores what all scores of a query have in common; of a fully masked query nothing is left to shift."""
    Q, K, V, dO, mask, rng = draw_with_holes(s, seed)
    numbers = np.where(mask, rng.standard_normal(mask.shape), -np.inf)
    constants = 3 * rng.standard_normal((s.B, 1, s.L_q, 1))
    assert_same_attention(form, Q, K, V, dO, numbers + constants, numbers)


@given(sizes, seeds)
def test_a_mask_of_numbers_is_an_addition_to_the_scores(s, seed):
    """For scores of any f, where the mask of the sum is boolean: forward and backward, dA being that of the sum."""
    _, _, V, dO, mask, rng = draw_with_holes(s, seed)
    A, added = rng.standard_normal((2, s.B, s.h, s.L_q, s.L_k))
    O, cache = attend(A, V, np.where(mask, added, -np.inf))
    O_sum, cache_sum = attend(A + added, V, mask)
    assert_allclose(O, O_sum, rtol=1e-12, atol=1e-14)
    for ours, theirs in zip(attend_backward(dO, cache), attend_backward(dO, cache_sum), strict=True):
        assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("form", ATTENTIONS)
@given(sizes, seeds)
def test_a_key_that_gets_more_is_seen_more(form, s, seed):
    """A constant added to a column is no shift of a row: the weight of that key grows, for every query that sees it."""
    Q, K, _, _, mask, _ = draw_with_holes(s, seed)
    forward, _ = ATTENTIONS[form]
    one_hot = np.broadcast_to(np.eye(s.L_k), (s.B, s.h, s.L_k, s.L_k)).copy()  # so that the outputs are the weights
    numbers = np.where(mask, 0.0, -np.inf)
    more = numbers.copy()
    more[..., 0] += 1
    weights, weights_more = forward(Q, K, one_hot, numbers)[0], forward(Q, K, one_hot, more)[0]
    sees_others = mask[..., 1:].any(axis=-1) & mask[..., 0]
    assert (weights_more > weights)[..., 0][np.broadcast_to(sees_others, weights.shape[:-1])].all()


@pytest.mark.parametrize("form", ATTENTIONS)
def test_a_row_that_is_seen_may_spoil_what_sees_it_and_no_more(form):
    """One key is NaN and one query may not see it: that query's output stays."""
    forward, _ = ATTENTIONS[form]
    Q, K, V = np.random.default_rng(0).standard_normal((3, 3, 4))
    mask = np.array([[True, True, True], [True, False, True], [True, True, True]])
    expected, _ = forward(Q, K, V, mask)
    K[1] = np.nan
    O, _ = forward(Q, K, V, mask)
    assert_allclose(O[1], expected[1], rtol=1e-14)
    assert np.isnan(O[[0, 2]]).all()


def test_bad_lengths_are_refused():
    for mask in (padding_mask, causal_padding_mask):
        with refuses(ValueError, "lengths: got values from 2 to 4, expected 0 to 3"):
            mask(np.array([4, 2]), 3)
        with refuses(ValueError, "lengths: got values from -1 to 2, expected 0 to 3"):
            mask(np.array([2, -1]), 3)
        with refuses(TypeError, "lengths: got dtype float64, expected an array of integers"):
            mask(np.array([1.0]), 3)
        with refuses(TypeError, "lengths: got list, expected an array of integers"):
            mask([1, 2], 3)


def test_bad_sizes_are_refused():
    for mask in (causal_mask, lambda L: padding_mask(np.array([0]), L)):
        with refuses(ValueError, "L: got -1, expected 0 or more"):
            mask(-1)
        with refuses(TypeError, "L: got 2.5, expected an integer"):
            mask(2.5)
        with refuses(TypeError, "L: got True, expected an integer"):
            mask(True)


def test_sizes_of_few_bits_do_not_overflow():
    """200 fits into a uint8; twice as much does not."""
    assert_array_equal(causal_mask(np.uint8(200)), causal_mask(200))
    assert_array_equal(padding_mask(np.array([5]), np.uint8(255)), padding_mask(np.array([5]), 255))


@given(sizes, seeds, st.sampled_from([np.nan, np.inf, 1e200]))
def test_padding_has_no_influence_where_every_query_sees_something(s, seed, garbage):
    """Keys that nobody sees may contain anything; and so may queries that see nothing, where every key is seen."""
    rng = np.random.default_rng(seed)
    Q, K, V = (rng.standard_normal(shape) for shape in ((s.L_q, s.d_k), (s.L_k, s.d_k), (s.L_k, s.d_v)))
    dO = rng.standard_normal((s.L_q, s.d_v))
    of_keys = np.ones((s.L_q, s.L_k), bool)
    of_keys[:, -1] = False
    of_queries = np.ones((s.L_q, s.L_k), bool)
    of_queries[-1] = False

    def forward_and_backward(Q, K, V, mask):
        O, cache = attention(Q, K, V, mask)
        return O, *attention_backward(dO, cache)

    for mask, spoilt in ((of_keys, (K, V)), (of_queries, (Q,))):
        expected = forward_and_backward(Q, K, V, mask)
        inputs = [x.copy() for x in (Q, K, V)]
        for i, x in enumerate((Q, K, V)):
            if any(x is one for one in spoilt):
                inputs[i][-1] = garbage
        for ours, theirs in zip(forward_and_backward(*inputs, mask), expected, strict=True):
            assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
