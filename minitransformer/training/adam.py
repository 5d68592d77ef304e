"""Adam (Kingma, Ba 2015): gradient descent with a step size of its own for each weight; AdamW is with weight decay."""

import math
from typing import NamedTuple

import numpy as np

from minitransformer.tree import Tree, leaves

Array = np.ndarray


class Adam(NamedTuple):
    """Running means of the gradient and of its square, for every weight; and how many steps they have seen."""

    m: Array  # (n,)
    v: Array  # (n,)
    step: int


def init_adam(weights: Array) -> Adam:
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

    with m_hat = m / (1 - beta1^t) and v_hat = v / (1 - beta2^t), which undo that m and v started at 0. AdamW
    (Loshchilov, Hutter 2019): before that, w = w - rate decay w, for each weight alike, whatever its gradient.

    weights, gradient: (n,), all weights of a model as one array (`tree.flatten`), so a step is a few operations. rate
    and decay: a number each, or one for each weight. Changes `weights` (the model's weights are views of it), `state.m`
    and `state.v` in place; returns the new state.
    """
    m, v, step = state.m, state.v, state.step + 1
    m *= beta1
    m += (1 - beta1) * gradient
    v *= beta2
    v += (1 - beta2) * gradient * gradient
    if isinstance(decay, np.ndarray) or decay:
        weights *= 1 - rate * decay
    root = math.sqrt(1 - beta2**step)
    # m_hat / (sqrt(v_hat) + eps) = root / (1 - beta1^t) m / (sqrt(v) + eps root): numbers first, and no array more
    weights -= rate * root / (1 - beta1**step) * m / (np.sqrt(v) + eps * root)
    return Adam(m, v, step)


def decay_of_matrices(tree: Tree, decay: float) -> Array:
    """`decay` for each weight of a matrix, 0 for biases and gains, which have a right size of their own.  -> (n,)"""
    return np.concatenate([np.full(leaf.size, decay * (leaf.ndim > 1), leaf.dtype) for leaf in leaves(tree)])


def clip_by_global_norm(gradient: Array, limit: float) -> tuple[Array, float]:
    """gradient * min(1, limit / |gradient|): one long step cannot throw the model off (Pascanu et al. 2013).

    gradient: (n,), of all weights together. -> the clipped gradient, and the norm before clipping.
    """
    norm = math.sqrt(gradient @ gradient)
    if norm <= limit:
        return gradient, norm
    return gradient * (limit / norm), norm
