"""Is that really the gradient? The complex step answers, for the unmodified forward, to the last digit.

For an analytic function, f(x + ih v) = f(x) + ih J v + O(h^2), so Im f(x + ih v) / h is the derivative along v. Nothing
is subtracted, so h can be 1e-30, and the error is the rounding of one evaluation (Squire, Trapp 1998).

A backward computes J^T dy. With random v and dy the two must agree: <dy, J v> = <J^T dy, v>.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.tree import Tree, leaves, named_leaves, tree_map

Array = np.ndarray

H = 1e-30
TOLERANCE = 1e-12


class Case(NamedTuple):
    """A forward/backward pair and a point to check it at.

    forward(*inputs) -> (y, cache);  backward(dy, cache) -> the gradients, a tuple like `inputs`. An input is an
    array or a tree of weights, all of float64. What has no gradient (masks, ids, a seed) is bound inside `forward`.
    """

    forward: Callable[..., tuple[Array, Any]]
    backward: Callable[[Array, Any], tuple]
    inputs: tuple


def gradient_error(case: Case, rng: np.random.Generator) -> float:
    """The largest disagreement between backward and complex step over all inputs and weights, one at a time.

    For each array, v is random there and 0 elsewhere. What is returned is |<dy, J v> - <J^T dy, v>|, relative to the
    larger of |dy| |J v| and |J^T dy| |v| for a v that is random everywhere: what comes from rounding stays small, also
    where one of the products nearly cancels.

    Raises AssertionError where a gradient has not its input's shape, which a dot product might not show.
    """
    y, cache = case.forward(*case.inputs)
    dy = rng.standard_normal(np.shape(y))
    gradients = case.backward(dy, cache)
    check_shapes(gradients, case.inputs)
    directions = tree_map(lambda x: rng.standard_normal(x.shape), case.inputs)
    gradient_leaves = leaves(gradients)
    direction_leaves = leaves(directions)
    scale = max(
        norm(dy) * norm(derivative(case.forward, case.inputs, directions)),
        norm(*gradient_leaves) * norm(*direction_leaves),
    )
    errors = []
    for i, (gradient, v) in enumerate(zip(gradient_leaves, direction_leaves, strict=True)):
        only_v = only_leaf(directions, i)
        through_forward = (dy * derivative(case.forward, case.inputs, only_v)).sum()
        through_backward = (gradient * v).sum()
        errors.append(relative(abs(through_forward - through_backward), scale))
    return float(np.max(errors))  # NaN if one of them is


def relative(difference: float, scale: float) -> float:
    """difference / scale, and 0 where both are 0: what dropped everything has no derivative, and no gradient."""
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else math.inf


def derivative(forward: Callable[..., tuple[Array, Any]], inputs: tuple, directions: tuple) -> Array:
    """J v = Im forward(inputs + ih v) / h. A forward that drops the imaginary part on its way raises an error."""
    moved = tree_map(lambda x, v: x + 1j * H * v, inputs, directions)
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        y, _ = forward(*moved)
    if not np.iscomplexobj(y):
        raise AssertionError("forward: the result is not complex, so somewhere the imaginary part was dropped")
    return np.imag(y) / H


def check_shapes(gradients: tuple, inputs: tuple) -> None:
    """Each gradient must have the path and the shape of its input."""
    given = [(path, np.shape(leaf)) for path, leaf in named_leaves(gradients)]
    expected = [(path, np.shape(leaf)) for path, leaf in named_leaves(inputs)]
    if given != expected:
        raise AssertionError(f"backward: gradients have paths and shapes {given}, their inputs {expected}")


def only_leaf(tree: Tree, position: int) -> Tree:
    """The tree with zeros in every leaf but one."""
    positions = iter(range(len(leaves(tree))))
    return tree_map(lambda leaf: leaf if next(positions) == position else np.zeros_like(leaf), tree)


def norm(*arrays: Array) -> float:
    """Of all numbers together."""
    return math.sqrt(sum(float((x * x).sum()) for x in arrays))
