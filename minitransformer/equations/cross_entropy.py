"""Section 2.1.1: cross-entropy, the mean of -log P(w_i | w_1, ..., w_{i-1}), is what a language model learns by."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_floats, check_fraction, check_ids, check_integer, check_number
from minitransformer.equations.rows import row_sum
from minitransformer.equations.softmax import LogSoftmaxCache, log_softmax, log_softmax_backward

Array = np.ndarray

IGNORE = -100  # the target of a position that does not count, such as padding


class CrossEntropyCache(NamedTuple):
    log_softmax: LogSoftmaxCache
    q: Array  # (..., V), the target distribution times 1/n: what each log-probability counts in the mean


def cross_entropy(
    logits: Array, targets: Array, label_smoothing: float = 0.0, ignore: int = IGNORE, n: int | None = None
) -> tuple[np.floating, CrossEntropyCache]:
    """loss = -(1/n) sum_i sum_w q_iw log p_iw, with p = softmax(logits), over the targets that are not `ignore`.

    q_i puts 1 - e on the target and spreads e = label_smoothing evenly over all V words (Szegedy et al. 2016); with
    e = 0 the loss is the mean of -log p(target). In nats. With nothing to count, loss and gradients are 0.

    n: how many targets the loss is divided by: by default those that count here; for a part of a larger batch, pass
    those of the whole. Logits of -infinity rule words out; logits at ignored positions have no influence, not even NaN
    or infinity.

    logits: (..., V); targets: (...) integers in [0, V), or `ignore` -> loss: one number.
    """
    check_floats("logits", logits)
    check_fraction("label_smoothing", label_smoothing)
    check_integer("ignore", ignore, minimum=-(2**63))
    e = float(label_smoothing)
    V = logits.shape[-1]
    counted = check_targets(targets, logits, ignore)  # (...), boolean
    n_targets = int(counted.sum()) if n is None else n
    check_integer("n", n_targets, minimum=0)
    if n_targets == 0 and counted.any():
        raise ValueError(f"n: got 0, expected at least 1, since {counted.sum()} targets count")
    share = counted[..., None] / logits.real.dtype.type(max(n_targets, 1))  # (..., 1), 1/n where a target counts
    words = np.where(counted, targets, 0)[..., None]  # (..., 1); any word will do where ignored: its share is 0
    seen = logits if counted.all() else np.where(counted[..., None], logits, logits.dtype.type(0))
    log_p, log_softmax_cache = log_softmax(seen)
    of_target = np.take_along_axis(log_p, words, axis=-1)  # (..., 1)
    if e == 0:  # one word of each row has q = 1; the others are skipped, since 0 log 0 counts as 0
        loss = -(share * of_target).sum()
    else:
        of_all = row_sum(log_p)  # (..., 1)
        loss = -(share * ((1 - e) * of_target + (e / V) * of_all)).sum()
    q = np.broadcast_to(share * (e / V), logits.shape).copy()  # (..., V)
    on_target = share * (1 - e) + share * (e / V)
    np.put_along_axis(q, words, on_target, axis=-1)
    return loss, CrossEntropyCache(log_softmax_cache, q)


def cross_entropy_backward(dloss: float, cache: CrossEntropyCache) -> Array:
    """dlogits = dloss (p - q)/n at each counted position, 0 at ignored ones.

    From loss = -sum q log p (q already holds the 1/n) the gradient of log p is -dloss q, and log_softmax_backward turns
    it into -dloss (q - p sum_w q_w), where sum_w q_w is 1/n where a target counts, and 0 where it does not.
    """
    check_number("dloss", dloss[()] if isinstance(dloss, np.ndarray) else dloss)
    dlog_p = -float(dloss) * cache.q
    return log_softmax_backward(dlog_p, cache.log_softmax)


def check_targets(targets: Array, logits: Array, ignore: int) -> Array:
    """Where targets count: one integer in [0, V) or `ignore` for each row of logits."""
    check_ids("targets", targets, size=None)
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"targets: got shape {targets.shape}, expected {logits.shape[:-1]}, the logits' shape without the last axis"
        )
    counted = targets != ignore
    check_ids("targets", targets[counted], logits.shape[-1])
    return counted
