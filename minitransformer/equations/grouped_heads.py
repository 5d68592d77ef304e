"""Section 4.2, a variant: grouped-query attention (Ainslie et al. 2023), in which query heads share keys and values."""

import numpy as np

from minitransformer.checks import check_integer
from minitransformer.shapes import check, check_sized

Array = np.ndarray


def share_heads(X: Array, h: int) -> Array:
    """Query head i takes the keys and values of head i // (h/h_kv): h query heads in h_kv groups of neighbours.

    X: keys or values, (..., h_kv, L, d) -> heads: (..., h, L, d) with head_i = X_{i // (h/h_kv)}, so that `attention`
    finds for each query head one of keys and one of values. W^K and W^V are then h/h_kv times narrower than W^Q, and so
    is what decoding keeps. h_kv = 1 is multi-query attention (Shazeer 2019).

    h_kv = h is the multi-head attention of 4.2: the result is X itself.
    """
    check("X: ... h_kv L? d", X)
    check_integer("h", h, minimum=1)
    h_kv = X.shape[-3]
    if h % h_kv != 0:
        raise ValueError(f"h: got {h} query heads, expected a multiple of the {h_kv} heads of X")
    return X if h == h_kv else np.repeat(X, h // h_kv, axis=-3)


def share_heads_backward(dheads: Array, h_kv: int) -> Array:
    """dX_g = sum of dhead_i over the query heads i of group g: what is used several times gets the sum over its uses.

    With g(i) = i // (h/h_kv) for the group of head i, head_ilc = X_{g(i)lc} gives d head_ilc / d X_glc = 1 where
    g(i) = g, and 0 elsewhere:
        dX_glc = sum_i dhead_ilc [g(i) = g].

    dheads: (..., h, L, d) -> dX: (..., h_kv, L, d). With h_kv = h it is dheads itself, and shares its memory.
    """
    check_integer("h_kv", h_kv, minimum=1)
    check_sized("dheads: ... h_kv*group L? d", dheads, h_kv=h_kv)
    h, L, d = dheads.shape[-3:]
    if h == h_kv:
        return dheads
    by_group = dheads.reshape(dheads.shape[:-3] + (h_kv, h // h_kv, L, d))  # (..., h_kv, h/h_kv, L, d)
    return by_group.sum(axis=-3)
