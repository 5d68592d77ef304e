"""Multi-head attention at the length from which it goes in blocks, with the sizes that it has in use (2.2.1, 4.2)."""

import numpy as np
from numpy.testing import assert_allclose

from minitransformer.equations.blockwise_attention import ROWS, BlockwiseCache
from minitransformer.layers.multi_head import init_multi_head, multi_head, multi_head_backward
from minitransformer.tree import leaves, tree_map
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
