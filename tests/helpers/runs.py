"""What the tests of comments and formulas run: each pair at its point, what has no gradient, and the other branches."""

import numpy as np

from minitransformer.equations.alibi import alibi_mask
from minitransformer.equations.attention import causal_mask
from minitransformer.equations.chain_rule import sequence_log_probability
from minitransformer.equations.cross_entropy import cross_entropy
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.multi_head import init_multi_head, multi_head, multi_head_backward
from minitransformer.learn.trace.examples import forward_and_backward
from minitransformer.models.gpt import gpt, gpt_backward, init_gpt
from minitransformer.verify.cases import CASES


def gpt_of_the_text():
    """Post-norm, sines and cosines, an output of its own."""
    rng = np.random.default_rng(0)
    weights = init_gpt(6, 2, 12, 3, 10, rng, dtype=np.float64)
    logits, cache = gpt(rng.integers(0, 6, (2, 7)), weights, Config(h=3))
    return gpt_backward(rng.standard_normal(logits.shape), cache)


def shared_heads():
    """Four query heads on two of keys and values, turned by their positions."""
    rng = np.random.default_rng(0)
    weights = init_multi_head(24, 4, rng, np.float64, h_kv=2)
    x = rng.standard_normal((7, 5, 24))
    y, cache = multi_head(x, x, x, weights, 4, causal_mask(5), rotary=True)
    return multi_head_backward(y, cache)


RUNS = {name: forward_and_backward(name, seed=0) for name in CASES}
RUNS["alibi_mask"] = lambda: alibi_mask(3, 5, 7)
RUNS["positional_encoding"] = lambda: positional_encoding(5, 7)
RUNS["sequence_log_probability"] = lambda: sequence_log_probability(np.zeros((2, 3, 5)), np.ones((2, 3), int))
RUNS["cross_entropy_not_smoothed"] = lambda: cross_entropy(np.eye(3), np.array([2, 0, 1]))
RUNS["gpt_of_the_text"] = gpt_of_the_text
RUNS["shared_heads"] = shared_heads
