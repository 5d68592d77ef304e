"""What every task learns by: its loss is the one that the text defines, its gradient that of the loss, to the last bit.

Adam hides the scale of a gradient, and a training that learns anyway hides the rest: so none is trained here.
"""

import copy
import itertools

import numpy as np
import pytest
from assertions import assert_gradients
from every_task import NAMES, batches_of, loud_run, task_named, training_of
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.models.rnn_lm import rnn_lm
from minitransformer.training.loop import over_batches
from minitransformer.training.session import Goal
from minitransformer.tree import concatenate, leaves, tree_map

every_task = pytest.mark.parametrize("name", NAMES)
WITH_DROPOUT = [name for name in NAMES if "rate" in task_named(name).settings._fields]
RATE = 0.3


def begun(name, **changes):
    task = task_named(name)
    run = loud_run(task, **changes)
    return task, run, training_of(task, run)


def as_tuple(counts):
    return counts if isinstance(counts, tuple) else (counts,)


def larger(counts):
    """Counts of a whole of which a batch is a part: of each loss another number of times as many."""
    scaled = [k * count for k, count in zip((3, 7), as_tuple(counts), strict=False)]
    return type(counts)(*scaled) if isinstance(counts, tuple) else scaled[0]


@every_task
def test_the_loss_is_the_one_that_is_defined(name):
    """-log P of each target, from the model's scores by hand: a mean; of two losses, two means added."""
    task, run, training = begun(name)
    for batch in batches_of(training):
        losses = task.losses(run, batch, run.state.carry, None)
        loss, _, _ = training.loss_and_gradient(batch, run.state.carry, None)
        assert_allclose(loss, sum(one.total / one.count for one in losses), rtol=1e-12)


@every_task
def test_targets_are_counted_one_by_one(name):
    """Of each loss its own."""
    task, run, training = begun(name)
    for batch in batches_of(training):
        losses = task.losses(run, batch, run.state.carry, None)
        assert as_tuple(training.count(batch)) == tuple(one.count for one in losses)


@every_task
def test_a_part_of_a_whole_is_divided_by_the_targets_of_the_whole(name):
    """Each loss by its own count, and the gradient alike."""
    task, run, training = begun(name)
    (batch,) = batches_of(training, 1)
    counts = larger(training.count(batch))
    losses = task.losses(run, batch, run.state.carry, None)
    loss, _, _ = training.loss_and_gradient(batch, run.state.carry, None, counts)
    assert_allclose(loss, sum(one.total / n for one, n in zip(losses, as_tuple(counts), strict=True)), rtol=1e-12)


@every_task
@pytest.mark.parametrize("of_a_whole", [False, True])
def test_the_gradient_is_that_of_the_loss(name, of_a_whole):
    """By the complex step, for every weight: with dropout, and as a part of a larger whole."""
    changes = {"rate": RATE} if name in WITH_DROPOUT else {}
    _, run, training = begun(name, **changes)
    (batch,) = batches_of(training, 1)
    n = [larger(training.count(batch))] if of_a_whole else []

    def forward(weights):
        task = task_named(name)
        step = training_of(task, run._replace(weights=weights)).loss_and_gradient
        loss, gradient, _ = step(batch, run.state.carry, np.random.default_rng(7), *n)
        return loss, gradient

    def backward(dloss, gradient):
        return tree_map(lambda leaf: dloss * leaf, gradient)

    assert_gradients(forward, backward, (run.weights,), np.random.default_rng(1))


@every_task
def test_a_step_of_several_batches_is_one_of_all_their_targets(name):
    """As the loop takes it: each loss is the mean over all targets of the step, and the gradients add."""
    task, run, training = begun(name)
    batches = batches_of(training, 3)
    loss, gradient, carry = over_batches(batches, run.state, training.loss_and_gradient, training.count)
    before, of_each = run.state.carry, []
    total = as_tuple(tree_map(lambda *counts: sum(counts), *map(training.count, batches)))
    expected = np.zeros_like(gradient)
    for batch in batches:
        of_each.append(task.losses(run, batch, before, None))
        n = tree_map(lambda *counts: sum(counts), *map(training.count, batches))
        _, of_batch, before = training.loss_and_gradient(batch, before, None, n)
        expected += concatenate(of_batch)
    means = [sum(one.total for one in ones) / n for ones, n in zip(zip(*of_each, strict=True), total, strict=True)]
    assert_allclose(loss, sum(means), rtol=1e-12)
    assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)
    for ours, theirs in zip(leaves(carry), leaves(before), strict=True):
        assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_training_drops_by_the_rate_and_the_generator(name):
    """Two generators, two losses; the same one, the same loss: that of the model under the same dropout."""
    task, run, training = begun(name, rate=0.5)
    (batch,) = batches_of(training, 1)

    def loss(seed, of=training):
        return float(of.loss_and_gradient(batch, None, np.random.default_rng(seed))[0])

    assert loss(1) == loss(1) != loss(2)
    losses = task.losses(run, batch, None, np.random.default_rng(1))
    assert_allclose(loss(1), sum(one.total / one.count for one in losses), rtol=1e-12)
    other = training_of(task, run._replace(settings=run.settings._replace(rate=0.0)))
    assert loss(1, other) == loss(2, other) == float(other.loss_and_gradient(batch, None, None)[0])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_DROPOUT])
def test_without_dropout_nothing_is_drawn_by_the_loss(name):
    _, run, training = begun(name)
    (batch,) = batches_of(training, 1)
    rng = np.random.default_rng(0)
    loss, _, _ = training.loss_and_gradient(batch, run.state.carry, rng)
    assert loss == training.loss_and_gradient(batch, run.state.carry, None)[0]
    assert rng.random() == np.random.default_rng(0).random()


@every_task
def test_a_training_step_is_the_model_in_single_precision(name):
    """The gradient has the type of the weights, float32, and their shapes."""
    task = task_named(name)
    run = task.new(task.settings, 0)
    training = training_of(task, run)
    batch = training.next_batch(0, np.random.default_rng(0))
    _, gradient, _ = training.loss_and_gradient(batch, run.state.carry, None, training.count(batch))
    assert type(gradient) is type(run.weights)
    for ours, theirs in zip(leaves(gradient), leaves(run.weights), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) == (np.float32, ours.shape)


@pytest.mark.parametrize("name", ["rnn, elman", "rnn, lstm"])
def test_what_is_carried_is_the_state_after_the_window(name):
    """Two windows one after the other cost what the text of both costs at once; no gradient goes back over the cut."""
    task, run, training = begun(name)
    first, second = (training.next_batch(number, None) for number in (0, 1))
    start = run.state.carry
    of_first, _, between = training.loss_and_gradient(first, start, None)
    loss, gradient, end = training.loss_and_gradient(second, between, None)
    joined = [np.concatenate(parts, axis=1) for parts in zip(first, second, strict=True)]
    (whole,) = task.losses(run, joined, start, None)
    assert_allclose((of_first + loss) / 2, whole.total / whole.count, rtol=1e-12)
    _, cache = rnn_lm(joined[0], start, run.weights)
    for ours, theirs in zip(leaves(end), leaves(cache.recurrent.last), strict=True):
        assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    alone = training.loss_and_gradient(second, tree_map(np.copy, between), None)
    assert alone[0] == loss
    assert_array_equal(concatenate(alone[1]), concatenate(gradient))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("rnn")])
def test_nothing_else_is_carried(name):
    """What a step learns by depends on its batch alone."""
    _, run, training = begun(name)
    assert run.state.carry is None
    assert training.loss_and_gradient(*batches_of(training, 1), None, None)[2] is None


@every_task
def test_the_first_step_of_a_training_is_by_the_book(name):
    """Two batches, with dropout, from the run's own generator: their loss; their gradient, clipped; AdamW.

    In the first step the running means are the gradient and its square, and the rate is a part of the warm-up.
    """
    task, run, _ = begun(name, **{"rate": 0.5} if name in WITH_DROPOUT else {})
    training = training_of(task, run._replace(goal=Goal(steps=9, accumulate=2)))
    plan, rng, w = training.plan, copy.deepcopy(run.state.rng), run.state.weights.copy()
    batches = [training.next_batch(number, rng) for number in (0, 1)]
    n = tree_map(lambda *counts: sum(counts), *map(training.count, batches))
    carry, losses, gradients = run.state.carry, [], []
    for batch in batches:
        loss, gradient, carry = training.loss_and_gradient(batch, carry, rng, n)
        losses.append(loss)
        gradients.append(concatenate(gradient))
    g = sum(gradients)
    norm = np.sqrt((g * g).sum())
    clipped = g * min(1, 1 / norm)
    rate = plan.peak / plan.warmup
    expected = w * (1 - rate * plan.share * plan.decay) - rate * plan.share * clipped / (np.abs(clipped) + 1e-8)
    step = next(task.steps(run._replace(goal=Goal(steps=9, accumulate=2)), task.data))
    assert_allclose([step.loss, step.norm, step.rate], [sum(losses), norm, rate], rtol=1e-12)
    assert_allclose(run.state.weights, expected, rtol=1e-12, atol=1e-14)
    assert step.state.rng.bit_generator.state == rng.bit_generator.state
    assert (step.step, step.progress, step.state.step, step.state.batches) == (1, 1 / 9, 1, 2)


@every_task
def test_the_weights_are_left_as_they_are(name):
    """By the loss and its gradient: only the optimizer changes them."""
    _, run, training = begun(name)
    before = run.state.weights.copy()
    for batch, _ in itertools.product(batches_of(training), range(2)):
        training.loss_and_gradient(batch, run.state.carry, None)
    assert_array_equal(run.state.weights, before)
