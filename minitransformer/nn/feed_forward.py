"""The feed-forward network under PyTorch's names; there it is no class, but `linear1` and `linear2` of a layer."""

from collections.abc import Mapping

import numpy as np

from minitransformer.layers.feed_forward import FeedForward
from minitransformer.nn.linear import linear_from_named, name_linear, uniform_linear
from minitransformer.nn.module import Named, prefix, under

Array = np.ndarray


def name_feed_forward(weights: FeedForward) -> Named:
    return prefix("linear1", name_linear(weights.linear1)) | prefix("linear2", name_linear(weights.linear2))


def feed_forward_from_named(named: Mapping[str, Array]) -> FeedForward:
    return FeedForward(linear_from_named(under("linear1", named)), linear_from_named(under("linear2", named)))


def uniform_feed_forward(d_model: int, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> FeedForward:
    return FeedForward(uniform_linear(d_model, d_ff, rng, dtype), uniform_linear(d_ff, d_model, rng, dtype))
