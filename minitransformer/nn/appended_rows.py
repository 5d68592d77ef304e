"""PyTorch's `add_bias_kv` and `add_zero_attn`: rows appended to K and to V, which every query may attend to.

Attention knows nothing of them: they come in through the input and the weights of the projection. For n rows R, x gets
n more positions, each with a feature of its own, and W what these features become:

    [x  0] [  W  ]         [x W + b]
    [0  I] [R - b]  +  b = [   R   ]
"""

import numpy as np

from minitransformer.layers.linear import Linear
from minitransformer.layers.multi_head import MultiHead

Array = np.ndarray


def append_positions(x: Array, n: int) -> Array:
    """[[x, 0], [0, I]]: (..., L, d) -> (..., L + n, d + n)."""
    if n == 0:
        return x
    *batch, L, d = x.shape
    extended = np.zeros((*batch, L + n, d + n), x.dtype)
    extended[..., :L, :d] = x
    extended[..., L:, d:] = np.eye(n)
    return extended


def append_positions_backward(dextended: Array, n: int) -> Array:
    """x is the first block; the others are constants. -> dx"""
    *_, L, d = dextended.shape
    return dextended[..., : L - n, : d - n]


def append_rows(weights: MultiHead, K_rows: Array, V_rows: Array) -> MultiHead:
    """The projections that map the appended positions to `K_rows` and to `V_rows`, (n, h*d_k) and (n, h*d_v)."""
    if len(K_rows) == 0:
        return weights
    return weights._replace(key=append(weights.key, K_rows), value=append(weights.value, V_rows))


def append_rows_backward(dextended: MultiHead, n: int) -> tuple[MultiHead, Array, Array]:
    """Back through both. -> dweights, dK_rows, dV_rows"""
    dkey, dK_rows = append_backward(dextended.key, n)
    dvalue, dV_rows = append_backward(dextended.value, n)
    return dextended._replace(key=dkey, value=dvalue), dK_rows, dV_rows


def append(weights: Linear, rows: Array) -> Linear:
    """[W; R - b] and b, with R = `rows`, (n, d_out)."""
    W, b = weights
    return Linear(np.concatenate([W, rows - b]), b)


def append_backward(dextended: Linear, n: int) -> tuple[Linear, Array]:
    """dR = d(R - b), and db loses as much for each row, since b is subtracted there. -> dweights, drows"""
    d_in = len(dextended.W) - n
    dW, drows = dextended.W[:d_in], dextended.W[d_in:]
    db = dextended.b - drows.sum(axis=0)
    return Linear(dW, db), drows
