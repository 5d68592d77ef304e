"""The training loop."""

import itertools

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.training import loop
from minitransformer.training.adam import adam, clip_by_global_norm, init_adam
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.training.schedule import warmup_cosine, warmup_inverse_root
from minitransformer.tree import flatten

TARGET = np.array([3.0, -1.0, 0.5])


def quadratic(noise=0.0):
    """Weights as a tree, and |w - TARGET|^2 / 2 with its gradient, a tree of the same shape; the carry counts calls."""
    flat, weights = flatten((np.zeros(2), (np.zeros(1),)))

    def next_batch(number, rng):
        return noise * rng.standard_normal(3)

    def loss_and_gradient(batch, carry, rng):
        errors = np.concatenate([weights[0], weights[1][0]]) - TARGET + batch
        return (errors @ errors) / 2, (errors[:2], (errors[2:],)), (carry or 0) + 1

    return flat, weights, (next_batch, loss_and_gradient)


def state_of(flat, seed=0):
    return new_state(flat, np.random.default_rng(seed))


def test_it_finds_the_minimum():
    """The model's weights are views of the flat array, and change with it."""
    flat, weights, model = quadratic()
    losses = [step.loss for step in train(state_of(flat), Plan(2000, peak=0.05, floor=0.2), *model)]
    assert len(losses) == 2000
    assert losses[0] == pytest.approx(TARGET @ TARGET / 2)
    assert losses[-1] < 1e-6
    assert_allclose(weights[0], TARGET[:2], atol=1e-3)
    assert_allclose(weights[1][0], TARGET[2:], atol=1e-3)


def test_each_step_is_clip_then_adam_at_the_scheduled_rate():
    """The records count from 1; the norm is that before clipping."""
    flat, _, model = quadratic()
    by_hand, state = np.zeros(3), init_adam(np.zeros(3))
    plan = Plan(steps=5, peak=0.3, warmup=2, floor=0.1, clip=0.5, decay=0.2, beta2=0.9)
    for i, step in enumerate(train(state_of(flat), plan, *model)):
        gradient = by_hand - TARGET
        rate = warmup_cosine(i, 5, 0.3, 2, 0.1)
        assert step[:5] == (i + 1, pytest.approx(gradient @ gradient / 2), np.linalg.norm(gradient), rate, (i + 1) / 5)
        clipped, _ = clip_by_global_norm(gradient, 0.5)
        state = adam(by_hand, clipped, state, rate, beta2=0.9, decay=0.2)
        assert_allclose(flat, by_hand, rtol=1e-14)
        assert step.state.step == step.state.carry == i + 1


def test_the_inverse_root_schedule():
    """Of a training without a planned end."""
    flat, _, model = quadratic()
    plan = Plan(seconds=60.0, peak=0.3, warmup=2, schedule="inverse root")
    rates = [step.rate for step in itertools.islice(train(state_of(flat), plan, *model), 6)]
    assert rates == [warmup_inverse_root(i, 0.3, 2) for i in range(6)]


def test_a_cooldown_takes_the_inverse_root_down_to_zero():
    """Over its part of the training, in a straight line; before that it changes nothing."""
    flat, _, model = quadratic()
    plan = Plan(steps=10, peak=0.3, warmup=2, schedule="inverse root", cooldown=0.5)
    rates = [step.rate for step in train(state_of(flat), plan, *model)]
    left = [1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    assert_allclose(rates, [warmup_inverse_root(i, 0.3, 2) * left[i] for i in range(10)], rtol=1e-12)


def test_a_training_by_the_clock_is_one_of_so_many_steps(clock):
    """At a steady pace: 100 ticks of the clock, of which each step takes one, have the learning rates of 100 steps."""
    flat, _, model = quadratic()
    plan = Plan(peak=0.3, warmup=2, floor=0.01)
    records = list(train(state_of(flat), plan._replace(seconds=100 * clock.TICK), *model))
    assert [record.state.seconds for record in records] == [n * clock.TICK for n in range(1, 101)]
    assert [record.progress for record in records] == [n / 100 for n in range(1, 101)]
    rates = [warmup_cosine(n, 100, 0.3, 2, 0.01) for n in range(100)]
    assert_allclose([record.rate for record in records], rates, rtol=1e-12)


def test_a_training_whose_steps_take_longer_and_longer_ends_in_time_with_a_low_rate(clock):
    """How many there will be is reckoned anew at each step: the rate falls to its floor with the time that is left."""
    flat, _, (next_batch, loss_and_gradient) = quadratic()

    def slower_and_slower(*arguments):
        clock.now += clock.now / 100
        return loss_and_gradient(*arguments)

    plan = Plan(seconds=1000 * clock.TICK, peak=0.3, warmup=2, floor=0.01)
    records = list(train(state_of(flat), plan, next_batch, slower_and_slower))
    assert records[-1].progress == 1
    assert all(record.progress < 1 for record in records[:-1])
    assert len(records) < 500
    rates = [record.rate for record in records]
    assert sorted(rates[2:], reverse=True) == rates[2:]
    assert records[-1].rate == pytest.approx(0.3 * 0.01, rel=0.2)


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_resuming_gives_the_same_steps_bit_for_bit(stop):
    """From the state after any step, with the generator as it was."""
    plan = Plan(steps=20, peak=0.1, warmup=3)
    flat, _, model = quadratic(noise=0.5)
    whole = [step[:5] for step in train(state_of(flat), plan, *model)]
    other, _, other_model = quadratic(noise=0.5)
    first = list(itertools.islice(train(state_of(other), plan, *other_model), stop))
    rest = list(train(first[-1].state, plan, *other_model))
    assert [step[:5] for step in first + rest] == whole
    assert_array_equal(other, flat)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("where", ["batch", "loss", "adam"])
def test_a_step_is_whole_or_not_taken(monkeypatch, where, error):
    """Whatever it is that fails in a step, and wherever: its draws included, the state is the one before it."""
    flat, _, model = quadratic(noise=0.5)
    whole = [step[:5] for step in train(state_of(flat), Plan(steps=9, peak=0.1), *model)]
    other, _, (next_batch, loss_and_gradient) = quadratic(noise=0.5)
    records = []

    def fails(place, f):
        def called(*arguments, **options):
            if place != where or len(records) < 4:
                return f(*arguments, **options)
            next_batch(0, records[-1].state.rng)
            raise error

        return called

    monkeypatch.setattr(loop, "adam", fails("adam", adam))
    with pytest.raises(error):
        for step in train(
            state_of(other), Plan(steps=9, peak=0.1), fails("batch", next_batch), fails("loss", loss_and_gradient)
        ):
            records.append(step)
    monkeypatch.undo()
    rest = list(train(records[-1].state, Plan(steps=9, peak=0.1), next_batch, loss_and_gradient))
    assert [step[:5] for step in records + rest] == whole
    assert_array_equal(other, flat)


def test_what_lies_ahead_is_what_the_next_step_finds():
    """Its loss and norm, with the numbers that it will draw; to ask changes nothing."""
    flat, _, model = quadratic(noise=0.5)
    plan = Plan(steps=6, peak=0.1)
    alone = [step[:5] for step in train(state_of(flat), plan, *model)]
    other, _, other_model = quadratic(noise=0.5)
    found, ahead = [], []
    for step in train(state_of(other), plan, *other_model):
        found.append(step[:5])
        ahead.append(tuple(step.ahead()))
    assert found == alone
    assert ahead[:-1] == [(loss, norm) for _, loss, norm, *_ in found[1:]]


def test_accumulated_batches_are_one_large_batch():
    """Mean loss, mean gradient; the batches are numbered on, and each hands its carry to the next."""
    numbers = []

    def next_batch(number, rng):
        numbers.append(number)
        return number

    def loss_and_gradient(batch, carry, rng):
        return float(batch), (np.array([float(batch)]),), [*(carry or []), batch]

    plan = Plan(steps=2, accumulate=3, clip=100.0)
    records = list(train(state_of(np.zeros(1)), plan, next_batch, loss_and_gradient))
    assert numbers == [0, 1, 2, 3, 4, 5] == records[-1].state.carry
    assert [(r.loss, r.norm) for r in records] == [(1.0, 1.0), (4.0, 4.0)]


@pytest.mark.parametrize("accumulate", [1, 2, 5])
def test_however_a_step_is_cut_into_batches_each_target_counts_alike(accumulate):
    """Two losses over targets of their own, 15 and 5 of them: their means, as those of one batch of them all."""
    words, pairs = np.arange(15.0) ** 2, np.arange(5.0) - 7
    parts = {
        1: [(words, pairs)],
        2: [(words[:2], pairs[:4]), (words[2:], pairs[4:])],
        5: [
            (words[:9], pairs[:0]),
            (words[9:9], pairs[:1]),
            (words[9:10], pairs[1:2]),
            (words[10:], pairs[2:]),
            ([], []),
        ],
    }[accumulate]

    def loss_and_gradient(batch, carry, rng, n):
        of_words, of_pairs = (sum(targets) / k for targets, k in zip(batch, n, strict=True))
        return of_words + of_pairs, (np.array([3.0 * of_words]), np.array([4.0 * of_pairs])), None

    plan = Plan(steps=1, accumulate=accumulate, clip=1e9)
    (record,) = train(
        state_of(np.zeros(2)),
        plan,
        lambda number, rng: parts[number],
        loss_and_gradient,
        lambda b: (len(b[0]), len(b[1])),
    )
    assert record.loss == pytest.approx(words.mean() + pairs.mean(), rel=1e-12)
    assert record.norm == pytest.approx(np.hypot(3 * words.mean(), 4 * pairs.mean()), rel=1e-12)


@pytest.mark.parametrize(("before", "after"), [(4, 1), (1, 4), (2, 3)])
def test_a_training_that_goes_on_with_other_batches_a_step_reads_each_batch_once(before, after):
    """Batch number 0, 1, 2, ...: the next one is the one after the last that was read, whatever a step has now."""
    numbers = []
    next_batch = lambda number, rng: numbers.append(number)  # noqa: E731
    loss_and_gradient = lambda batch, carry, rng: (0.0, np.ones(2), None)  # noqa: E731
    *_, last = train(state_of(np.zeros(2)), Plan(steps=3, accumulate=before), next_batch, loss_and_gradient)
    list(train(last.state, Plan(steps=6, accumulate=after), next_batch, loss_and_gradient))
    assert numbers == list(range(3 * before + 3 * after))


def test_a_plan_that_is_done_takes_no_step():
    flat, _, model = quadratic()
    state = state_of(flat)._replace(step=10)
    assert list(train(state, Plan(steps=10), *model)) == []


def test_bad_plans_are_refused():
    def start(plan):
        flat, _, model = quadratic()
        next(train(state_of(flat), plan, *model))

    with refuses(ValueError, "plan: got neither steps nor seconds, expected one of them"):
        start(Plan())
    with refuses(ValueError, "steps: got 0, expected 1 or more"):
        start(Plan(steps=0))
    with refuses(ValueError, "seconds: got 0, expected a finite number above 0"):
        start(Plan(seconds=0))
    with refuses(ValueError, "warmup: got 0, expected 1 or more"):
        start(Plan(steps=1, warmup=0))
    with refuses(ValueError, "accumulate: got 0, expected 1 or more"):
        start(Plan(steps=1, accumulate=0))
    with refuses(ValueError, "schedule: got 'linear', expected one of 'cosine', 'inverse root'"):
        start(Plan(steps=1, schedule="linear"))
