"""What the checkpoints of all training runs have in common, whatever is learned: shape, weights, state and history.

A run is a NamedTuple that has, among others, `kind`, `settings`, `weights`, `state`, `goal` and `looks`.
"""

from collections.abc import Callable
from typing import Any

from minitransformer.files import StrPath
from minitransformer.training.checkpoint import (
    Checkpoint,
    is_finite,
    put_state,
    put_tree,
    save_checkpoint,
    take_state,
    take_tree,
)
from minitransformer.training.loop import State
from minitransformer.training.session import EXPECTED, DivergedError, Goal, Look
from minitransformer.training.settings import check_settings
from minitransformer.tree import Tree, flatten, leaves


def describe(run: Any) -> dict[str, Any]:
    """What is no array, and is not what the training needs to go on; for a model that is not trained, all there is."""
    return {
        "kind": run.kind.name,
        "settings": run.settings._asdict(),
        "goal": run.goal._asdict(),
        "looks": [look._asdict() for look in run.looks],
    }


def put_training(run: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and arrays of a run; the task adds what it needs besides."""
    numbers, arrays = put_state(run.state)
    return describe(run) | {"state": numbers}, put_tree(run.weights, "weights") | arrays


def save_training(path: StrPath, run: Any, own: dict[str, Any]) -> None:
    """Save a run, with what else its task needs. Raises DivergedError for one that has diverged."""
    check_state(run.state)
    description, arrays = put_training(run)
    save_checkpoint(path, description | own, arrays)


def check_state(state: State) -> None:
    """Raises DivergedError before NaN or infinity in weights, moments or carry can replace the last checkpoint."""
    if not all(map(is_finite, leaves((state.weights, state.optimizer[:2], state.carry)))):
        raise DivergedError(f"training: step {state.step} leads to weights with NaN or infinity, {EXPECTED}")


def take_settings(description: dict[str, Any], default: Any) -> Any:
    """The settings again, of the type of `default`. Raises ValueError or TypeError for what they cannot be."""
    settings = type(default)(**description["settings"])
    check_settings(settings)
    return settings


def take_training(
    checkpoint: Checkpoint, template: Tree, carry: Callable[[Any], Tree] = lambda weights: None
) -> dict[str, Any]:
    """The fields `weights`, `state`, `goal` and `looks` again.

    template: weights of the same shape; carry(weights): a template for what a training takes from step to step.
    Raises one of DAMAGED for what does not fit.
    """
    description = checkpoint.description
    goal = Goal(**description["goal"])
    n_read = {"batches": description["state"]["step"] * goal.accumulate}  # for older files, whose steps were all alike
    flat, weights = flatten(take_tree(checkpoint.arrays, template, "weights"))
    return {
        "weights": weights,
        "state": take_state(checkpoint, n_read | description["state"], flat, carry(weights)),
        "goal": goal,
        "looks": tuple(Look(**look) for look in description["looks"]),
    }
