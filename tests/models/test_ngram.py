"""The n-gram model (2.1.2), with what is done about the sparsity that 2.1.3 speaks of."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from assertions import refuses
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minitransformer.models import ngram
from minitransformer.models.ngram import (
    SMOOTHINGS,
    count_ngrams,
    ngram_arrays,
    ngram_costs,
    ngram_distribution,
    ngram_from,
    ngram_loss,
    ngram_probability,
)
from minitransformer.tree import leaves

V = 4
texts = st.lists(st.integers(0, V - 1), min_size=5, max_size=60)
orders = st.integers(1, 4)
every_smoothing = pytest.mark.parametrize("smoothing", SMOOTHINGS)


def grams(text, n):
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def all_histories(n):
    return np.array(list(itertools.product(range(V), repeat=n - 1)), int).reshape(V ** (n - 1), n - 1)


def discount(times):
    n_1, n_2 = list(times.values()).count(1), list(times.values()).count(2)
    return n_1 / (n_1 + 2 * n_2) if n_1 and n_2 else 0.5


def kneser_ney(text, n, history, w):
    """By the book, with dictionaries: interpolated Kneser-Ney, from the highest order down."""

    def p(order, history, w):
        if order == 0:
            return 1 / V
        endings = grams(text, n) if order == n else [gram[1:] for gram in kinds_of(order + 1)]
        times = Counter(endings)
        D = discount(times)
        total = sum(c for gram, c in times.items() if gram[:-1] == history)
        kinds = sum(1 for gram in times if gram[:-1] == history)
        below = p(order - 1, history[1:], w)
        if total == 0:
            return below
        return (max(times[(*history, w)] - D, 0) + D * kinds * below) / total

    def kinds_of(order):
        """The different n-grams of an order: those of the text, or the endings of those above."""
        return set(grams(text, n)) if order == n else {gram[1:] for gram in kinds_of(order + 1)}

    return p(n, tuple(history), w)


@given(texts, orders)
def test_maximum_likelihood_is_the_equation(text, n):
    """count(h, w) / count(h); after a history that never occurred, 1/V."""
    model = count_ngrams(np.array(text), V, n, "maximum likelihood")
    times, totals = Counter(grams(text, n)), Counter(gram[:-1] for gram in grams(text, n))
    for history, row in zip(all_histories(n).tolist(), ngram_distribution(model, all_histories(n)), strict=True):
        h = tuple(history)
        assert_allclose(row, [times[(*h, w)] / totals[h] if totals[h] else 1 / V for w in range(V)], rtol=1e-12)


@given(texts, orders, st.sampled_from([0.1, 1.0]))
def test_add_k_is_the_equation(text, n, k):
    """(count(h, w) + k) / (count(h) + k V)."""
    model = count_ngrams(np.array(text), V, n, "add-k", k)
    times, totals = Counter(grams(text, n)), Counter(gram[:-1] for gram in grams(text, n))
    for history, row in zip(all_histories(n).tolist(), ngram_distribution(model, all_histories(n)), strict=True):
        h = tuple(history)
        assert_allclose(row, [(times[(*h, w)] + k) / (totals[h] + k * V) for w in range(V)], rtol=1e-12)


@given(texts, orders)
def test_kneser_ney_is_the_equation(text, n):
    """Discounted counts, and below them how many contexts a token ends, order by order."""
    model = count_ngrams(np.array(text), V, n)
    for history, row in zip(all_histories(n).tolist(), ngram_distribution(model, all_histories(n)), strict=True):
        assert_allclose(row, [kneser_ney(text, n, history, w) for w in range(V)], rtol=1e-11)


@every_smoothing
@given(text=texts, n=orders)
def test_probabilities_sum_to_1_after_every_history(smoothing, text, n):
    """Seen or unseen; and none is negative."""
    p = ngram_distribution(count_ngrams(np.array(text), V, n, smoothing), all_histories(n))
    assert (p >= 0).all()
    assert_allclose(p.sum(axis=-1), 1, rtol=1e-12)


@every_smoothing
@given(text=texts, other=texts, n=orders)
def test_the_loss_is_the_mean_over_tokens_with_a_history(smoothing, text, other, n):
    """-(1/m) sum log P, of a text other than the one that was counted."""
    model = count_ngrams(np.array(text), V, n, smoothing)
    p = [float(ngram_probability(model, np.array(g[:-1], int), np.array(g[-1]))) for g in grams(other, n)]
    expected = math.inf if min(p) == 0 else -sum(map(math.log, p)) / len(p)
    assert ngram_loss(np.array(other), model) == pytest.approx(expected, rel=1e-12)


@every_smoothing
@given(text=texts, other=texts, n=orders)
def test_the_costs_are_those_of_each_token(smoothing, text, other, n):
    """-log P of each token that has a whole history; their mean is the loss."""
    model = count_ngrams(np.array(text), V, n, smoothing)
    costs = ngram_costs(np.array(other), model)
    with np.errstate(divide="ignore"):
        expected = [-np.log(ngram_probability(model, np.array(g[:-1], int), np.array(g[-1]))) for g in grams(other, n)]
    assert costs.tolist() == expected
    assert ngram_loss(np.array(other), model) == pytest.approx(costs.mean(), rel=1e-15)


@every_smoothing
@given(text=texts, n=orders, piece=st.integers(1, 5))
def test_a_text_may_be_counted_piece_by_piece(smoothing, text, n, piece):
    """The counts do not depend on how much of it is counted at once."""
    whole = count_ngrams(np.array(text), V, n, smoothing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram, "PIECE", piece)
        again = count_ngrams(np.array(text), V, n, smoothing)
    for ours, theirs in zip(leaves(again.orders), leaves(whole.orders), strict=True):
        assert ours.tolist() == theirs.tolist()


@every_smoothing
@given(text=texts, n=orders)
def test_a_model_comes_back_from_its_counts(smoothing, text, n):
    """From the n-grams of each order and how often each occurs."""
    model = count_ngrams(np.array(text), V, n, smoothing)
    again = ngram_from(ngram_arrays(model), n, V, smoothing, model.k)
    assert (again.n, again.V, again.smoothing, again.k, again.discounts) == (n, V, smoothing, model.k, model.discounts)
    for ours, theirs in zip(leaves(again.orders), leaves(model.orders), strict=True):
        assert ours.tolist() == theirs.tolist()


def test_counts_that_are_none_are_refused():
    """A missing order, n-grams of another vocabulary, in another order, or without their counts."""
    arrays = ngram_arrays(count_ngrams(np.array([0, 1, 2, 0]), 3, 2))
    with pytest.raises(KeyError):
        ngram_from({k: v for k, v in arrays.items() if k != "times.2"}, 2, 3, "add-k", 0.1)
    with refuses(ValueError, "grams: got values from 1 to 6, expected 0 to 3"):
        ngram_from(arrays | {"grams.1": np.array([0, 1]), "times.1": np.array([1, 1])}, 2, 2, "add-k", 0.1)
    twice = arrays["grams.2"][[0, 0, 1]]
    for wrong in (arrays["grams.2"][::-1], arrays["grams.2"][:1], arrays["grams.2"][:0], twice):
        with refuses(ValueError, f"grams: got {wrong.shape} of order 2, expected sorted ones, each with its count"):
            ngram_from(arrays | {"grams.2": wrong}, 2, 3, "add-k", 0.1)
    for name in ("grams.1", "times.1"):
        with pytest.raises(ValueError, match=rf"^{name[:5]}: "):
            ngram_from(arrays | {name: np.array(1)}, 2, 3, "add-k", 0.1)


@every_smoothing
@given(text=texts, n=orders)
def test_histories_and_tokens_broadcast(smoothing, text, n):
    """Many tokens after one history, or one token after many: each pair as if it were asked for alone."""
    model = count_ngrams(np.array(text), V, n, smoothing)
    histories, tokens = all_histories(n), np.arange(V)
    table = ngram_distribution(model, histories)
    for row, history in zip(table, histories, strict=True):
        assert ngram_probability(model, history, tokens).tolist() == row.tolist()
    for column, token in zip(table.T, tokens, strict=True):
        assert ngram_probability(model, histories, np.array(token)).tolist() == column.tolist()


@every_smoothing
@given(text=texts, before=st.lists(st.integers(0, V - 1), min_size=2, max_size=2), first=st.integers(0, V - 1))
def test_only_the_last_tokens_matter(smoothing, text, before, first):
    """Markov assumption: what a trigram model expects after two tokens does not depend on what stood earlier."""
    model = count_ngrams(np.array(text), V, 3, smoothing)
    costs = {}
    for start in ([], [first]):
        runs = [ngram_loss(np.array([*start, *before, w]), model) for w in range(V)]
        costs[len(start)] = [n * c for n, c in zip([len(start) + 1] * V, runs, strict=True)]
    assume(all(map(math.isfinite, costs[1])))
    assert_allclose(np.diff(costs[1]), np.diff(costs[0]), atol=1e-9)


@given(texts, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_no_other_conditionals_make_the_counted_text_likelier(text, n, seed):
    """Counting is maximum likelihood: any perturbed distribution after any history costs at least as much."""
    ids = np.array(text)
    model = count_ngrams(ids, V, n, "maximum likelihood")
    best = ngram_distribution(model, all_histories(n))
    rng = np.random.default_rng(seed)
    other = best * np.exp(0.5 * rng.standard_normal(best.shape)) + 1e-9
    other /= other.sum(axis=-1, keepdims=True)
    row = {tuple(h): i for i, h in enumerate(all_histories(n).tolist())}
    cost = -sum(math.log(other[row[g[:-1]], g[-1]]) for g in grams(text, n)) / len(grams(text, n))
    assert cost >= ngram_loss(ids, model) - 1e-12


def test_a_counted_loss_is_the_conditional_entropy():
    """After 0 comes 1 twice and 2 once; after 1 and 2 always 0."""
    ids = np.array([0, 1, 0, 1, 0, 2] * 50)
    entropy = (2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(3)) / 2
    assert ngram_loss(ids, count_ngrams(ids, 3, 2, "maximum likelihood")) == pytest.approx(entropy, rel=0.01)


def test_sparsity_makes_a_text_impossible_unless_it_is_smoothed():
    """One pair that was never seen costs infinitely much by maximum likelihood, and a finite price otherwise."""
    seen, unseen = np.array([0, 1, 0, 1, 0]), np.array([0, 1, 1])
    assert ngram_loss(unseen, count_ngrams(seen, 2, 2, "maximum likelihood")) == math.inf
    assert math.isfinite(ngram_loss(unseen, count_ngrams(seen, 2, 2, "add-k")))
    assert math.isfinite(ngram_loss(unseen, count_ngrams(seen, 2, 2, "Kneser-Ney")))


def test_kneser_ney_asks_in_how_many_contexts_a_token_occurs_not_how_often():
    """ "Francisco" (1) is frequent, but only after "San" (0): after an unseen history it is less likely than 2."""
    ids = np.array([0, 1] * 20 + [3, 2, 0, 2, 4, 2])
    p = ngram_distribution(count_ngrams(ids, 6, 2), np.array([5]))
    assert p[2] > p[1]
    p = ngram_distribution(count_ngrams(ids, 6, 2, "add-k"), np.array([0]))
    assert p[1] > p[2]


def test_small_integers_do_not_overflow():
    """Ids of 8 bits, whose n-grams have more."""
    model = count_ngrams(np.array([199, 198, 197], np.uint8), 200, 3, "maximum likelihood")
    assert ngram_probability(model, np.array([199, 198], np.uint8), np.array(197)) == 1


def test_every_ngram_that_fits_into_64_bits_is_counted():
    """The largest vocabulary, of 2^63 - 1 tokens, and the square of one that is nearly as large."""
    for V, n in ((2**63 - 1, 1), (3_037_000_499, 2)):
        ids = np.array([V - 1, 0, V - 1, 0])
        model = count_ngrams(ids, V, n, "maximum likelihood")
        assert ngram_probability(model, ids[: n - 1], ids[n - 1, ...]) == (0.5, 1.0)[n - 1]
        with refuses(ValueError, f"n: got {n}, too large for {V + 1} tokens: V^n must stay below 2^63"):
            count_ngrams(ids, V + 1, n)


def test_bad_input_is_refused():
    ids = np.array([0, 1, 2])
    with refuses(ValueError, "ids: got values from 0 to 2, expected 0 to 1"):
        count_ngrams(ids, 2, 2)
    with refuses(TypeError, "ids: got dtype float64, expected an array of integers"):
        count_ngrams(np.array([0.0]), 3, 1)
    with refuses(ValueError, "V: got 0, expected 1 or more"):
        count_ngrams(ids, 0, 2)
    with refuses(ValueError, "n: got 0, expected 1 or more"):
        count_ngrams(ids, 3, 0)
    with refuses(ValueError, "n: got 63, too large for 3 tokens: V^n must stay below 2^63"):
        count_ngrams(np.zeros(99, int), 3, 63)
    with refuses(ValueError, "k: got 0, expected a finite number above 0"):
        count_ngrams(ids, 3, 2, "add-k", 0)
    names = "'maximum likelihood', 'add-k', 'Kneser-Ney'"
    with refuses(ValueError, f"smoothing: got 'laplace', expected one of {names}"):
        count_ngrams(ids, 3, 2, "laplace")
    with refuses(ValueError, "ids: got 1 of them, expected 2 or more, so that there is an n-gram"):
        count_ngrams(ids[:1], 3, 2)
    model = count_ngrams(ids, 3, 2)
    with refuses(ValueError, "ids: got 1 of them, expected 2 or more, so that there is an n-gram"):
        ngram_loss(ids[:1], model)
    with refuses(ValueError, "k: got 1e+308, too large for 3 tokens: k V must be finite"):
        count_ngrams(ids, 3, 2, "add-k", 1e308)
    with refuses(ValueError, "histories: got shape (2,), expected 1 tokens or fewer on the last axis"):
        ngram_probability(model, ids[:2], ids[2:])
    with refuses(ValueError, "histories: got values from 3 to 3, expected 0 to 2"):
        ngram_probability(model, np.array([3]), np.array(0))
    for no_row in (lambda h: ngram_probability(model, h, np.array(0)), lambda h: ngram_distribution(model, h)):
        with pytest.raises(ValueError, match=r"^histories: "):
            no_row(np.array(1))
    with refuses(ValueError, "tokens: got values from 3 to 3, expected 0 to 2"):
        ngram_probability(model, ids[:1], np.array(3))


@pytest.mark.parametrize("smoothing", ["maximum likelihood", "add-k"])
@pytest.mark.parametrize("n_tokens", [0, 1, 2])
def test_after_fewer_tokens_the_model_is_that_of_a_lower_order(smoothing, n_tokens):
    """With k tokens before it, and none before these, a token has the probability that a (k+1)-gram model gives it."""
    text = np.random.default_rng(0).integers(0, 4, 60)
    history, tokens = np.array([3, 1], int)[2 - n_tokens :], np.arange(4)
    lower = ngram_probability(count_ngrams(text, 4, n_tokens + 1, smoothing), history, tokens)
    assert ngram_probability(count_ngrams(text, 4, 3, smoothing), history, tokens).tolist() == lower.tolist()


@pytest.mark.parametrize("n_tokens", [0, 1])
def test_for_kneser_ney_fewer_tokens_are_as_tokens_that_never_occur(n_tokens):
    """It falls back on the tokens that are left, in each case."""
    text = np.random.default_rng(0).integers(1, 4, 60)  # without the token 0
    model = count_ngrams(text, 4, 3)
    history = np.array([3], int)[1 - n_tokens :]
    after_others = np.append(np.zeros(2 - n_tokens, int), history)
    assert_allclose(
        ngram_probability(model, history, np.arange(4)),
        ngram_probability(model, after_others, np.arange(4)),
        rtol=1e-14,
    )


@pytest.mark.parametrize("ids", [np.array(1), np.array([0, 3]), np.array([-1, 0])], ids=["a number", "above", "below"])
def test_a_text_is_a_row_of_ids(ids):
    """Of the tokens that there are: when it is counted, and when it is read."""
    model = count_ngrams(np.array([0, 1, 2]), 3, 2)
    for read in (lambda: count_ngrams(ids, 3, 2), lambda: ngram_costs(ids, model), lambda: ngram_loss(ids, model)):
        with pytest.raises(ValueError, match=r"^ids: "):
            read()


def test_by_default_it_is_kneser_ney_and_k_a_tenth():
    ids = np.array([0, 1, 2, 0])
    assert count_ngrams(ids, 3, 2).smoothing == "Kneser-Ney"
    p = ngram_probability(count_ngrams(ids, 3, 2, "add-k"), np.array([0]), np.array(1))
    assert p == pytest.approx((1 + 0.1) / (1 + 0.1 * 3), rel=1e-15)


@every_smoothing
def test_which_number_a_token_has_means_nothing(smoothing):
    """Also where codes of n-grams are as large as 64 bits can hold: as floating-point numbers some would be equal."""
    V = 3_037_000_499
    text = np.array([0, 1, 0, 2, 0, 1, 1])
    numbers = np.array([V - 1, V - 2, V - 3])  # of the tokens 0, 1 and 2
    low, high = (count_ngrams(ids, V, 2, smoothing) for ids in (text, numbers[text]))
    pairs = np.array(list(itertools.product(range(3), repeat=2)))
    expected = ngram_probability(low, pairs[:, :1], pairs[:, 1])
    assert ngram_probability(high, numbers[pairs[:, :1]], numbers[pairs[:, 1]]).tolist() == expected.tolist()


@every_smoothing
def test_a_single_token_is_certain(smoothing):
    """The smallest vocabulary, counted and read again."""
    model = ngram_from(ngram_arrays(count_ngrams(np.zeros(5, int), 1, 2, smoothing)), 2, 1, smoothing, 0.1)
    assert ngram_probability(model, np.array([0]), np.array(0)) == pytest.approx(1, rel=1e-12)
