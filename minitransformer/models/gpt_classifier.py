"""Section 3.5.2: text classification by GPT, whose classification token stands at the end, where all has been read."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_lengths, check_tokens
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.models.gpt import GPTBody, GPTBodyCache, gpt_body, gpt_body_backward

Array = np.ndarray


class GPTClassifier(NamedTuple):
    body: GPTBody
    output: Linear  # W: (d_model, C)


class GPTClassifierCache(NamedTuple):
    shape: tuple[int, ...]  # of y
    ends: Array  # (...), where the classification token of each text stands
    body: GPTBodyCache
    output: LinearCache


def init_gpt_classifier(body: GPTBody, C: int, rng: np.random.Generator) -> GPTClassifier:
    """A new output for C classes, on a GPT that is pretrained, or is not."""
    E = body.embedding.E
    return GPTClassifier(body, init_linear(E.shape[-1], C, rng, E.dtype))


def gpt_classifier(
    ids: Array, lengths: Array, weights: GPTClassifier, config: Config, rng: np.random.Generator | None = None
) -> tuple[Array, GPTClassifierCache]:
    """logits = y_n W + b, where n is the last token, which the text adds for this (Radford et al. 2018, figure 1).

    ids: (..., L), each text with the classification token as its last; lengths: (...), with it, 1 or more -> logits:
    (..., C). Under a causal mask no earlier position has seen the whole text, and no padding after it is seen.
    """
    check_tokens("ids", ids, len(weights.body.embedding.E))
    check_lengths(lengths, ids, minimum=1)
    ends = lengths.astype(np.int64)[..., None, None] - 1  # (..., 1, 1)
    y, body_cache = gpt_body(ids, weights.body, config, rng)  # (..., L, d_model)
    y_n = np.take_along_axis(y, ends, axis=-2)[..., 0, :]  # (..., d_model)
    logits, output_cache = linear(y_n, weights.output)  # (..., C)
    return logits, GPTClassifierCache(y.shape, ends, body_cache, output_cache)


def gpt_classifier_backward(dlogits: Array, cache: GPTClassifierCache) -> GPTClassifier:
    """The forward, read from the bottom up: all of the gradient goes to the last token of each text."""
    dy_n, doutput = linear_backward(dlogits, cache.output)  # (..., d_model)
    dy = np.zeros(cache.shape, dy_n.dtype)
    np.put_along_axis(dy, cache.ends, dy_n[..., None, :], axis=-2)
    dbody = gpt_body_backward(dy, cache.body)
    return GPTClassifier(dbody, doutput)
