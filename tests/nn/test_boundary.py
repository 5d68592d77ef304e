"""PyTorch's masks as the package's: the opposite boolean convention, padding, heads, and the hint is_causal."""

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal

from minitransformer.nn import MultiheadAttention
from minitransformer.nn.boundary import score_mask

B, h, L_q, L_k, d = 2, 3, 4, 5, 6
inf = np.inf


def mask_of(attn_mask=None, key_padding_mask=None, is_causal=False, batch=(B,), n_rows=0, dtype=np.float32):
    """For scores of ([B,] h, L_q, L_k + n_rows), with all of their axes."""
    query, key = np.zeros((*batch, L_q, d), dtype), np.zeros((*batch, L_k, d), dtype)
    given = {"attn_mask": attn_mask, "key_padding_mask": key_padding_mask, "is_causal": is_causal}
    mask = score_mask(query, key, h, n_rows, **given)
    if mask is None:
        return None
    assert mask.ndim == len(batch) + 3, "so that none of its axes can be taken for another"
    return np.broadcast_to(mask, (*batch, h, L_q, L_k + n_rows))


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).random(shape) < 0.5


def test_true_means_masked_out_outside_and_may_attend_inside():
    """PyTorch's boolean masks are inverted at the boundary, and nowhere else."""
    attn_mask, padding = drawn(L_q, L_k), drawn(B, L_k, seed=1)
    mask = mask_of(attn_mask, padding)
    assert mask.dtype == np.bool_
    assert_array_equal(mask, np.broadcast_to(~attn_mask & ~padding[:, None, None, :], mask.shape))
    assert_array_equal(mask_of(attn_mask)[1, 2], ~attn_mask)
    assert_array_equal(mask_of(None, padding)[:, 2, 3], ~padding)


def test_a_float_mask_is_added_here_and_there():
    """In the dtype of the query; -inf masks out."""
    attn_mask = np.array([[0.5, -inf, 1.0, 2.0, -3.0]] * L_q)
    mask = mask_of(attn_mask)
    assert mask.dtype == np.float32
    assert_array_equal(mask[1, 2], attn_mask)


def test_two_float_masks_add_up():
    mask = mask_of(np.full((L_q, L_k), 0.5), np.array([[1.0, 2.0, 3.0, 4.0, -inf]] * B))
    assert mask[1, 2, 3].tolist() == [1.5, 2.5, 3.5, 4.5, -inf]


@pytest.mark.parametrize("float_is", ["attn_mask", "key_padding_mask"])
def test_a_boolean_mask_beside_a_float_mask_adds_minus_infinity_where_it_is_true(float_is):
    attn_mask, padding = drawn(L_q, L_k), drawn(B, L_k, seed=1)
    numbers = np.random.default_rng(2).standard_normal(attn_mask.shape if float_is == "attn_mask" else padding.shape)
    given = {"attn_mask": attn_mask, "key_padding_mask": padding} | {float_is: numbers}
    mask = mask_of(**given, dtype=np.float64)
    boolean = ~padding[:, None, None, :] if float_is == "attn_mask" else ~attn_mask
    expected = np.where(boolean, numbers if float_is == "attn_mask" else numbers[:, None, None, :], -inf)
    assert_array_equal(mask, np.broadcast_to(expected, mask.shape))


def test_a_mask_for_each_head_of_each_sequence():
    """PyTorch's (B h, L_q, L_k) has sequence b's head i at b h + i."""
    attn_mask = drawn(B * h, L_q, L_k)
    mask = mask_of(attn_mask)
    for b in range(B):
        for i in range(h):
            assert_array_equal(mask[b, i], ~attn_mask[b * h + i])


def test_masks_without_a_batch():
    """(h, L_q, L_k) and (L_k,)."""
    attn_mask, padding = drawn(h, L_q, L_k), drawn(L_k, seed=1)
    assert_array_equal(mask_of(attn_mask, padding, batch=()), ~attn_mask & ~padding)


def test_no_masks_are_no_mask():
    assert mask_of() is None
    assert mask_of(n_rows=2) is None


@pytest.mark.parametrize("kind", [bool, float])
def test_to_appended_keys_every_query_may_attend(kind):
    """Whatever the masks say of the keys that are given; a float mask adds nothing there."""
    masks = (drawn(L_q, L_k), drawn(B, L_k))
    attn_mask, padding = (np.where(mask, -inf, 1.5) if kind is float else mask for mask in masks)
    mask = mask_of(attn_mask, padding, n_rows=2)
    assert_array_equal(mask[..., :L_k], mask_of(attn_mask, padding))
    assert (mask[..., L_k:] == (0 if kind is float else True)).all()


@pytest.mark.parametrize("by_head", [False, True])
@pytest.mark.parametrize("kind", [bool, float])
def test_is_causal_must_be_true_of_the_mask(kind, by_head):
    """In PyTorch it saves time, and a wrong hint gives anything. Here it changes nothing, and must be right."""
    causal = ~np.tri(L_q, L_k, dtype=bool)
    shape = (B * h, L_q, L_k) if by_head else (L_q, L_k)
    attn_mask = np.broadcast_to(np.where(causal, -inf, 0.0) if kind is float else causal, shape).copy()
    assert_array_equal(mask_of(attn_mask, is_causal=True), mask_of(attn_mask))
    padding = drawn(B, L_k)
    assert_array_equal(mask_of(attn_mask, padding, is_causal=True), mask_of(attn_mask, padding))
    attn_mask[..., 1, 0] = True if kind is bool else -2.0
    mask_of(attn_mask)
    with refuses(ValueError, "attn_mask: got another mask, expected the causal one, as is_causal is True"):
        mask_of(attn_mask, is_causal=True)
    with refuses(ValueError, "attn_mask: got None, expected the causal mask, as is_causal is True"):
        mask_of(None, padding, is_causal=True)


def test_bad_masks_are_refused():
    with refuses(ValueError, "attn_mask: got shape (5, 4), expected (4, 5) or (6, 4, 5)"):
        mask_of(np.zeros((5, 4), bool))
    with refuses(ValueError, "key_padding_mask: got shape (5, 2), expected (2, 5)"):
        mask_of(None, np.zeros((5, 2), bool))
    message = "expected an array, boolean (True = masked out) or float (added to the scores)"
    with refuses(TypeError, f"attn_mask: got dtype int64, {message}"):
        mask_of(np.zeros((4, 5), int))
    with refuses(TypeError, f"key_padding_mask: got list, {message}"):
        mask_of(None, [[True] * 5] * 2)
    with refuses(TypeError, "is_causal: got 1, expected True or False"):
        mask_of(np.zeros((4, 5), bool), is_causal=1)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", [np.ma.array, np.asmatrix])
def test_masks_of_another_arithmetic_are_refused(kind):
    """A masked array would lose what it masks, beside numbers that are added."""
    wrong = kind(np.zeros((3, 3), bool))
    module, x = MultiheadAttention(4, 2), np.ones((3, 2, 4), np.float32)
    name = type(wrong).__name__
    expected = "expected an array, boolean (True = masked out) or float (added to the scores)"
    with refuses(TypeError, f"attn_mask: got {name}, {expected}"):
        module.forward(x, x, x, np.zeros((2, 3), np.float32), wrong)
