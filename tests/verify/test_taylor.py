"""The Taylor test: order 2 for a right gradient, order 1 for a wrong one, also where complex numbers cannot go."""

import math

import numpy as np
import pytest

from minitransformer.equations.activations import gelu, gelu_backward, relu, relu_backward
from minitransformer.layers.embedding import Embedding, embedding
from minitransformer.verify import by_the_book as book
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import Case, derivative
from minitransformer.verify.taylor import taylor_order

Array = np.ndarray

seeds = pytest.mark.parametrize("seed", range(5))


def spoilt(name, rng, change):
    case = CASES[name](rng)
    return case._replace(backward=lambda dy, cache: change(*case.backward(dy, cache)))


@seeds
@pytest.mark.parametrize("name", ["softmax", "relu", "gelu", "split_heads", "dropout"])
def test_a_wrong_gradient_falls_at_order_1(name, seed):
    """One that is a tenth larger than the right one, has the other sign, or stands at another index."""
    for change in (lambda dx: (dx * 1.1,), lambda dx: (-dx,), lambda dx: (np.roll(dx, 1),)):
        rng = np.random.default_rng(seed)
        assert 0.9 < taylor_order(spoilt(name, rng, change), rng) < 1.1


@seeds
def test_an_error_of_a_part_in_a_hundred_thousand_is_seen(seed):
    """The smallest steps, 10^-6, look farthest down."""
    rng = np.random.default_rng(seed)
    assert taylor_order(spoilt("tanh", rng, lambda dx: (dx * (1 + 1e-5),)), rng) < 1.9


@seeds
def test_a_token_that_occurs_twice_needs_both_of_its_gradients(seed):
    """`dE[ids] += dx` keeps the last one. The forward is linear: it is the square of the loss that has a remainder."""
    ids = np.array([0, 1, 0, 2])

    def backward(dx, cache):
        dE = np.zeros_like(cache.weights.E)
        dE[ids] += dx
        return (Embedding(dE),)

    rng = np.random.default_rng(seed)
    weights = Embedding(rng.standard_normal((4, 3)))
    assert taylor_order(Case(lambda weights: embedding(ids, weights), backward, (weights,)), rng) < 1.1


def gelu_of_the_book(x: Array) -> tuple:
    """By `math.erf`, number by number, with the cache of `gelu`."""
    return np.vectorize(book.gelu)(x), gelu(x)[1]


@seeds
def test_the_exact_gelu_by_the_librarys_erf(seed):
    """`math.erf` drops the imaginary part, as NumPy says: here the backward meets it, not the series of `erf.py`."""
    rng = np.random.default_rng(seed)
    x = 2 * rng.standard_normal((3, 5))
    with pytest.raises(np.exceptions.ComplexWarning):
        derivative(gelu_of_the_book, (x,), (x,))
    case = Case(gelu_of_the_book, lambda dy, cache: (gelu_backward(dy, cache),), (x,))
    assert 1.9 < taylor_order(case, rng) < 2.1


def minimum(a: Array, b: Array) -> tuple:
    """The smaller one, as in a coverage loss (6.2); the cache says where it is a."""
    return np.minimum(a, b), a < b


def minimum_backward(dy: Array, first: Array) -> tuple:
    return dy * first, dy * ~first


@seeds
def test_the_smaller_of_two_numbers_away_from_ties(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 3, 5))
    assert 1.9 < taylor_order(Case(minimum, minimum_backward, (a, b)), rng) < 2.1


@seeds
@pytest.mark.parametrize("pair", ["relu", "minimum"])
def test_at_a_tie_there_is_no_gradient_and_no_order_2(pair, seed):
    """At a kink the slopes on both sides differ, so half the step leaves half of the remainder, whatever is chosen."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((3, 5))
    cases = {
        "relu": Case(relu, lambda dy, y: (relu_backward(dy, y),), (0 * a,)),
        "minimum": Case(minimum, minimum_backward, (a, a)),
    }
    assert taylor_order(cases[pair], rng) == pytest.approx(1, abs=0.1)


def test_a_gradient_of_another_shape_is_refused():
    """One that would only broadcast."""
    case = Case(lambda x: (x * 2, None), lambda dy, cache: (dy.sum(axis=0, keepdims=True) * 2,), (np.ones((3, 4)),))
    with pytest.raises(AssertionError, match="backward: gradients have paths and shapes"):
        taylor_order(case, np.random.default_rng(0))


def test_a_gradient_that_is_no_number_has_no_order():
    case = Case(lambda x: (x * 2, None), lambda dy, cache: (dy * np.nan,), (np.ones(3),))
    assert math.isnan(taylor_order(case, np.random.default_rng(0)))
