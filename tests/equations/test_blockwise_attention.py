"""Attention for long sequences (2.2.1): a few queries at a time, the same result."""

import tracemalloc

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import mask_of_numbers, random_mask, rates, seeds, sizes

from minitransformer.equations.attention import attention, attention_backward, causal_mask, padding_mask
from minitransformer.equations.blockwise_attention import (
    attention_weights,
    blockwise_attention,
    blockwise_attention_backward,
    keys_that_matter,
)
from minitransformer.equations.dropout import Dropout

rows = st.integers(1, 9)


def draw(s, seed):
    """Q (B, h, L_q, d_k), K (B, h, L_k, d_k), V (B, h, L_k, d_v), dO, and a generator for the rest."""
    rng = np.random.default_rng(seed)
    widths = (s.L_q, s.d_k), (s.L_k, s.d_k), (s.L_k, s.d_v), (s.L_q, s.d_v)
    return *(rng.standard_normal((s.B, s.h, *width)) for width in widths), rng


def assert_same(Q, K, V, dO, rows, **arguments):
    """Outputs and all gradients, to 1e-12."""
    O, cache = blockwise_attention(Q, K, V, rows=rows, **arguments)
    expected, plain_cache = attention(Q, K, V, **arguments)
    assert_allclose(O, expected, rtol=1e-12, atol=1e-13, strict=True)
    for ours, theirs in zip(blockwise_attention_backward(dO, cache), attention_backward(dO, plain_cache), strict=True):
        assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12, strict=True)


@given(sizes, seeds, rows)
def test_blocks_of_any_size_give_the_same_as_all_at_once(s, seed, rows):
    """Whether the last block is full or not, and with more rows than there are queries."""
    Q, K, V, dO, _ = draw(s, seed)
    assert_same(Q, K, V, dO, rows)
    assert_same(Q[0, 0], K[0, 0], V[0, 0], dO[0, 0], rows)


@given(sizes, seeds, rows)
def test_under_masks(s, seed, rows):
    """A mask of each head's own, one for all, one that leaves a query nothing; boolean, or numbers."""
    Q, K, V, dO, rng = draw(s, seed)
    assert_same(Q, K, V, dO, rows, mask=mask_of_numbers(rng, s.B, s.h, s.L_q, s.L_k))
    assert_same(Q, K, V, dO, rows, mask=rng.standard_normal((s.L_q, s.L_k)))
    assert_same(Q, K, V, dO, rows, mask=random_mask(rng, s.B, s.h, s.L_q, s.L_k))
    assert_same(Q, K, V, dO, rows, mask=random_mask(rng, s.L_q, s.L_k))
    assert_same(Q, K, V, dO, rows, mask=np.zeros((s.L_q, s.L_k), bool))


@given(sizes, seeds, rows)
def test_under_causal_and_padding_masks(s, seed, rows):
    """Where the keys after the last that a block may see are left out."""
    Q, K, V, dO, rng = draw(s, seed)
    lengths = rng.integers(0, s.L_k + 1, (s.B, 1))
    assert_same(Q, K, V, dO, rows, mask=padding_mask(lengths, s.L_k))
    L = min(s.L_q, s.L_k)
    assert_same(Q[..., :L, :], K[..., :L, :], V[..., :L, :], dO[..., :L, :], rows, mask=causal_mask(L))


@given(sizes, seeds, rates, rows)
def test_blockwise_attention_gradients(s, seed, rate, rows):
    """Against the complex step, through dropout, which is drawn again in the backward, the same."""
    Q, K, V, _, rng = draw(s, seed)
    mask = mask_of_numbers(rng, s.B, s.h, s.L_q, s.L_k)
    assert_gradients(
        lambda *QKV: blockwise_attention(*QKV, mask, Dropout(rate, np.random.default_rng(seed)), rows),
        blockwise_attention_backward,
        (Q, K, V),
        rng,
    )


def test_dropout_drops_the_weights_after_the_softmax():
    """With one key, an output is its value times 0 or 1 / (1 - rate); as many are dropped as the rate says; and each
    head, each block and each call draws anew."""
    rng = np.random.default_rng(0)
    Q, K, V = np.ones((4, 5000, 2)), np.ones((4, 1, 2)), np.ones((4, 1, 1))
    O, _ = blockwise_attention(Q, K, V, drop=Dropout(0.3, rng), rows=100)
    kept = O[..., 0] > 0
    assert_allclose(O[..., 0][kept], 1 / 0.7, rtol=1e-4)
    assert abs(kept.mean() - 0.7) < 5 * (0.3 * 0.7 / kept.size) ** 0.5
    assert len({block.tobytes() for block in kept.reshape(-1, 100)}) == 200
    again, _ = blockwise_attention(Q, K, V, drop=Dropout(0.3, rng), rows=100)
    assert (again != O).any()
    assert_array_equal(blockwise_attention(Q, K, V, drop=Dropout(0.3, None))[0], 1)


def test_keys_that_nobody_may_see_are_not_computed():
    """Under a causal mask, the first block looks at its own keys alone: what later ones hold, even NaN, is not met."""
    Q, K, V = np.ones((3, 8, 2)), np.ones((3, 8, 2)), np.ones((3, 8, 2))
    K[:, 4:], V[:, 4:] = np.nan, np.nan
    O, _ = blockwise_attention(Q, K, V, causal_mask(8), rows=2)
    assert_array_equal(O[:, :4], 1)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_scores(scale):
    """As the softmax of all at once has them: no overflow."""
    rng = np.random.default_rng(0)
    Q, K, V = rng.standard_normal((5, 3)) * scale, rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    assert_allclose(blockwise_attention(Q, K, V, rows=2)[0], attention(Q, K, V)[0], rtol=1e-12)


def test_float32_stays_float32():
    rng = np.random.default_rng(0)
    Q, K, V = (rng.standard_normal(n).astype(np.float32) for n in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))
    numbers = mask_of_numbers(rng, 3, 5).astype(np.float32)
    for args in ((), (random_mask(rng, 2, 3, 5),), (numbers,), (numbers, Dropout(0.4, rng))):
        O, cache = blockwise_attention(Q, K, V, *args, rows=2)
        assert_float32(O, cache, blockwise_attention_backward(O, cache))


def test_mixed_types_give_what_attention_gives():
    """The wider of them, in the output and in every gradient."""
    rng = np.random.default_rng(0)
    Q, K, V = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    for arrays in ((Q, K, V), (K, Q, V[:3]), (Q, Q, V[:3])):
        O, cache = blockwise_attention(*arrays, rows=2)
        plain, plain_cache = attention(*arrays)
        assert_allclose(O, plain, rtol=1e-6, atol=1e-7)
        assert O.dtype == plain.dtype
        for dO in (O, O.astype(np.float64), O + 1j * O):
            theirs = attention_backward(dO, plain_cache)
            for ours, expected in zip(blockwise_attention_backward(dO, cache), theirs, strict=True):
                assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)
                assert ours.dtype == np.result_type(dO, O)


def test_memory_grows_with_the_length_and_not_with_its_square():
    """Twice the length takes twice the memory, the square root of what all scores at once would add."""

    def peak(L):
        Q = np.zeros((2, L, 8), np.float32)
        tracemalloc.start()
        O, cache = blockwise_attention(Q, Q, Q, causal_mask(L))
        blockwise_attention_backward(O, cache)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(4096) < 2.2 * peak(2048)
    assert peak(4096) < 2 * 4096 * 4096 * 4 / 10  # a tenth of one array of scores


Q, K, V = np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))


def test_bad_input_is_refused():
    """As `attention` refuses it."""
    with refuses(ValueError, "K: got shape (2, 5, 3), expected (..., L_k, d_k) with d_k = 4"):
        blockwise_attention(Q, K[..., :3], V)
    with refuses(ValueError, "V: got shape (2, 4, 6), expected (..., L_k, d_v) with L_k = 5"):
        blockwise_attention(Q, K, V[:, :4])
    with refuses(ValueError, "mask: got shape (5, 3), which does not broadcast to the scores' shape (2, 3, 5)"):
        blockwise_attention(Q, K, V, np.ones((5, 3), bool))
    with refuses(ValueError, "mask: got shape (4, 5), which does not broadcast to the scores' shape (2, 3, 5)"):
        blockwise_attention(Q, K, V, np.ones((4, 5)))
    with refuses(ValueError, "rows: got 0, expected 1 or more"):
        blockwise_attention(Q, K, V, rows=0)
    with refuses(ValueError, "K: got shape (2, 0, 4), expected (..., L_k, d_k) with L_k of 1 or more"):
        blockwise_attention(Q, K[:, :0], V[:, :0])
    with refuses(TypeError, "drop: got float, expected Dropout"):
        blockwise_attention(Q, K, V, None, 1.5)


@given(sizes, seeds, rows)
def test_the_weights_of_huge_scores_sum_to_1(s, seed, rows):
    """Scores around 10^8 in float32, whose neighbours are 8 apart: two equal keys still share the weight.

    Values of 1 then give outputs of 1, and the values' gradients add up to those of the outputs.
    """
    *_, dO, rng = draw(s, seed)
    Q = np.full((s.B, s.h, s.L_q, s.d_k), 1e4, np.float32)
    K = np.full((s.B, s.h, s.L_k, s.d_k), 1e4, np.float32)
    K[..., -1, :] = rng.choice([1e4, 5e3])
    dO_single = dO.astype(np.float32)
    O, cache = blockwise_attention(Q, K, np.ones((s.B, s.h, s.L_k, s.d_v), np.float32), rows=rows)
    assert_allclose(O, 1, rtol=1e-6)
    _, _, dV = blockwise_attention_backward(dO_single, cache)
    assert_allclose(dV.sum(axis=-2), dO_single.sum(axis=-2), rtol=1e-4, atol=1e-5)
    assert_allclose(attention_weights(cache).sum(axis=-1), 1, rtol=1e-6)


@given(sizes, seeds)
def test_a_block_reads_what_its_queries_may_see(s, seed):
    """For each head: the keys up to the last that one query sees, and of these how many from the first on all see."""
    rng = np.random.default_rng(seed)
    whole = rng.random((s.B, s.h, s.L_q, s.L_k)) < 0.7
    for allowed in (whole, whole[:1], whole[0, 0], whole[..., :1, :], np.ones((1, s.L_k), bool), whole & False):
        start = int(rng.integers(s.L_q))
        n_keys, n_open = keys_that_matter(allowed, slice(start, start + 2), (s.B, s.h), s.L_q, s.L_k)
        of_block = np.broadcast_to(allowed, whole.shape)[:, :, start : start + 2]
        for b, i in np.ndindex(s.B, s.h):
            seen = [j for j in range(s.L_k) if of_block[b, i, :, j].any()]
            closed = [j for j in range(s.L_k) if not of_block[b, i, :, j].all()]
            assert n_keys[b, i] == (seen[-1] + 1 if seen else 0)
            assert n_open[b, i] == (closed[0] if closed else s.L_k)


def test_dropout_of_blocks_has_a_seed_of_63_bits():
    """Of a thousand calls no two drop alike: the generator that they share gives each a seed of its own."""
    rng, one = np.random.default_rng(0), np.ones((1, 1))
    drop = Dropout(0.5, rng)
    seeds_drawn = {blockwise_attention(one, one, one, drop=drop)[1].seed for _ in range(1000)}
    assert len(seeds_drawn) == 1000
    assert max(seeds_drawn) > 2**62


@pytest.mark.parametrize("complex_one", range(3))
def test_one_complex_input_is_enough(complex_one):
    """As for the derivative by one of them alone."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 4), (5, 4), (5, 2))]
    arrays[complex_one] = arrays[complex_one] + 1j * rng.standard_normal(arrays[complex_one].shape)
    O, cache = blockwise_attention(*arrays, rows=2)
    dO = rng.standard_normal(O.shape)
    theirs = attention_backward(dO, attention(*arrays)[1])
    for ours, expected in zip(blockwise_attention_backward(dO, cache), theirs, strict=True):
        assert_allclose(ours, expected, rtol=1e-12, atol=1e-13)
