"""Section 3.1.4: layer normalization brings each position's features to mean 0 and variance 1, then scales them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_dtype, check_integer, check_positive
from minitransformer.equations.rows import column_sum, row_mean, row_products
from minitransformer.shapes import check

Array = np.ndarray


class LayerNorm(NamedTuple):
    gamma: Array  # (d,), gain
    beta: Array  # (d,), bias


class LayerNormCache(NamedTuple):
    x_hat: Array  # (..., d)
    sigma: Array  # (..., 1)
    weights: LayerNorm


def init_layer_norm(d: int, dtype: DTypeLike = np.float32) -> LayerNorm:
    """gamma = 1, beta = 0: at the start, the normalization alone."""
    check_integer("d", d, minimum=1)
    check_dtype(dtype)
    return LayerNorm(np.ones(d, dtype), np.zeros(d, dtype))


def layer_norm(x: Array, weights: LayerNorm, eps: float = 1e-5) -> tuple[Array, LayerNormCache]:
    """y = gamma * x_hat + beta,  x_hat = (x - mean) / sigma,  sigma = sqrt(variance + eps)  (3.1.4; Ba et al. 2016).

    x: (..., d) -> y: (..., d). Mean and variance are taken over the features of one position, never over the batch. The
    variance is the biased one (divided by d, not d - 1), and eps stands inside the root.
    """
    check("weights.gamma: d, weights.beta: d, x: ... d", weights.gamma, weights.beta, x)
    check_positive("eps", eps)
    shifted = x - x[..., :1]  # so that equal numbers give exactly 0: the mean is rounded, and eps may be tiny
    centred = shifted - row_mean(shifted)
    variance = row_mean(centred * centred)  # (..., 1)
    sigma = np.sqrt(variance + float(eps))
    x_hat = centred / sigma
    y = x_hat * weights.gamma + weights.beta
    return y, LayerNormCache(x_hat, sigma, weights)


def layer_norm_backward(dy: Array, cache: LayerNormCache) -> tuple[Array, LayerNorm]:
    """dgamma = sum of dy * x_hat and dbeta = sum of dy over all positions; with g = dy * gamma, the gradient of x_hat,

        dx = (g - mean(g) - x_hat * mean(g * x_hat)) / sigma.

    Each x_i moves x_hat_k in three ways: directly, through the mean, and through sigma. With
        d centred_k / d x_i = delta_ik - 1/d,     d sigma / d x_i = centred_i / (d sigma) = x_hat_i / d,
    the quotient rule gives d x_hat_k / d x_i = (delta_ik - 1/d - x_hat_k x_hat_i / d) / sigma, and the sum over k of
    g_k times that is the formula. gamma stands inside the means: it weighs each g_k before they are taken.
    """
    x_hat, sigma, (gamma, _) = cache
    check("x_hat: ... d, dy: ... d", x_hat, dy)
    d = len(gamma)
    dy_x_hat = dy * x_hat
    dgamma = column_sum(dy_x_hat)
    dbeta = column_sum(dy)
    mean_g = row_products(dy, gamma) / d  # (..., 1), the mean of g = dy * gamma
    mean_g_x_hat = row_products(dy_x_hat, gamma) / d  # (..., 1)
    dx = (dy * gamma - mean_g - x_hat * mean_g_x_hat) / sigma
    return dx, LayerNorm(dgamma, dbeta)
