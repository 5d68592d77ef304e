"""Section 2.1.1: the probability of a text as a product of conditionals, and a model's loss in other units."""

import math

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_number
from minitransformer.shapes import check

Array = np.ndarray
MOST_NATS = 709.0  # the exponential of more is beyond a float


def sequence_log_probability(log_p: Array, ids: Array) -> Array:
    """log P(w_1, ..., w_L) = sum_i log P(w_i | w_1, ..., w_{i-1})  (2.1.1): the chain rule, in logarithms.

    log_p: (..., L, V), row i the log-probabilities of every token after w_1, ..., w_{i-1}; ids: (..., L) integers in
    [0, V) -> (...). A product of a hundred probabilities would underflow; a sum of their logarithms does not.
    """
    check("log_p: ... L? V", log_p)
    check_ids("ids", ids, log_p.shape[-1], ndim=1)
    if ids.shape != log_p.shape[:-1]:
        raise ValueError(f"ids: got shape {ids.shape}, expected {log_p.shape[:-1]}, one token for each row of log_p")
    of_tokens = np.take_along_axis(log_p, ids[..., None], axis=-1)  # (..., L, 1)
    return of_tokens[..., 0].sum(axis=-1)


def perplexity(nats: float) -> float:
    """exp(nats per token): the number of equally likely tokens that would be as hard to guess. NaN stays NaN."""
    check_nats(nats)
    return math.inf if nats >= MOST_NATS else math.exp(nats)


def bits(nats: float) -> float:
    """nats / ln 2: how many yes-or-no questions a token costs, and what a compressor would need to store it."""
    check_nats(nats)
    return float(nats) / math.log(2)


def bits_per_character(nats: float, n_tokens: int, n_characters: int) -> float:
    """Bits per character, of a model that spends `nats` per token on n_tokens tokens that are n_characters long in all.

    Models with other vocabularies (characters, byte pairs, words) can be compared by it, and with compressors.
    """
    check_integer("n_tokens", n_tokens, minimum=0)
    check_integer("n_characters", n_characters, minimum=1)
    return bits(nats) * int(n_tokens) / int(n_characters)


def check_nats(nats: float) -> None:
    """Nats are -log P: 0 or more, infinite where P = 0. NaN, from a training that diverged, is let through."""
    check_number("nats", nats)
    if nats < 0:
        raise ValueError(f"nats: got {nats}, expected 0 or more")
