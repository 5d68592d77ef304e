"""What encoder and decoder share: layers that start alike in kind, and a norm after the last."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import LayerNorm, layer_norm, layer_norm_backward
from minitransformer.layers.stack import init_stack, last_norm, last_norm_backward

CONFIG = Config(h=2, eps=0.1)
x = np.random.default_rng(0).standard_normal((2, 3, 4))
NORM = LayerNorm(np.arange(1.0, 5.0), np.arange(4.0))


def test_each_layer_is_drawn_anew():
    """As many as asked for, in order, and a norm where one is wanted."""
    numbers = iter(range(9))
    layers, norm = init_stack(lambda: next(numbers), 3, 4, np.float64, final_norm=True)
    assert layers == (0, 1, 2)
    assert norm.gamma.shape == (4,) and norm.gamma.dtype == np.float64
    assert init_stack(lambda: next(numbers), 0, 4, np.float64, final_norm=False) == ((), None)


@pytest.mark.parametrize(("config", "eps"), [(CONFIG, 0.1), (dataclasses.replace(CONFIG, final_eps=0.3), 0.3)])
def test_the_last_norm_has_an_eps_of_its_own_or_the_others(config, eps):
    y, cache = last_norm(x, NORM, config)
    expected, expected_cache = layer_norm(x, NORM, eps)
    assert_array_equal(y, expected)
    for ours, theirs in zip(last_norm_backward(x, cache), layer_norm_backward(x, expected_cache), strict=True):
        assert_array_equal(
            ours[0] if isinstance(ours, tuple) else ours, theirs[0] if isinstance(theirs, tuple) else theirs
        )


def test_without_a_norm_nothing_changes():
    y, cache = last_norm(x, None, CONFIG)
    assert y is x and cache is None
    dx, dnorm = last_norm_backward(x, None)
    assert dx is x and dnorm is None
