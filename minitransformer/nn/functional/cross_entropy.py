"""PyTorch's `cross_entropy` (2.1.1), with class weights, target distributions and three reductions."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_choice, check_floats, check_fraction, check_ids, check_integer, check_shape
from minitransformer.equations.cross_entropy import IGNORE
from minitransformer.equations.rows import row_sum
from minitransformer.equations.softmax import LogSoftmaxCache, log_softmax, log_softmax_backward

Array = np.ndarray

REDUCTIONS = ("mean", "sum", "none")


class CrossEntropyCache(NamedTuple):
    log_softmax: LogSoftmaxCache
    log_p: Array  # (N, d_1, ..., C)
    q: Array  # (N, d_1, ..., C), the target distribution; 0 where the target is ignored
    w: Array  # (C,), the classes' weights
    e: float  # label smoothing
    n: float  # what the losses are divided by
    loss_shape: tuple[int, ...]
    probabilities: bool  # the target was given as a distribution


def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = IGNORE,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Array | np.floating, CrossEntropyCache]:
    """loss_i = -sum_c w_c q_ic log p_ic,  p_i = softmax(input_i),  q_i = (1 - e) t_i + e/C,  e = label_smoothing.

    input: (N, C, d_1, ...), its classes second, or (C,). target: (N, d_1, ...) integers in [0, C) or `ignore_index`,
    for which t_i is 1 at the target and 0 elsewhere; or t itself, in the shape of `input`. weight: w, (C,), by default
    ones.

    reduction: "none" returns all loss_i, 0 where ignored, (N, d_1, ...); "sum" their sum; "mean" that sum, divided by
    the weights of the targets, sum_i w_{target_i}, or, where t is given, by the number of distributions. If all is
    ignored, the mean is 0.
    """
    check_floats("input", input)
    check_integer("ignore_index", ignore_index, minimum=-(2**63))
    check_choice("reduction", reduction, REDUCTIONS)
    check_fraction("label_smoothing", label_smoothing)
    e = float(label_smoothing)
    logits = classes_last(input)  # (N, d_1, ..., C)
    C = logits.shape[-1]
    w = np.ones(C, input.real.dtype) if weight is None else weight
    check_shape("weight", w, (C,))
    probabilities = isinstance(target, np.ndarray) and target.dtype.kind in "fc"
    if probabilities:
        t, counted = given_distribution(target, input, ignore_index)
    else:
        t, counted = one_hot(target, logits, ignore_index)
    q = np.where(counted, (1 - e) * t + e / C, 0)  # (N, d_1, ..., C)
    seen = np.where(counted, logits, 0)  # whatever stands where it is ignored
    log_p, log_softmax_cache = log_softmax(seen)
    losses = -row_sum(w * q * np.where(q == 0, 0, log_p))[..., 0]  # (N, d_1, ...); 0 log 0 counts as 0
    if reduction == "mean" and counted.any():
        n = float(counted.sum()) if probabilities else float((w * t).sum())
    else:
        n = 1.0
    loss = losses if reduction == "none" else losses.sum() / n
    return loss, CrossEntropyCache(log_softmax_cache, log_p, q, w, e, n, np.shape(loss), probabilities)


def cross_entropy_backward(dloss: Array | float, cache: CrossEntropyCache) -> tuple[Array, Array | None]:
    """dinput = (dloss_i / n) (p_ic sum_k w_k q_ik - w_c q_ic), and of a target that is a distribution

        dt_ic = -(dloss_i / n) w_c (1 - e) log p_ic.

    From loss = (1/n) sum_i loss_i, which one dloss reaches through all loss_i (without a reduction, each has its own),
    the gradient of log p_ic is -(dloss_i / n) w_c q_ic, and log_softmax_backward turns it into dinput; the gradient of
    q_ic is -(dloss_i / n) w_c log p_ic, and q has 1 - e of t.  -> dinput, dtarget
    """
    if np.shape(dloss) != cache.loss_shape:
        raise ValueError(f"dloss: got shape {np.shape(dloss)}, expected {cache.loss_shape}")
    log_p, w = cache.log_p, cache.w
    dlosses = np.broadcast_to(dloss / log_p.dtype.type(cache.n), log_p.shape[:-1])[..., None]  # (N, d_1, ..., 1)
    dlog_p = -dlosses * w * cache.q
    dlogits = log_softmax_backward(dlog_p, cache.log_softmax)
    dinput = classes_second(dlogits)
    if not cache.probabilities:
        return dinput, None
    dt = -dlosses * w * (1 - cache.e) * log_p
    return dinput, classes_second(dt)


def one_hot(target: Array, logits: Array, ignore_index: int) -> tuple[Array, Array]:
    """1 at each target that counts, 0 elsewhere, (N, d_1, ..., C); and which ones count, (N, d_1, ..., 1)."""
    check_ids("target", target, size=None)
    if target.shape != logits.shape[:-1]:
        raise ValueError(
            f"target: got shape {target.shape}, expected {logits.shape[:-1]}, one class for each distribution"
        )
    C = logits.shape[-1]
    counted = target != ignore_index
    check_ids("target", target[counted], C)
    on_target = (target[..., None] == np.arange(C)) & counted[..., None]
    return on_target.astype(logits.real.dtype), counted[..., None]


def given_distribution(target: Array, input: Array, ignore_index: int) -> tuple[Array, Array]:
    """The target, classes last, (N, d_1, ..., C), and that all of it counts, (N, d_1, ..., 1)."""
    check_shape("target", target, input.shape)
    if ignore_index != IGNORE:
        raise ValueError(f"ignore_index: got {ignore_index}, expected none, for target has distributions, no classes")
    t = classes_last(target)
    return t, np.ones((*t.shape[:-1], 1), bool)


def classes_last(x: Array) -> Array:
    """(N, C, d_1, ...) -> (N, d_1, ..., C);  (C,) stays."""
    return x if x.ndim == 1 else np.moveaxis(x, 1, -1)


def classes_second(x: Array) -> Array:
    """The inverse of `classes_last`."""
    return x if x.ndim == 1 else np.moveaxis(x, -1, 1)
