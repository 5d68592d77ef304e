"""What a training keeps: a state after a whole step, whose loss is known to be finite; whatever ends the training."""

import math
import os
import signal
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minitransformer.training import session
from minitransformer.training.interrupt import begin_update
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.training.session import DivergedError, Look, carry_on, looked
from minitransformer.tree import flatten

pytestmark = pytest.mark.usefixtures("clock")

TARGET = np.array([3.0, -1.0, 0.5])
STEPS = 12


class Run(NamedTuple):
    weights: Any
    state: Any
    looks: tuple[Look, ...] = ()


def begin():
    flat, weights = flatten((np.zeros(2), (np.zeros(1),)))
    return Run(weights, new_state(flat, np.random.default_rng(0)))


class Kept:
    """A place to save to: of each save a copy that the training cannot change."""

    def __init__(self):
        self.runs = []

    def __call__(self, run):
        self.runs.append(session.apart(run))


def steps(run, change=lambda number, loss: loss, n=STEPS):
    """A noisy parabola; change(number of the batch, loss) may fail, or give another loss."""

    def loss_and_gradient(batch, carry, rng):
        noise = 0.1 * rng.standard_normal(3)
        error = np.concatenate([run.weights[0], run.weights[1][0]]) - TARGET + noise
        return change(batch, error @ error / 2), (error[:2], (error[2:],)), None

    return train(run.state, Plan(steps=n, peak=0.1), lambda number, rng: number, loss_and_gradient)


def go(run, change=lambda number, loss: loss, kept=None):
    return carry_on(run, steps(run, change), lambda run, loss: looked(run, loss, 0.0), kept)


@pytest.fixture
def unbroken():
    run, _ = go(begin())
    return run.state


def assert_goes_on_to(kept, unbroken):
    """From what was kept last to the same end, bit for bit."""
    run, stopped = go(kept.runs[-1])
    assert not stopped
    for ours, theirs in zip(
        (run.state.weights, *run.state.optimizer), (unbroken.weights, *unbroken.optimizer), strict=True
    ):
        assert_array_equal(ours, theirs)
    assert run.state.rng.bit_generator.state == unbroken.rng.bit_generator.state


@pytest.fixture
def kept(monkeypatch):
    """With a save after each step."""
    monkeypatch.setattr(session, "SAVE_SECONDS", -1.0)
    return Kept()


def fails(error):
    def change(number, loss):
        if number == 7:
            raise error
        return loss

    return change


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, BrokenPipeError])
def test_where_a_step_fails_the_one_before_it_is_kept(kept, unbroken, error):
    with pytest.raises(error):
        go(begin(), fails(error), kept)
    assert kept.runs[-1].state.step == 7
    assert_goes_on_to(kept, unbroken)


@pytest.mark.parametrize("moment", range(1, 8))
def test_two_presses_of_ctrl_c_lose_nothing(kept, unbroken, moment):
    """Both in the midst of a step, which is not finished: what is kept is the step before it."""

    pressed = []

    def press(number, loss):
        if number == moment and not pressed:
            pressed.append(number)
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second one interrupts at once")
        return loss

    with pytest.raises(KeyboardInterrupt):
        go(begin(), press, kept)
    assert kept.runs[-1].state.step == moment
    assert_goes_on_to(kept, unbroken)


def test_a_second_press_in_an_update_waits_until_the_new_state_is_the_one_to_keep(kept, unbroken, monkeypatch):
    """Between the first weight that changes and the last counter: half of it would be the next step's."""

    def press_twice():
        begin_update()
        if len(kept.runs) == 4:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("minitransformer.training.loop.begin_update", press_twice)
    with pytest.raises(KeyboardInterrupt):
        go(begin(), kept=kept)
    monkeypatch.undo()
    assert kept.runs[-1].state.step == 6
    assert_goes_on_to(kept, unbroken)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_step_that_leads_nowhere_does_not_replace_what_was_kept(kept, loss):
    """Step 7 has the loss of what step 6 led to: step 5 is the last one that is known to be sound."""
    with pytest.raises(DivergedError, match=r"^training: step 7 has the loss"):
        go(begin(), lambda number, found: loss if number == 6 else found, kept)
    assert [run.state.step for run in kept.runs] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_so_does_the_last_step(kept, loss):
    """Which no other follows."""
    with pytest.raises(DivergedError, match=rf"^training: step {STEPS} leads to the loss {loss}"):
        go(begin(), lambda number, found: loss if number == STEPS else found, kept)
    assert [run.state.step for run in kept.runs] == list(range(1, STEPS))


def test_and_the_step_that_ctrl_c_waited_for(kept):
    """What was kept before stays."""

    def press_and_diverge(number, found):
        if number == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return math.nan if number == 7 else found

    with pytest.raises(DivergedError, match=r"^training: step 7 leads to the loss nan"):
        go(begin(), press_and_diverge, kept)
    assert kept.runs[-1].state.step == 6


def test_nor_does_one_that_could_not_even_be_looked_at(kept):
    """Or was interrupted just then: what fails because the training diverged does not lead to its being kept."""
    for error in (ValueError, KeyboardInterrupt):
        kept.runs.clear()

        def look(run, loss, error=error):
            if run.state.step > 6:
                raise error
            return run

        run = begin()
        diverging = steps(run, lambda number, found: math.nan if number == 8 else found)
        with pytest.raises(DivergedError, match=r"^training: step 8 leads to the loss nan"):
            carry_on(run, diverging, look, kept)
        assert kept.runs[-1].state.step == 7


def test_what_is_kept_is_what_it_was_when_it_was_due(kept, unbroken):
    """Each of the states goes on to the same end; the training itself is not changed by keeping it."""
    run, _ = go(begin(), kept=kept)
    assert_array_equal(run.state.weights, unbroken.weights)
    for n in range(STEPS):
        assert kept.runs[n].state.step == n + 1
        assert_goes_on_to(type("Until", (), {"runs": kept.runs[: n + 1]}), unbroken)


def test_a_training_that_has_no_memory_left_has_that_of_the_failed_step_to_save_with(kept):
    """The arrays of the step that failed are gone when the state before it is saved."""
    alive = []

    def change(number, loss):
        if number != 3:
            return loss
        large = Noted(alive)  # noqa: F841
        raise MemoryError

    class Noted:
        def __init__(self, alive):
            self.alive = alive
            alive.append(1)

        def __del__(self):
            self.alive.clear()

    def save(run):
        assert not alive
        kept(run)

    with pytest.raises(MemoryError):
        go(begin(), change, save)
    assert kept.runs[-1].state.step == 3
