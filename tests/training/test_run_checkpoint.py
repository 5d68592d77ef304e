"""What the checkpoints of all runs have in common: it comes back as it was, or is refused."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal

from minitransformer.training.checkpoint import DAMAGED, Checkpoint
from minitransformer.training.loop import new_state
from minitransformer.training.run_checkpoint import describe, put_training, save_training, take_settings, take_training
from minitransformer.training.session import DivergedError, Goal, Look, looked
from minitransformer.tree import flatten


class Settings(NamedTuple):
    n_layers: int = 2
    peak: float = 0.5
    tied: bool = True


class Line(NamedTuple):
    W: np.ndarray
    b: np.ndarray


class Kind(NamedTuple):
    name: str = "line"


class Run(NamedTuple):
    kind: Kind
    settings: Settings
    weights: Any
    state: Any
    goal: Goal = Goal()
    looks: tuple[Look, ...] = ()


def run_of(carry=None):
    rng = np.random.default_rng(4)
    flat, weights = flatten(Line(rng.random((2, 3)), rng.random(3)))
    state = new_state(flat, rng)._replace(step=7, seconds=1.5, carry=carry)
    return looked(Run(Kind(), Settings(3, 0.25, False), weights, state, Goal(9, 2.5, 3)), 0.5, 0.75)


def test_what_was_put_can_be_taken():
    """Settings, weights, state, goal and looks; the weights are parts of the flat array that training changes."""
    run = run_of(carry=np.ones((2, 2)))
    checkpoint = Checkpoint(*put_training(run))
    template = Line(np.zeros((2, 3)), np.zeros(3))
    again = take_training(checkpoint, template, lambda weights: np.zeros((2, len(weights.W))))
    assert take_settings(checkpoint.description, Settings()) == run.settings
    assert (again["goal"], again["looks"]) == (run.goal, (Look(7, 1.5, 0.5, 0.75),))
    for ours, theirs in zip(again["weights"], run.weights, strict=True):
        assert_array_equal(ours, theirs, strict=True)
        assert np.shares_memory(ours, again["state"].weights)
    assert_array_equal(again["state"].carry, run.state.carry)
    assert (again["state"].step, again["state"].seconds) == (7, 1.5)
    assert again["state"].rng.random() == run.state.rng.random()


def test_a_model_that_is_not_trained_is_described_without_a_state():
    description = describe(run_of())
    assert (description["kind"], description["settings"]["n_layers"]) == ("line", 3)
    assert set(description) == set(put_training(run_of())[0]) - {"state"}


@pytest.mark.parametrize("changes", [{"n_layers": 0}, {"n_layers": "3"}, {"tied": 1}, {"what": 1}, {"peak": -1.0}])
def test_settings_that_cannot_be_are_refused(changes):
    """Of another type, out of range, or unknown."""
    description = {"settings": Settings()._asdict() | changes}
    with pytest.raises((TypeError, ValueError)):
        take_settings(description, Settings())


@pytest.mark.parametrize("missing", ["state", "goal", "looks"])
def test_what_is_missing_is_damage(missing):
    description, arrays = put_training(run_of())
    del description[missing]
    with pytest.raises(DAMAGED):
        take_training(Checkpoint(description, arrays), run_of().weights)


def test_weights_that_are_no_numbers_are_refused():
    run = run_of()
    run.state.weights[2] = np.nan
    with refuses(ValueError, "checkpoint: got weights with NaN or infinity, expected finite numbers"):
        take_training(Checkpoint(*put_training(run)), run.weights)


@pytest.mark.parametrize("name", ["weights", "optimizer.m", "optimizer.v", "carry"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_neither_kept_nor_taken(tmp_path, name, number):
    """Not one among many: what was kept before stays."""
    path = tmp_path / "x.run"
    run = run_of(carry=np.ones(5))
    save_training(path, run, {})
    before = path.read_bytes()
    state = run.state
    arrays = {"weights": state.weights, "optimizer.m": state.optimizer.m, "optimizer.v": state.optimizer.v}
    (arrays | {"carry": state.carry})[name][3] = number
    expected = "expected finite numbers: the learning rate may be too high"
    with refuses(DivergedError, f"training: step 7 leads to weights with NaN or infinity, {expected}"):
        save_training(path, run, {})
    assert path.read_bytes() == before
    what = {"weights": "weights"}.get(name, "moments")
    with refuses(ValueError, f"checkpoint: got {what} with NaN or infinity, expected finite numbers"):
        take_training(Checkpoint(*put_training(run)), run.weights, lambda weights: np.ones(5))


def test_a_mean_of_squares_below_zero_is_refused():
    """Its root is no number."""
    run = run_of()
    run.state.optimizer.v[2] = -0.5
    with refuses(ValueError, "checkpoint: got -0.5 for optimizer.v, a mean of squares, expected 0 or more"):
        take_training(Checkpoint(*put_training(run)), run.weights)


@pytest.mark.parametrize(
    "changes", [{"step": -1}, {"seconds": -0.5}, {"seconds": float("nan")}, {"seconds": float("inf")}]
)
def test_a_state_that_cannot_be_is_refused(changes):
    """As a training would fail on it later."""
    description, arrays = put_training(run_of())
    description["state"] |= changes
    with pytest.raises(ValueError, match="its training state is damaged"):
        take_training(Checkpoint(description, arrays), run_of().weights)


def test_weights_of_another_shape_are_refused():
    """With the name of the array."""
    checkpoint = Checkpoint(*put_training(run_of()))
    with refuses(ValueError, "checkpoint: got (3,) float64 for weights.b, expected (4,) float64"):
        take_training(checkpoint, Line(np.zeros((2, 3)), np.zeros(4)))
