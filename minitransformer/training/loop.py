"""The training loop: batches, loss, backward, clip, Adam; one record a step, and the caller decides what to show."""

import copy
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import (
    check_choice,
    check_fraction,
    check_generator,
    check_integer,
    check_limit,
    check_not_negative,
    check_positive,
    check_rank,
    check_rate,
    check_type,
)
from minitransformer.memory import keep_memory
from minitransformer.training.adam import Adam, adam, clip_by_global_norm, init_adam
from minitransformer.training.interrupt import begin_update, end_update
from minitransformer.training.schedule import warmup_cosine, warmup_inverse_root
from minitransformer.tree import Tree, concatenate, tree_map

Array = np.ndarray

SCHEDULES = ("cosine", "inverse root")


class Plan(NamedTuple):
    """How to train: for so many steps, or for so many seconds, whichever is over first; at least one of them is given.

    With seconds, how many steps there will be is reckoned anew at each step from how many there have been.
    """

    steps: int | None = None
    seconds: float | None = None
    peak: float = 1e-3  # of the learning rate
    share: float | Array = 1.0  # of it, for all weights or for each one (`layer_rates.py`)
    warmup: int = 100  # steps
    schedule: str = "cosine"
    floor: float = 0.1  # of the cosine, as a part of the peak
    cooldown: float = 0.0  # the last part of the training, in which the inverse root's rate falls on to 0
    clip: float = 1.0
    decay: float | Array = 0.0
    beta2: float = 0.999
    accumulate: int = 1  # batches a step, for a larger batch than memory has room for


class State(NamedTuple):
    """All that the next step depends on, and so what a checkpoint keeps."""

    weights: Array  # (n,), of which the model's weights are views (`tree.flatten`); changes in place
    optimizer: Adam
    rng: np.random.Generator
    carry: Any = None  # what a model that reads its text window by window remembers from the last one
    step: int = 0
    seconds: float = 0.0
    batches: int = 0  # read by all steps so far, and so the number of the next one


class Slope(NamedTuple):
    """Loss and gradient norm of a step, at the weights before it changes them."""

    loss: float
    norm: float  # of the gradient, before clipping


class Step(NamedTuple):
    step: int  # from 1
    loss: float
    norm: float  # of the gradient, before clipping
    rate: float
    progress: float  # from 0 to 1
    state: State  # after it
    ahead: Callable[[], Slope] | None = None  # what the next step would find; call it before that step is taken


Batch = Any
NextBatch = Callable[[int, np.random.Generator], Batch]
LossAndGradient = Callable[..., tuple[float, Tree, Any]]  # of (batch, carry, rng, n)
Count = Callable[[Batch], Any]


def new_state(weights: Array, rng: np.random.Generator) -> State:
    check_generator(rng)
    return State(weights, init_adam(weights), rng)


def train(
    state: State, plan: Plan, next_batch: NextBatch, loss_and_gradient: LossAndGradient, count: Count | None = None
) -> Iterator[Step]:
    """Go on from `state` to the end of the plan. A caller may stop at any step: its state is whole.

    It is also whole if an exception interrupts the next step. An update is never interrupted: from `begin_update` on,
    Ctrl-C waits until the caller has the new state and calls `end_update`.

    next_batch(number, rng) -> the batch with this number, from 0 on; count(batch) -> how many targets it has, or, where
    there are several losses, a tuple with the number of each; loss_and_gradient(batch, carry, rng, n) -> the loss, a
    tree of gradients, and the new carry, where each loss is the sum over the batch's targets divided by n, those of the
    whole step. So the batches of a step are exactly one large batch, however unequal they are.

    Without `count` there is no n: each batch gives a mean, and all have the same weight.

    A step must depend on nothing else: then a training that was interrupted and resumed from its state takes the same
    steps, bit for bit, as one that was not.
    """
    check_type("state", state, State)
    check_plan(plan)
    keep_memory()
    of_step = (plan, next_batch, loss_and_gradient, count)
    while progress(plan, state) < 1:
        start = time.perf_counter()
        rate = rate_at(plan, state)
        rates = rate * plan.share
        before = state.rng.bit_generator.state
        try:
            loss, gradient, carry = next_gradient(state, *of_step)
            clipped, norm = clip_by_global_norm(gradient, plan.clip)
            begin_update()  # the caller ends it once it has the new state
            optimizer = adam(state.weights, clipped, state.optimizer, rates, beta2=plan.beta2, decay=plan.decay)
        except BaseException:  # Ctrl-C, too little memory: so far only the generator has changed
            state.rng.bit_generator.state = before
            end_update()
            raise
        seconds = state.seconds + time.perf_counter() - start
        n_read = state.batches + plan.accumulate
        state = State(state.weights, optimizer, state.rng, carry, state.step + 1, seconds, n_read)
        done = min(1.0, progress(plan, state))
        yield Step(state.step, loss, norm, rate, done, state, functools.partial(look_ahead, state, of_step))


def next_gradient(
    state: State, plan: Plan, next_batch: NextBatch, loss_and_gradient: LossAndGradient, count: Count | None
) -> tuple[float, Array, Any]:
    """Loss and gradient of the next step, and the carry after it. Changes only the generator of the state."""
    batches = [next_batch(state.batches + k, state.rng) for k in range(plan.accumulate)]
    return over_batches(batches, state, loss_and_gradient, count)


def look_ahead(state: State, of_step: tuple) -> Slope:
    """What the next step would find: finite numbers, if the state is sound. Does not change the state."""
    loss, gradient, _ = next_gradient(state._replace(rng=copy.deepcopy(state.rng)), *of_step)
    return Slope(loss, clip_by_global_norm(gradient, math.inf)[1])


def over_batches(
    batches: list[Batch], state: State, loss_and_gradient: LossAndGradient, count: Count | None
) -> tuple[float, Array, Any]:
    """Loss and gradient of a step, as one large batch has them. -> also the carry"""
    n = () if count is None else (tree_map(lambda *of_each: sum(of_each), *map(count, batches)),)
    carry = state.carry
    loss, gradient = 0.0, None
    for batch in batches:
        of_batch, gradients, carry = loss_and_gradient(batch, carry, state.rng, *n)
        flat = concatenate(gradients)
        loss += float(of_batch)
        gradient = flat if gradient is None else gradient + flat
    if count is None and len(batches) > 1:
        return loss / len(batches), gradient / len(batches), carry
    return loss, gradient, carry


def progress(plan: Plan, state: State) -> float:
    """How much of the plan is done; 1 or more: all of it."""
    by_steps = 0.0 if plan.steps is None else state.step / plan.steps
    by_seconds = 0.0 if plan.seconds is None else state.seconds / plan.seconds
    return float(max(by_steps, by_seconds))


def rate_at(plan: Plan, state: State) -> float:
    """The learning rate of the next step."""
    done = progress(plan, state)
    if plan.schedule == "inverse root":
        left = 1.0 if plan.cooldown == 0 else min(1.0, (1 - done) / plan.cooldown)
        return left * warmup_inverse_root(state.step, plan.peak, plan.warmup)
    planned = plan.steps if done == 0 else state.step / done  # at the speed so far
    if planned is None:
        return plan.peak / plan.warmup  # of the first step nobody knows how long it takes
    return warmup_cosine(state.step, planned, plan.peak, plan.warmup, plan.floor)


def check_plan(plan: Plan) -> None:
    """Raises ValueError or TypeError, naming the field. `adam`, which has the weights, checks the length of arrays.

    A share or decay of 0 is allowed, a negative one is not.
    """
    check_type("plan", plan, Plan)
    if plan.steps is None and plan.seconds is None:
        raise ValueError("plan: got neither steps nor seconds, expected one of them")
    if plan.steps is not None:
        check_integer("steps", plan.steps, minimum=1)
    if plan.seconds is not None:
        check_positive("seconds", plan.seconds)
    check_integer("warmup", plan.warmup, minimum=1)
    check_integer("accumulate", plan.accumulate, minimum=1)
    check_choice("schedule", plan.schedule, SCHEDULES)
    check_positive("peak", plan.peak)
    check_fraction("floor", plan.floor)
    check_fraction("cooldown", plan.cooldown)
    check_rate("beta2", plan.beta2)
    check_limit("clip", plan.clip)
    for name in ("share", "decay"):
        value = getattr(plan, name)
        if isinstance(value, np.ndarray):
            check_rank(name, value, 1)
        else:
            check_not_negative(name, value)
