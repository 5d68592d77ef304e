"""Section 4.1: softmax turns scores into a distribution; its logarithm; and the softmax under a mask."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_mask
from minitransformer.equations.rows import row_max, row_sum
from minitransformer.shapes import check

Array = np.ndarray


def softmax(a: Array) -> tuple[Array, Array]:
    """alpha_i = exp(a_i) / sum_j exp(a_j)  (4.1), over the last axis.

    a: (..., n) -> alpha: (..., n). The cache is alpha itself: the backward needs nothing else.
    """
    check("a: ... n", a)
    shifted = a - row_max(a)  # exp cannot overflow; the ratio is unchanged
    exps = np.exp(shifted)
    alpha = exps / row_sum(exps)
    return alpha, alpha


def softmax_backward(dalpha: Array, alpha: Array) -> Array:
    """da_j = alpha_j (dalpha_j - sum_i dalpha_i alpha_i).

    From d alpha_i / d a_j = alpha_i (delta_ij - alpha_j):
        da_j = sum_i dalpha_i alpha_i (delta_ij - alpha_j)
             = alpha_j dalpha_j - alpha_j sum_i dalpha_i alpha_i.
    The (n, n) Jacobian is never formed. Where alpha_j = 0 (a masked key), da_j = 0.
    """
    check("alpha: ... n, dalpha: ... n", alpha, dalpha)
    inner = row_sum(dalpha * alpha)  # (..., 1)
    return alpha * (dalpha - inner)


def masked_softmax(a: Array, mask: Array) -> tuple[Array, Array]:
    """Softmax over the keys that `mask` allows: the others get weight 0, as if their score were -infinity (3.2.1).

    a: (..., L_q, L_k); mask: boolean, True = may attend, or floating-point, added to a; it broadcasts against a. A
    fully masked query gets all-zero weights. The backward is `softmax_backward`: it gives 0 wherever alpha is 0, and
    a floating-point mask is a constant.
    """
    check("a: ... n", a)
    check_mask(mask, a.shape)
    masked, top = masked_scores(a, mask)
    finite_top = np.where(top.real == -np.inf, 0, top)  # -inf minus -inf would be NaN where nothing may be attended to
    exps = np.exp(masked - finite_top)  # exp(-inf) = 0: no weight for a masked key
    total = row_sum(exps)
    alpha = exps / np.where(total == 0, 1, total)
    return alpha, alpha


def masked_scores(a: Array, mask: Array) -> tuple[Array, Array]:
    """a plus `mask`, and -infinity where nothing may be attended to, whatever a has there; and the highest of each row.

    a: (..., L_q, L_k) -> the same shape, and (..., L_q, 1). A boolean mask is added as 0 and -infinity: it is mostly
    smaller than a, so that the sum costs less than choosing number by number.
    """
    numbers = np.where(mask, a.dtype.type(0), a.dtype.type(-np.inf)) if mask.dtype == np.bool_ else mask
    with np.errstate(invalid="ignore"):
        lowered = a + numbers  # (..., L_q, L_k)
    top = row_max(lowered)  # (..., L_q, 1)
    if not np.isnan(top).any():
        return lowered, top
    masked = np.where(numbers.real == -np.inf, numbers, lowered)  # infinity and NaN minus infinity are NaN
    return masked, row_max(masked)


class LogSoftmaxCache(NamedTuple):
    alpha: Array  # (..., n), the softmax itself


def log_softmax(a: Array) -> tuple[Array, LogSoftmaxCache]:
    """log alpha_i = a_i - log sum_j exp(a_j), over the last axis: no logarithm of a number that underflowed to 0.

    a: (..., n) -> (..., n)
    """
    check("a: ... n", a)
    shifted = a - row_max(a)
    exps = np.exp(shifted)
    total = row_sum(exps)
    log_alpha = shifted - np.log(total)
    return log_alpha, LogSoftmaxCache(exps / total)


def log_softmax_backward(dlog_alpha: Array, cache: LogSoftmaxCache) -> Array:
    """da_j = dlog_alpha_j - alpha_j sum_i dlog_alpha_i.

    From d log alpha_i / d a_j = delta_ij - alpha_j.
    """
    check("alpha: ... n, dlog_alpha: ... n", cache.alpha, dlog_alpha)
    total = row_sum(dlog_alpha)  # (..., 1)
    return dlog_alpha - cache.alpha * total
