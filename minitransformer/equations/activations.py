"""Section 3.1.3: the nonlinearity between the two linear maps of a feed-forward network. The text's is ReLU."""

import math
from typing import NamedTuple

import numpy as np

from minitransformer.equations.erf import normal_cdf, normal_density
from minitransformer.equations.op import Op
from minitransformer.shapes import check

Array = np.ndarray

SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
CUBIC = 0.044715
MINUS_2A = -2 * SQRT_2_OVER_PI
FAR = 100  # Phi is exactly 0 below -FAR and exactly 1 above FAR


def relu(x: Array) -> tuple[Array, Array]:
    """y = max(0, x)  (3.1.3), element by element. The cache is y: it is positive exactly where x is."""
    check("x: ...", x)
    y = np.maximum(0, x)
    return y, y


def relu_backward(dy: Array, y: Array) -> Array:
    """dx = dy where x > 0, else 0. (At x = 0, where there is no derivative, 0 is chosen, as PyTorch does.)"""
    check("y: ..., dy: ...", y, dy)
    return dy * (y > 0)


def tanh(x: Array) -> tuple[Array, Array]:
    """y = tanh(x), element by element. The cache is y."""
    check("x: ...", x)
    y = np.tanh(x)
    return y, y


def tanh_backward(dy: Array, y: Array) -> Array:
    """dx = dy (1 - y^2), from tanh' = 1 - tanh^2."""
    check("y: ..., dy: ...", y, dy)
    return dy * (1 - y * y)


def sigmoid(x: Array) -> tuple[Array, Array]:
    """y = 1 / (1 + exp(-x)), element by element. The cache is y.

    For very negative x, exp(-x) overflows, and y is 0, as it should be. ((1 + tanh(x/2)) / 2 is the same on paper, but
    in float32 it is 0 below x = -18, where y is 10^-8.)
    """
    check("x: ...", x)
    with np.errstate(over="ignore"):
        y = 1 / (1 + np.exp(-x))
    return y, y


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """dx = dy y (1 - y), from sigmoid' = sigmoid (1 - sigmoid)."""
    check("y: ..., dy: ...", y, dy)
    return dy * y * (1 - y)


class GeluCache(NamedTuple):
    x: Array  # clipped to -FAR or more
    Phi: Array  # like x


def gelu(x: Array) -> tuple[Array, GeluCache]:
    """y = x Phi(x), with the normal distribution function Phi(x) = (1 + erf(x/sqrt 2))/2  (Hendrycks, Gimpel 2016)."""
    check("x: ...", x)
    above = np.maximum(x, -FAR)  # -infinity times 0 would be NaN
    Phi = normal_cdf(np.minimum(above, FAR))  # whose square cannot overflow
    return above * Phi, GeluCache(above, Phi)


def gelu_backward(dy: Array, cache: GeluCache) -> Array:
    """dx = dy (Phi(x) + x phi(x)), from the product rule and Phi' = phi, the normal density."""
    check("x: ..., dy: ...", cache.x, dy)
    near = np.minimum(cache.x, FAR)  # infinity times 0 would be NaN
    phi = normal_density(near)
    return dy * (cache.Phi + near * phi)


def gelu_tanh(x: Array) -> tuple[Array, GeluCache]:
    """y = x Phi(x) with Phi(x) = (1 + tanh(u))/2, u = sqrt(2/pi) (x + 0.044715 x^3): the approximation of GPT-2.

    Computed as Phi = 1 / (1 + exp(-2u)), which is the same but keeps its digits where tanh(u) is close to -1.
    """
    check("x: ...", x)
    above = np.maximum(x, -FAR)  # -infinity times 0 would be NaN
    with np.errstate(over="ignore"):  # far from 0, u and exp(-2u) may be infinite, and Phi is 1 or 0
        minus_2u = above * (MINUS_2A + MINUS_2A * CUBIC * (above * above))  # x**3 would call pow(), which is slow
        Phi = 1 / (1 + np.exp(minus_2u))
    return above * Phi, GeluCache(above, Phi)


def gelu_tanh_backward(dy: Array, cache: GeluCache) -> Array:
    """dx = dy (Phi + x Phi'), where Phi' = Phi (1 - Phi) 2u', as of any 1 / (1 + exp(-2u)),

    and 2u' = 2 sqrt(2/pi) (1 + 3 * 0.044715 x^2).
    """
    check("x: ..., dy: ...", cache.x, dy)
    Phi = cache.Phi
    near = np.minimum(cache.x, FAR)  # its square cannot overflow, and 0 times infinity would be NaN
    two_du_dx = 2 * SQRT_2_OVER_PI + 6 * SQRT_2_OVER_PI * CUBIC * (near * near)
    dPhi_dx = Phi * (1 - Phi) * two_du_dx
    return dy * (Phi + near * dPhi_dx)


RELU = Op(relu, relu_backward)
TANH = Op(tanh, tanh_backward)
SIGMOID = Op(sigmoid, sigmoid_backward)
GELU = Op(gelu, gelu_backward)
GELU_TANH = Op(gelu_tanh, gelu_tanh_backward)
