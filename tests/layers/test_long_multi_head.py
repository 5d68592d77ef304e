"""Multi-head attention at the length from which it goes in blocks, with the sizes that it has in use (2.2.1, 4.2)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import mask_of_numbers, random_mask, seeds, sizes

from minitransformer.equations.blockwise_attention import ROWS, BlockwiseCache, attention_weights
from minitransformer.layers import multi_head as module
from minitransformer.layers.multi_head import init_multi_head, multi_head, multi_head_backward
from minitransformer.tree import leaves, tree_map
from minitransformer.verify.cases.points import loud
from minitransformer.verify.gradient_check import norm

SHORT, LONG = 1023, 1024  # 1024 * 1024 scores go in blocks


def test_one_position_more_changes_nothing_before_it():
    """Under a causal mask; though with it attention goes in eight blocks, and without it all at once.

    With no gradient from the last position, the gradients are the same, too.
    """
    rng = np.random.default_rng(0)
    weights = tree_map(lambda array: rng.standard_normal(array.shape), init_multi_head(4, 2, rng))
    x = rng.standard_normal((LONG, 4))
    dy = rng.standard_normal((LONG, 4))
    dy[SHORT:] = 0
    outputs, gradients, forms = [], [], []
    for L in (SHORT, LONG):
        y, cache = multi_head(x[:L], x[:L], x[:L], weights, 2, np.tri(L, dtype=bool))
        *dx, dweights = multi_head_backward(dy[:L], cache)
        outputs.append(y[:SHORT])
        gradients.append([*(part[:SHORT] for part in dx), *leaves(dweights)])
        forms.append(isinstance(cache.attention, BlockwiseCache))
        assert not any(part[SHORT:].any() for part in dx)
    assert forms == [False, True]
    assert LONG == 8 * ROWS
    assert_allclose(outputs[1], outputs[0], rtol=1e-11, atol=1e-13)
    at_once, in_blocks = gradients
    # relative to them all: the keys' bias has the gradient 0, since softmax ignores what all scores have in common
    assert norm(*(a - b for a, b in zip(at_once, in_blocks, strict=True))) < 1e-12 * norm(*at_once)


def test_the_last_block_may_be_a_part_of_one():
    """1100 queries are eight blocks and 76 of a ninth: each query alone gives the same as all of them."""
    rng = np.random.default_rng(1)
    weights = tree_map(lambda array: rng.standard_normal(array.shape), init_multi_head(4, 2, rng))
    x_q, x_k = rng.standard_normal((1100, 4)), rng.standard_normal((1000, 4))
    y, cache = multi_head(x_q, x_k, x_k, weights, 2)
    assert isinstance(cache.attention, BlockwiseCache)
    for i in (0, ROWS - 1, ROWS, 1023, 1024, 1099):
        alone, cache = multi_head(x_q[i : i + 1], x_k, x_k, weights, 2)
        assert not isinstance(cache.attention, BlockwiseCache)
        assert_allclose(y[i : i + 1], alone, rtol=1e-11, atol=1e-13)


@given(sizes, seeds, st.sampled_from(["boolean", "numbers", "none"]))
def test_long_sequences_go_in_blocks(s, seed, kind):
    """By the number of scores of a head, L_q L_k; results, gradients and the weights shown are the same on both sides
    of the border."""
    rng = np.random.default_rng(seed)
    weights = loud(init_multi_head(s.d_model, s.h, rng), rng)
    x_q, x_k, dy = (rng.standard_normal((s.B, L, s.d_model)) for L in (s.L_q, s.L_k, s.L_q))
    make = {"boolean": random_mask, "numbers": mask_of_numbers, "none": lambda *_: None}[kind]
    mask = make(rng, s.B, s.L_q, s.L_k)
    forms, results = [], []
    for border in (s.L_q * s.L_k, s.L_q * s.L_k + 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "LONG", border)
            y, cache = multi_head(x_q, x_k, x_k, weights, s.h, mask)
        forms.append(isinstance(cache.attention, BlockwiseCache))
        results.append((y, *leaves(multi_head_backward(dy, cache)), attention_weights(cache.attention)))
    assert forms == [True, False]
    for in_blocks, at_once in zip(*results, strict=True):
        assert_allclose(in_blocks, at_once, rtol=1e-9, atol=1e-11)
