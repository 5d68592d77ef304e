"""PyTorch's `layer_norm` and `rms_norm` (3.1.4), over one or several of the last axes."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_floats, check_integer, check_positive, check_shape
from minitransformer.layers import layer_norm as with_mean
from minitransformer.layers import rms_norm as without_mean

Array = np.ndarray


class NormCache(NamedTuple):
    rows: Any  # the cache of the equation, all normalized axes one
    shape: tuple[int, ...]  # of the input, and of the result
    normalized_shape: tuple[int, ...]
    given: tuple[bool, ...]  # weight, and bias if there may be one


def layer_norm(
    input: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> tuple[Array, NormCache]:
    """weight * (x - mean) / sqrt(variance + eps) + bias, over the last axes, whose sizes are `normalized_shape`.

    input: (..., *normalized_shape); weight, bias: normalized_shape, by default ones and zeros -> the shape of input.
    """
    shape = sizes(normalized_shape)
    check_positive("eps", eps)
    x = flat(input, shape)  # (..., d)
    gamma = flat_weight("weight", weight, shape, 1, input.real.dtype)  # (d,)
    beta = flat_weight("bias", bias, shape, 0, gamma.dtype)
    y, rows_cache = with_mean.layer_norm(x, with_mean.LayerNorm(gamma, beta), eps)
    return y.reshape(input.shape), NormCache(rows_cache, input.shape, shape, (weight is not None, bias is not None))


def layer_norm_backward(dout: Array, cache: NormCache) -> tuple[Array, Array | None, Array | None]:
    """The equation's, for the same rows. -> dinput, dweight, dbias"""
    check_shape("dout", dout, cache.shape)
    dx, (dgamma, dbeta) = with_mean.layer_norm_backward(flat(dout, cache.normalized_shape), cache.rows)
    dweight, dbias = (unflat(d, cache, given) for d, given in zip((dgamma, dbeta), cache.given, strict=True))
    return dx.reshape(cache.shape), dweight, dbias


def rms_norm(
    input: Array, normalized_shape: int | Sequence[int], weight: Array | None = None, eps: float | None = None
) -> tuple[Array, NormCache]:
    """weight * x / sqrt(mean(x^2) + eps), over the last axes, whose sizes are `normalized_shape`.

    As `layer_norm`; eps=None stands for the distance from 1 to the next number of the input's dtype.
    """
    shape = sizes(normalized_shape)
    x = flat(input, shape)  # (..., d)
    gamma = flat_weight("weight", weight, shape, 1, input.real.dtype)  # (d,)
    root_eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    check_positive("eps", root_eps)
    y, rows_cache = without_mean.rms_norm(x, without_mean.RMSNorm(gamma), root_eps)
    return y.reshape(input.shape), NormCache(rows_cache, input.shape, shape, (weight is not None,))


def rms_norm_backward(dout: Array, cache: NormCache) -> tuple[Array, Array | None]:
    """The equation's, for the same rows. -> dinput, dweight"""
    check_shape("dout", dout, cache.shape)
    dx, (dgamma,) = without_mean.rms_norm_backward(flat(dout, cache.normalized_shape), cache.rows)
    return dx.reshape(cache.shape), unflat(dgamma, cache, *cache.given)


def sizes(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """The axes' sizes, of which there must be one at least; a number is the size of the last axis."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
    if not shape:
        raise ValueError("normalized_shape: got no axes, expected the sizes of the last ones")
    for size in shape:
        check_integer("normalized_shape", size, minimum=1)
    return shape


def flat(x: Array, shape: tuple[int, ...]) -> Array:
    """x (..., *shape) -> (..., d): the equation's one axis of features."""
    check_floats("input", x)
    if x.shape[-len(shape) :] != shape:
        raise ValueError(f"input: got shape {x.shape}, expected {shape} for the last axes")
    return x.reshape(*x.shape[: -len(shape)], math.prod(shape))


def flat_weight(name: str, weight: Array | None, shape: tuple[int, ...], start: float, dtype: np.dtype) -> Array:
    """(d,); where there is none, the number that changes nothing."""
    if weight is None:
        return np.full(math.prod(shape), start, dtype)
    check_shape(name, weight, shape)
    return weight.reshape(-1)


def unflat(dweight: Array, cache: NormCache, given: bool) -> Array | None:
    """In the shape of the weight; None for one that was not given."""
    return dweight.reshape(cache.normalized_shape) if given else None
