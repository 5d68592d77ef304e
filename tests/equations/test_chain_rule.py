"""The chain rule (2.1.1), perplexity and bits."""

import math

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from strategies import seeds, sizes

from minitransformer.equations.chain_rule import bits, bits_per_character, perplexity, sequence_log_probability
from minitransformer.equations.cross_entropy import cross_entropy
from minitransformer.equations.softmax import log_softmax


@given(sizes, seeds)
def test_sequence_log_probability_is_a_product_of_conditionals(s, seed):
    """exp(sum of logarithms) = product of probabilities, sequence by sequence."""
    rng = np.random.default_rng(seed)
    log_p, _ = log_softmax(rng.standard_normal((s.B, s.L_q, s.d_ff)))
    ids = rng.integers(0, s.d_ff, (s.B, s.L_q))
    for b, total in enumerate(sequence_log_probability(log_p, ids)):
        product = math.prod(math.exp(log_p[b, i, w]) for i, w in enumerate(ids[b]))
        assert math.exp(total) == pytest.approx(product, rel=1e-12)


@given(sizes, seeds)
def test_the_loss_is_the_mean_log_probability(s, seed):
    """Cross-entropy is the chain rule's sum over the number of tokens, with its sign changed."""
    rng = np.random.default_rng(seed)
    logits, ids = rng.standard_normal((s.L_q, s.d_ff)), rng.integers(0, s.d_ff, s.L_q)
    total = sequence_log_probability(log_softmax(logits)[0], ids)
    assert cross_entropy(logits, ids)[0] == pytest.approx(-total / s.L_q, rel=1e-12)


def test_a_long_text_does_not_underflow():
    """A product of 1000 probabilities of 1/100 is 0 in floating point; its logarithm is not."""
    log_p = np.full((1000, 100), -math.log(100))
    assert 0.01**1000 == 0
    assert sequence_log_probability(log_p, np.zeros(1000, int)) == pytest.approx(-1000 * math.log(100))


def test_units():
    """Eight equally likely tokens: perplexity 8, 3 bits per token; of 2 characters each, 1.5 bits per character."""
    nats = math.log(8)
    assert perplexity(nats) == pytest.approx(8)
    assert bits(nats) == pytest.approx(3)
    assert bits_per_character(nats, n_tokens=10, n_characters=20) == pytest.approx(1.5)


def test_a_perplexity_beyond_the_largest_float_is_infinite():
    """exp(709.79) overflows. No number of nats is an error, and below that the exponential has all its digits."""
    assert perplexity(708.9) == math.exp(708.9)
    for nats in (709.5, 710.0, 1e5):
        assert perplexity(nats) == math.inf


def test_bad_input_is_refused():
    log_p = np.zeros((2, 3, 4))
    with refuses(ValueError, "ids: got shape (3,), expected (2, 3), one token for each row of log_p"):
        sequence_log_probability(log_p, np.zeros(3, int))
    with refuses(ValueError, "ids: got values from 0 to 4, expected 0 to 3"):
        sequence_log_probability(log_p[0], np.array([0, 4, 1]))
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        sequence_log_probability(log_p, np.zeros((2, 3)))
    with refuses(ValueError, "log_p: got shape (4,), expected (..., L, V)"):
        sequence_log_probability(np.zeros(4), np.array(1))
    with refuses(ValueError, "ids: got shape (), expected at least 1 axes"):
        sequence_log_probability(np.zeros((3, 4)), np.array(1))


def test_a_loss_that_is_no_number_has_no_perplexity():
    """NaN, not the infinity of an impossible text."""
    assert math.isnan(perplexity(math.nan))
    assert perplexity(math.inf) == math.inf


def test_the_ends_of_what_is_taken():
    """A text without a token, one of a single character, and one that was certain: 0 nats."""
    assert bits_per_character(1.0, n_tokens=0, n_characters=1) == 0
    assert bits_per_character(math.log(2), n_tokens=1, n_characters=1) == 1
    assert (perplexity(0), bits(0), bits(0.5)) == (1, 0, 0.5 / math.log(2))
    assert perplexity(709.0) == math.inf
    for refused in (lambda: bits_per_character(1.0, -1, 1), lambda: bits_per_character(1.0, 1, 0), lambda: bits(-0.5)):
        with pytest.raises(ValueError, match="expected"):
            refused()
