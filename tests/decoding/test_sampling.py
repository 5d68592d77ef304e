"""Writing by choosing one token after the other (3.4.1)."""

import itertools
import math

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds

from minitransformer.decoding.sampling import GREEDY, SamplingParams, distribution, n_enough, next_token, write

P = np.array([0.3, 0.5, 0.2])
LOGITS = np.log(P).astype(np.float32)
ONE_WORD = np.array([1])

temperatures = st.floats(0.2, 5)


def same_everywhere(ids, state):
    """A model that always gives the same distribution."""
    return LOGITS, None


def draw(n, seed=0, **kwargs):
    tokens = write(same_everywhere, np.array([0]), np.random.default_rng(seed), SamplingParams(**kwargs))
    return np.array(list(itertools.islice(tokens, n)))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_often_as_the_softmax_says(temperature):
    """softmax(logits / temperature): each frequency within 5 standard deviations."""
    n = 20_000
    p = P ** (1 / temperature)
    p /= p.sum()
    frequencies = np.bincount(draw(n, temperature=temperature), minlength=3) / n
    assert (np.abs(frequencies - p) < 5 * np.sqrt(p * (1 - p) / n)).all()


@given(seeds, st.integers(1, 9), temperatures)
def test_a_distribution_is_the_softmax_if_nothing_is_cut(seed, V, temperature):
    logits = np.random.default_rng(seed).standard_normal(V)
    p = np.exp(logits / temperature)
    assert_allclose(distribution(logits, SamplingParams(temperature)), p / p.sum(), rtol=1e-12)


@given(seeds, st.integers(1, 9), st.integers(1, 12), temperatures)
def test_top_k_keeps_the_k_likeliest(seed, V, k, temperature):
    """In their proportions to one another."""
    logits = np.random.default_rng(seed).standard_normal(V)
    whole = distribution(logits, SamplingParams(temperature))
    cut = distribution(logits, SamplingParams(temperature, top_k=k))
    kept = np.argsort(-logits)[:k]
    assert set(np.flatnonzero(cut)) == set(kept)
    assert_allclose(cut[kept], whole[kept] / whole[kept].sum(), rtol=1e-12)


@given(seeds, st.integers(1, 9), st.floats(0.01, 1), temperatures)
def test_top_p_keeps_the_fewest_likeliest_that_have_p_together(seed, V, top_p, temperature):
    """Without the last of them they would have less than p."""
    logits = np.random.default_rng(seed).standard_normal(V)
    whole = distribution(logits, SamplingParams(temperature))
    cut = distribution(logits, SamplingParams(temperature, top_p=top_p))
    kept = np.flatnonzero(cut)
    assert set(kept) == set(np.argsort(-logits)[: len(kept)])
    assert whole[kept].sum() >= top_p - 1e-12
    assert whole[kept].sum() - whole[kept].min() < top_p
    assert cut.sum() == pytest.approx(1, rel=1e-12)


def test_of_equally_likely_tokens_the_first_stay():
    assert distribution(np.zeros(4), SamplingParams(top_k=2)).tolist() == [0.5, 0.5, 0, 0]
    assert distribution(np.zeros(4), SamplingParams(top_p=0.5)).tolist() == [0.5, 0.5, 0, 0]
    tied = np.array([1.0, 3.0, 2.0, 3.0])
    assert next_token(tied, GREEDY, np.random.default_rng(0)) == 1
    assert distribution(tied, GREEDY).tolist() == [0, 1, 0, 0]
    logits = np.tile([0.0, 1.0, 2.0], 100)  # of 300 tokens 100 are the likeliest
    assert np.flatnonzero(distribution(logits, SamplingParams(top_k=40))).tolist() == [*range(2, 120, 3)]


@pytest.mark.parametrize(
    ("top_p", "n"), [(0.25, 1), (0.5, 1), (0.5 + 1e-15, 2), (0.75, 2), (0.75 + 1e-15, 3), (0.875, 3), (1.0, 5)]
)
def test_the_tokens_of_the_nucleus_are_as_many_as_it_takes_and_no_more(top_p, n):
    """Probabilities 1/2, 1/4, 1/8, 1/16, 1/16, which add up without rounding: one with exactly top_p is enough."""
    logits = np.array([-3.0, -1.0, -4.0, -2.0, -4.0]) * math.log(2)
    kept = np.flatnonzero(distribution(logits, SamplingParams(top_p=top_p)))
    assert sorted(kept) == sorted([1, 3, 0, 2, 4][:n])


@pytest.mark.parametrize("n", range(1, 10))
def test_n_of_ten_equal_tokens_have_n_tenths_together(n):
    """Also where a running sum of 0.1 falls short of it, as at 0.8."""
    assert np.count_nonzero(distribution(np.zeros(10), SamplingParams(top_p=n / 10))) == n


@given(seeds, st.integers(3, 40), st.data())
def test_rounding_neither_adds_nor_takes_a_token(seed, V, data):
    """At a running sum, which may be rounded up or down: the exact sum of the fewest tokens that have it decides."""
    p = np.sort(np.random.default_rng(seed).dirichlet(np.ones(V)))[::-1]
    top_p = float(np.cumsum(p)[data.draw(st.integers(0, V - 2))])
    n = n_enough(p, top_p)
    assert math.fsum(p[:n]) >= top_p or n == V
    assert n == 1 or math.fsum(p[: n - 1]) < top_p


def test_a_top_p_of_1_keeps_the_unlikeliest_token():
    """Also where the sum of the others is 1 already, to the last bit."""
    logits = np.array([0.0] * 9 + [-40.0])
    assert distribution(logits, SamplingParams(top_p=1.0))[9] == pytest.approx(math.exp(-40) / 9, rel=1e-6)


def test_likelier_tokens_come_first_where_their_probabilities_are_rounded_to_equal_ones():
    """At a high temperature, or far down: what counts is the logit."""
    assert np.flatnonzero(distribution(np.array([0.0, 1.0, 2.0]), SamplingParams(1e20, top_k=1))).tolist() == [2]
    far_down = distribution(np.array([-900.0, -800.0, 0.0]), SamplingParams(top_k=2, temperature=0.5))
    assert np.flatnonzero(far_down).tolist() == [2]


@pytest.mark.parametrize("logits", [[0.5, np.nan, 2.0], [np.nan] * 3, [0.0, np.inf, 1.0], [-np.inf] * 3])
@pytest.mark.parametrize("params", [GREEDY, SamplingParams(), SamplingParams(top_k=1), SamplingParams(top_p=0.5)])
def test_scores_that_are_no_numbers_are_told(logits, params):
    """A model that diverged, or rules out every token, has no next token, however it is chosen."""
    highest = np.max(logits)
    message = f"logits: got {highest} as the highest of 3, expected a finite number"
    with refuses(ValueError, message):
        next_token(np.array(logits), params, np.random.default_rng(0))
    with refuses(ValueError, message):
        distribution(np.array(logits), params)


def test_one_row_of_logits_and_no_more():
    """Of several rows the likeliest token would be a number of none of them."""
    with refuses(ValueError, "logits: got shape (2, 3), expected (V,)"):
        next_token(np.array([[1.0, 2.0, 3.0], [9.0, 0.0, 0.0]]), GREEDY, np.random.default_rng(0))
    with refuses(ValueError, "logits: got shape (0,), expected (V,) with V of 1 or more"):
        next_token(np.zeros(0), GREEDY, np.random.default_rng(0))


def test_greedy_takes_the_likeliest_token():
    """Temperature 0; and nearly so just above it."""
    assert set(draw(50, temperature=0.0).tolist()) == {1}
    assert set(draw(50, temperature=1e-3).tolist()) == {1}
    assert next_token(LOGITS, GREEDY, np.random.default_rng(0)) == 1
    assert distribution(LOGITS, GREEDY).tolist() == [0, 1, 0]


def test_a_token_that_is_impossible_is_never_written():
    assert 0 not in {
        next_token(np.array([-math.inf, 0.0, 0.0]), SamplingParams(), np.random.default_rng(i)) for i in range(40)
    }


def test_by_default_tokens_are_drawn_from_the_models_own_distribution():
    assert draw(50).tolist() == draw(50, temperature=1.0, top_k=None, top_p=1.0).tolist()


def test_the_seed_decides():
    """The same seed writes the same text."""
    assert draw(50).tolist() == draw(50).tolist()
    assert draw(50).tolist() != draw(50, seed=1).tolist()


def test_each_token_is_read_before_the_next_is_chosen():
    """The prompt at once, then each token by itself, with the state that the reading before it gave."""
    seen = []

    def count_up(ids, state):
        """After i comes i + 1, for sure."""
        seen.append((ids.tolist(), state))
        return np.where(np.arange(10) == ids[-1] + 1, 0.0, -np.inf), len(seen)

    tokens = write(count_up, np.array([0, 1, 2]), np.random.default_rng(0))
    assert list(itertools.islice(tokens, 3)) == [3, 4, 5]
    assert seen == [([0, 1, 2], None), ([3], 1), ([4], 2)]


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)

    def first(prompt=ONE_WORD, rng=rng, **kwargs):
        return next(write(same_everywhere, prompt, rng, SamplingParams(**kwargs)))

    with refuses(ValueError, "prompt: got shape (0,), expected one axis with at least one id"):
        first(np.empty(0, int))
    with refuses(ValueError, "prompt: got shape (1, 2), expected one axis with at least one id"):
        first(np.array([[1, 2]]))
    with refuses(TypeError, "prompt: got list, expected an array of integers"):
        first([1])
    with refuses(ValueError, "temperature: got -1, expected a finite number, 0 or more"):
        first(temperature=-1)
    with pytest.raises(ValueError, match=r"^temperature: "):
        first(temperature=math.inf)
    with refuses(ValueError, "temperature: got nan, expected a finite number, 0 or more"):
        first(temperature=math.nan)
    with refuses(ValueError, "top_k: got 0, expected 1 or more"):
        first(top_k=0)
    with refuses(ValueError, "top_p: got 0, expected a probability above 0"):
        first(top_p=0)
    with refuses(ValueError, "top_p: got 1.5, expected a probability above 0"):
        first(top_p=1.5)
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        first(rng=0)


def test_next_to_no_temperature_is_greedy():
    """However little it is, without a warning."""
    logits = np.array([1.0, 3.0, 2.0], np.float32)
    for temperature in (1e-310, 1e-30):
        assert distribution(logits, SamplingParams(temperature)).tolist() == [0, 1, 0]


def test_all_tokens_together_have_a_top_p_of_1():
    """Also those that are so unlikely that beside the others their probability is rounded away."""
    logits = np.array([-41.0, 0.0, -40.0])
    assert_allclose(distribution(logits, SamplingParams(top_p=1.0)), np.exp(logits), rtol=1e-12)
