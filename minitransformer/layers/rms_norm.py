"""Section 3.1.4, as many later models have it: each position's features, divided by their root mean square."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import (
    check_dtype,
    check_integer,
    check_positive,
)
from minitransformer.equations.rows import column_sum, row_mean, row_products
from minitransformer.shapes import check

Array = np.ndarray


class RMSNorm(NamedTuple):
    gamma: Array  # (d,), gain


class RMSNormCache(NamedTuple):
    x_hat: Array  # (..., d)
    rms: Array  # (..., 1)
    weights: RMSNorm


def init_rms_norm(d: int, dtype: DTypeLike = np.float32) -> RMSNorm:
    """gamma = 1: at the start, the normalization alone."""
    check_integer("d", d, minimum=1)
    check_dtype(dtype)
    return RMSNorm(np.ones(d, dtype))


def rms_norm(x: Array, weights: RMSNorm, eps: float = 1e-5) -> tuple[Array, RMSNormCache]:
    """y = gamma * x_hat,  x_hat = x / rms,  rms = sqrt(mean(x^2) + eps)  (Zhang, Sennrich 2019; not in the text).

    x: (..., d) -> y: (..., d). Layer normalization without its mean and its bias: a shift of x is not ignored, only its
    scale is. The mean of squares is taken over the features of one position, and eps stands inside the root.
    """
    check("weights.gamma: d, x: ... d", weights.gamma, x)
    check_positive("eps", eps)
    mean_square = row_mean(x * x)  # (..., 1)
    rms = np.sqrt(mean_square + float(eps))
    x_hat = x / rms
    y = x_hat * weights.gamma
    return y, RMSNormCache(x_hat, rms, weights)


def rms_norm_backward(dy: Array, cache: RMSNormCache) -> tuple[Array, RMSNorm]:
    """dgamma = sum of dy * x_hat over all positions; with g = dy * gamma, the gradient of x_hat,

        dx = (g - x_hat * mean(g * x_hat)) / rms.

    Each x_i moves x_hat_k in two ways: directly, and through rms. With
        d rms / d x_i = x_i / (d rms) = x_hat_i / d,
    the quotient rule gives d x_hat_k / d x_i = (delta_ik - x_hat_k x_hat_i / d) / rms, and the sum over k of g_k times
    that is the formula: LayerNorm's without mean(g), for no mean is subtracted from x.
    """
    x_hat, rms, (gamma,) = cache
    check("x_hat: ... d, dy: ... d", x_hat, dy)
    dy_x_hat = dy * x_hat
    dgamma = column_sum(dy_x_hat)
    mean_g_x_hat = row_products(dy_x_hat, gamma) / len(gamma)  # (..., 1)
    dx = (dy * gamma - x_hat * mean_g_x_hat) / rms
    return dx, RMSNorm(dgamma)
