"""Section 4.1 (q = W_q x and its kin) and 3.1.3: the linear map, the only place where most weights live."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_start
from minitransformer.equations.rows import column_sum
from minitransformer.shapes import check

Array = np.ndarray


class Linear(NamedTuple):
    W: Array  # (d_in, d_out)
    b: Array  # (d_out,)


class LinearCache(NamedTuple):
    x: Array  # (..., d_in)
    weights: Linear


def init_linear(d_in: int, d_out: int, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Linear:
    """W uniform within +-sqrt(6 / (d_in + d_out)), which keeps the variance of signals and of gradients about equal
    (Glorot, Bengio 2010); b = 0."""
    check_start(rng, dtype, d_in=d_in, d_out=d_out)
    limit = math.sqrt(6 / (d_in + d_out))
    W = rng.uniform(-limit, limit, (d_in, d_out)).astype(dtype)
    return Linear(W, np.zeros(d_out, dtype))


def linear(x: Array, weights: Linear) -> tuple[Array, LinearCache]:
    """y = x W + b, with vectors as rows: the text's column form q = W_q x is q^T = x^T W_q^T.

    x: (..., d_in) -> y: (..., d_out). All rows go through one 2-D product, whatever the axes before them.
    (`dot` is `@`, which takes twice as long to start: half of the time of a single row.)
    """
    check("weights.W: d_in d_out, weights.b: d_out, x: ... d_in", weights.W, weights.b, x)
    d_in, d_out = weights.W.shape
    rows = x.reshape(-1, d_in)
    y = rows.dot(weights.W) + weights.b  # (N, d_out)
    return y.reshape(x.shape[:-1] + (d_out,)), LinearCache(x, weights)


def linear_backward(dy: Array, cache: LinearCache) -> tuple[Array, Linear]:
    """dx = dy W^T,  dW = x^T dy,  db = sum of dy over all rows.

    From y_nj = sum_i x_ni W_ij + b_j:
        dx_ni = sum_j dy_nj W_ij      (hence W^T: W is read along its other axis),
        dW_ij = sum_n x_ni dy_nj,     db_j = sum_n dy_nj.
    """
    x, weights = cache
    d_in, d_out = weights.W.shape
    check("x: ... d_in, weights.W: d_in d_out, dy: ... d_out", x, weights.W, dy)  # else rows might be in another order
    dy_rows = dy.reshape(-1, d_out)
    dx = dy_rows.dot(weights.W.T)  # (N, d_in)
    dW = x.reshape(-1, d_in).T.dot(dy_rows)  # (d_in, d_out)
    db = column_sum(dy_rows)
    return dx.reshape(x.shape), Linear(dW, db)
