"""Adam (Kingma, Ba 2015): gradient descent with a step size of its own for each weight; AdamW is with weight decay."""

import math
from typing import NamedTuple

import numpy as np

from minitransformer.checks import (
    check_integer,
    check_limit,
    check_not_negative,
    check_positive,
    check_rank,
    check_rate,
    check_reals,
    check_same_shape,
    check_type,
)
from minitransformer.shapes import check
from minitransformer.tree import Tree, leaves

Array = np.ndarray

USUAL = (1e-20, 1e20)  # sums of squares within these lose nothing to overflow or underflow in float32


class Adam(NamedTuple):
    """Running means of the gradient and of its square, for every weight; and how many steps they have seen."""

    m: Array  # (n,)
    v: Array  # (n,)
    step: int


def init_adam(weights: Array) -> Adam:
    check_rank("weights", weights, 1)
    check_reals("weights", weights)
    return Adam(np.zeros_like(weights), np.zeros_like(weights), 0)


def adam(
    weights: Array,
    gradient: Array,
    state: Adam,
    rate: float | Array,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decay: float | Array = 0.0,
) -> Adam:
    """m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,  w = w - rate m_hat / (sqrt(v_hat) + eps)

    with m_hat = m / (1 - beta1^t) and v_hat = v / (1 - beta2^t) at step t = 1, 2, ..., which undo that m and v started
    at 0: written out, m = (1 - beta1) sum_s beta1^(t-s) g_s, whose factors (1 - beta1) beta1^(t-s) sum to 1 - beta1^t
    and not to 1. Divided by that sum, m is a mean of the gradients so far, and so is v of their squares.

    AdamW (Loshchilov, Hutter 2019): before that, w = w - rate decay w, for each weight alike, whatever its gradient.

    weights, gradient: (n,), all weights of a model as one array (`tree.flatten`), so a step is a few operations. rate
    and decay: a number each, or one for each weight. Changes `weights` (the model's weights are views of it), `state.m`
    and `state.v` in place; returns the new state.
    """
    check_adam(weights, gradient, state, beta1, beta2, eps)
    beta1, beta2, eps = float(beta1), float(beta2), float(eps)  # NumPy scalars would turn float32 into float64
    rate, decay = number_or_each("rate", rate, weights), number_or_each("decay", decay, weights)
    m, v, t = state.m, state.v, state.step + 1
    shrink = 1 - rate * decay
    m_hat, v_hat = np.empty_like(weights), np.empty_like(weights)
    part = np.empty_like(weights)  # of the sum that is being computed
    # Each formula is computed operation by operation, in arrays that are there: m = beta1 * m + (1 - beta1) * gradient
    # would make new ones, which takes a fifth longer, and there might be no memory for them. From here on nothing can
    # fail: a failure would leave the step half done.
    # m = beta1 m + (1 - beta1) g
    np.multiply(1 - beta1, gradient, out=part)
    m *= beta1
    m += part
    # v = beta2 v + (1 - beta2) g^2
    np.multiply(1 - beta2, gradient, out=part)
    part *= gradient
    v *= beta2
    v += part
    np.divide(m, 1 - beta1**t, out=m_hat)
    np.divide(v, 1 - beta2**t, out=v_hat)
    if isinstance(decay, np.ndarray) or decay:
        weights *= shrink
    # w = w - rate m_hat / (sqrt(v_hat) + eps)
    np.sqrt(v_hat, out=part)
    part += eps
    np.divide(m_hat, part, out=part)
    part *= rate
    weights -= part
    return Adam(m, v, t)


def check_adam(weights: Array, gradient: Array, state: Adam, beta1: float, beta2: float, eps: float) -> None:
    """One number of each for every weight: NumPy would broadcast a gradient of one number."""
    check_type("state", state, Adam)
    check("weights: n, gradient: n, state.m: n, state.v: n", weights, gradient, state.m, state.v)
    for name, x in (("weights", weights), ("state.m", state.m), ("state.v", state.v)):
        check_reals(name, x)
        if not x.flags.writeable:
            raise ValueError(f"{name}: got a read-only array, expected one that can be changed")
    check_reals("gradient", gradient)
    check_integer("state.step", state.step, minimum=0)
    check_rate("beta1", beta1)
    check_rate("beta2", beta2)
    check_positive("eps", eps)


def number_or_each(name: str, value: float | Array, weights: Array) -> float | Array:
    """`value` as a Python number, which keeps float32 arrays float32, or as an array with one number for each weight.

    Raises ValueError for a number below 0; arrays are not searched for one.
    """
    if isinstance(value, np.ndarray):
        check_same_shape(name, value, "weights", weights)
        check_reals(name, value)
        return value
    check_not_negative(name, value)
    return float(value)


def decay_of_matrices(tree: Tree, decay: float) -> Array:
    """`decay` for each weight of a matrix, 0 for biases and gains, which have a right size of their own.  -> (n,)"""
    check_not_negative("decay", decay)
    return np.concatenate([np.full(leaf.size, decay * (leaf.ndim > 1), leaf.dtype) for leaf in leaves(tree)])


def clip_by_global_norm(gradient: Array, limit: float) -> tuple[Array, float]:
    """gradient * min(1, limit / |gradient|): one long step cannot throw the model off (Pascanu et al. 2013).

    gradient: (n,), of all weights together; limit: above 0, infinity for none. -> the clipped gradient, and the norm
    before clipping.

    The square of a float32 number may overflow or underflow. So if the sum of squares is outside USUAL, the gradient is
    divided by its largest number first.
    """
    check_rank("gradient", gradient, 1)
    check_reals("gradient", gradient)
    check_limit("limit", limit)
    with np.errstate(over="ignore", under="ignore"):
        squares = float(gradient @ gradient)
    usual = USUAL[0] < squares < USUAL[1]
    size = 1.0 if usual else float(np.abs(gradient).max(initial=0)) or 1.0
    scaled = gradient if usual else gradient / size
    root = math.sqrt(squares if usual else float(scaled @ scaled))
    norm = size * root
    if norm <= limit:
        return gradient, norm
    return scaled * (float(limit) / root), norm
