"""The training loop."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.training.adam import adam, clip_by_global_norm, init_adam
from minitransformer.training.loop import Step, train
from minitransformer.tree import flatten

TARGET = np.array([3.0, -1.0, 0.5])


def quadratic():
    """Weights as a tree, and |w - TARGET|^2 / 2 with its gradient, a tree of the same shape."""
    flat, weights = flatten((np.zeros(2), (np.zeros(1),)))

    def loss_and_gradient(batch):
        errors = np.concatenate([weights[0], weights[1][0]]) - TARGET
        return (errors @ errors) / 2, (errors[:2], (errors[2:],))

    return flat, weights, loss_and_gradient


def test_it_finds_the_minimum():
    """The model's weights are views of the flat array, and change with it."""
    flat, weights, loss_and_gradient = quadratic()
    losses = [step.loss for step in train(flat, loss_and_gradient, range(2000), lambda step: 0.01)]
    assert losses[0] == pytest.approx(TARGET @ TARGET / 2)
    assert losses[-1] < 1e-6
    assert_allclose(weights[0], TARGET[:2], atol=1e-3)
    assert_allclose(weights[1][0], TARGET[2:], atol=1e-3)


def test_each_step_is_clip_then_adam_at_the_scheduled_rate():
    """rate_at counts from 0, the records from 1; the norm is that before clipping."""
    flat, _, loss_and_gradient = quadratic()
    by_hand, state = np.zeros(3), init_adam(np.zeros(3))
    rates = [0.1, 0.3, 0.2]
    for i, step in enumerate(train(flat, loss_and_gradient, range(3), rates.__getitem__, clip=0.5)):
        gradient = by_hand - TARGET
        assert step == Step(i + 1, pytest.approx(gradient @ gradient / 2), np.linalg.norm(gradient), rates[i])
        clipped, _ = clip_by_global_norm(gradient, 0.5)
        state = adam(by_hand, clipped, state, rates[i])
        assert_allclose(flat, by_hand, rtol=1e-14)


def test_the_clip_is_1_by_default():
    flat, _, loss_and_gradient = quadratic()
    other, _, other_loss = quadratic()
    list(train(flat, loss_and_gradient, range(3), lambda step: 0.1))
    list(train(other, other_loss, range(3), lambda step: 0.1, clip=1.0))
    assert_array_equal(flat, other)


def test_stopping_early_leaves_the_weights_of_that_step():
    """A caller that stops looking has trained as many steps as it saw."""
    flat, _, loss_and_gradient = quadratic()
    other, _, other_loss = quadratic()
    list(itertools.islice(train(flat, loss_and_gradient, range(100), lambda step: 0.1), 5))
    list(train(other, other_loss, range(5), lambda step: 0.1))
    assert_array_equal(flat, other)


def test_each_batch_is_passed_on():
    batches = []

    def loss_and_gradient(batch):
        batches.append(batch)
        return 0.0, (np.zeros(1),)

    list(train(np.zeros(1), loss_and_gradient, iter("abc"), lambda step: 0.1))
    assert batches == ["a", "b", "c"]
