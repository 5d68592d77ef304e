"""Masks (3.2.1): boolean, True = may attend."""

import numpy as np
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.equations.masks import causal_mask, causal_padding_mask, padding_mask

lengths_and_L = st.integers(1, 7).flatmap(
    lambda L: st.tuples(st.lists(st.integers(0, L), min_size=1, max_size=4).map(np.array), st.just(L))
)


@given(st.integers(0, 9))
def test_causal_mask_allows_the_past_and_the_present(L):
    """Position i may attend to j exactly if j <= i: itself included."""
    mask = causal_mask(L)
    assert mask.dtype == np.bool_
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
