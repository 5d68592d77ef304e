"""Section 4.1: attention for one query, word for word as the text has it, with any compatibility function f."""

from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import check_type
from minitransformer.equations.compatibility import SCALED_DOT_PRODUCT
from minitransformer.equations.op import Op
from minitransformer.equations.softmax import softmax, softmax_backward
from minitransformer.shapes import check

Array = np.ndarray


class OneQueryCache(NamedTuple):
    f: Op
    f_cache: Any
    alpha: Array  # (n,)
    v: Array  # (n, d_v)


def attention_one_query(
    q: Array, k: Array, v: Array, f: Op = SCALED_DOT_PRODUCT, f_weights: tuple = ()
) -> tuple[Array, OneQueryCache]:
    """a_i = f(q, k_i),  alpha_i = exp(a_i) / sum_j exp(a_j),  o = sum_i alpha_i v_i  (4.1).

    q: (d_q,), the query; k: (n, d_k) and v: (n, d_v), the n key-value pairs -> o: (d_v,). f: a compatibility function
    of `compatibility.py`, with its weights in `f_weights` (none for the dot products).
    """
    check_type("f", f, Op)
    check("q: d_q, k: n d_k, v: n d_v", q, k, v)
    scores, f_cache = f.forward(q[None, :], k, *f_weights)  # (1, n): f takes a matrix of queries; here it has one row
    a = scores[0]  # (n,)
    alpha, _ = softmax(a)  # (n,)
    o = alpha @ v  # (d_v,)
    return o, OneQueryCache(f, f_cache, alpha, v)


def attention_one_query_backward(do: Array, cache: OneQueryCache) -> tuple[Array, Array, Array, tuple]:
    """From o_c = sum_i alpha_i v_ic:  dv_ic = alpha_i do_c  and  dalpha_i = sum_c v_ic do_c.

    Then back through softmax and through f. Returns dq, dk, dv and the gradients of f's weights (a tuple, empty for
    the dot products).
    """
    check("v: n d_v, do: d_v", cache.v, do)
    dv = cache.alpha[:, None] * do[None, :]  # (n, d_v)
    dalpha = cache.v @ do  # (n,)
    da = softmax_backward(dalpha, cache.alpha)
    dq_row, dk, *df_weights = cache.f.backward(da[None, :], cache.f_cache)
    return dq_row[0], dk, dv, tuple(df_weights)
