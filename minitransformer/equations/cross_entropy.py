"""Section 2.1.1: cross-entropy, the mean of -log P(w_i | w_1, ..., w_{i-1}), is what a language model learns by."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_fraction, check_ids, check_integer, check_number
from minitransformer.equations.softmax import log_softmax
from minitransformer.shapes import check

Array = np.ndarray

IGNORE = -100  # the target of a position that does not count, such as padding


class CrossEntropyCache(NamedTuple):
    p: Array  # (..., V)
    q: Array  # (..., V), the target distribution
    share: Array  # (..., 1), 1/n where a target counts, else 0


def cross_entropy(
    logits: Array, targets: Array, label_smoothing: float = 0.0, ignore: int = IGNORE, n: int | None = None
) -> tuple[np.floating, CrossEntropyCache]:
    """loss = -(1/n) sum_i sum_w q_iw log p_iw, with p = softmax(logits), over the targets that are not `ignore`.

    q_i puts 1 - e on the target and spreads e = label_smoothing evenly over all V tokens (Szegedy et al. 2016); with
    e = 0 the loss is the mean of -log p(target). In nats. With nothing to count, loss and gradients are 0.

    n: how many targets the loss is divided by: by default those that count here; for a part of a larger batch, pass
    those of the whole. Logits of -infinity rule tokens out; logits at ignored positions have no influence, not even NaN
    or infinity.

    logits: (..., V); targets: (...) integers in [0, V), or `ignore` -> loss: one number.
    """
    check("logits: ... V", logits)
    check_fraction("label_smoothing", label_smoothing)
    check_integer("ignore", ignore, minimum=-(2**63))
    e = float(label_smoothing)
    counted = which_count(targets, logits, ignore)  # (...), boolean
    n_targets = int(counted.sum()) if n is None else n
    check_integer("n", n_targets, minimum=0)
    if n_targets == 0 and counted.any():
        raise ValueError(f"n: got 0, expected at least 1, since {counted.sum()} targets count")
    share = counted[..., None] / logits.real.dtype.type(max(n_targets, 1))  # (..., 1)
    tokens = np.where(counted, targets, 0)[..., None]  # (..., 1); any token will do where ignored: its share is 0
    seen = logits if counted.all() else np.where(counted[..., None], logits, logits.dtype.type(0))
    log_p, log_softmax_cache = log_softmax(seen)  # (..., V)
    p = log_softmax_cache.alpha
    q = target_distribution(tokens, e, logits)  # (..., V)
    of_target = np.take_along_axis(log_p, tokens, axis=-1)  # (..., 1)
    # With e = 0 all but the target have q = 0, and count as 0 even where log p = -infinity, though the product is NaN.
    q_log_p = of_target if e == 0 else np.vecdot(q, log_p)[..., None]  # (..., 1), sum_w q_w log p_w
    loss = -(share * q_log_p).sum()
    return loss, CrossEntropyCache(p, q, share)


def cross_entropy_backward(dloss: float, cache: CrossEntropyCache) -> Array:
    """dlogits = dloss (p - q)/n at each counted position, 0 at ignored ones.

    From d log p_w / d logit_v = delta_wv - p_v, as in `log_softmax_backward`, at each position i that counts
        dlogits_iv = -dloss (1/n) sum_w q_iw (delta_wv - p_iv)
                   = -dloss (1/n) (q_iv - p_iv sum_w q_iw)
                   = dloss (p_iv - q_iv) / n,  for q_i is a distribution, and its sum is 1.
    """
    check_number("dloss", dloss[()] if isinstance(dloss, np.ndarray) else dloss)
    p, q, share = cache
    return (float(dloss) * share) * (p - q)


def target_distribution(tokens: Array, e: float, logits: Array) -> Array:
    """q_w = (1 - e) [w is the target] + e/V: one-hot, of which the part e is spread over all V tokens.

    tokens: (..., 1), logits: (..., V) -> q: (..., V), real
    """
    V = logits.shape[-1]
    q = np.full(logits.shape, e / V, logits.real.dtype)
    np.put_along_axis(q, tokens, 1 - e + e / V, axis=-1)  # q[i, tokens[i]] = ... for each row i, with any batch axes
    return q


def which_count(targets: Array, logits: Array, ignore: int) -> Array:
    """Where targets count: one integer in [0, V) or `ignore` for each row of logits."""
    check_ids("targets", targets, size=None)
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"targets: got shape {targets.shape}, expected {logits.shape[:-1]}, the logits' shape without the last axis"
        )
    counted = targets != ignore
    check_ids("targets", targets[counted], logits.shape[-1])
    return counted
