"""A point to check each equation at."""

from collections.abc import Callable

import numpy as np

from minitransformer.equations.activations import (
    gelu,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    attention_backward,
    merge_heads,
    scaled_dot_product,
    scaled_dot_product_backward,
    split_heads,
)
from minitransformer.equations.attention_one_query import attention_one_query, attention_one_query_backward
from minitransformer.equations.blockwise_attention import blockwise_attention, blockwise_attention_backward
from minitransformer.equations.compatibility import (
    ADDITIVE,
    Additive,
    additive,
    additive_backward,
    bilinear,
    bilinear_backward,
    dot_product,
    dot_product_backward,
)
from minitransformer.equations.cross_entropy import IGNORE, cross_entropy, cross_entropy_backward
from minitransformer.equations.dropout import Dropout, dropout, dropout_backward
from minitransformer.equations.grouped_heads import share_heads, share_heads_backward
from minitransformer.equations.positional_encoding import add_positions, add_positions_backward
from minitransformer.equations.rotary import rotary, rotary_backward
from minitransformer.equations.softmax import (
    log_softmax,
    log_softmax_backward,
    masked_softmax,
    softmax,
    softmax_backward,
)
from minitransformer.verify.cases.points import (
    RATE,
    B,
    L_k,
    L_q,
    Rng,
    d_k,
    d_v,
    h,
    holey_mask,
    holey_numbers,
    one,
    queries_and_keys,
)
from minitransformer.verify.gradient_check import Case

Array = np.ndarray


def elementwise(forward: Callable, backward: Callable) -> Callable[[Rng], Case]:
    return lambda rng: Case(forward, one(backward), (2 * rng.standard_normal((B, L_q, d_k)),))


def softmax_case(rng: Rng) -> Case:
    return Case(softmax, one(softmax_backward), (rng.standard_normal((B, L_q, L_k)),))


def masked_softmax_case(rng: Rng) -> Case:
    mask = holey_mask(rng)
    return Case(lambda a: masked_softmax(a, mask), one(softmax_backward), (rng.standard_normal(mask.shape),))


def log_softmax_case(rng: Rng) -> Case:
    return Case(log_softmax, one(log_softmax_backward), (rng.standard_normal((B, L_q, L_k)),))


def dot_product_case(rng: Rng) -> Case:
    return Case(dot_product, dot_product_backward, queries_and_keys(rng))


def scaled_dot_product_case(rng: Rng) -> Case:
    return Case(scaled_dot_product, scaled_dot_product_backward, queries_and_keys(rng))


def bilinear_case(rng: Rng) -> Case:
    d_q = 3
    return Case(bilinear, bilinear_backward, (*queries_and_keys(rng, d_q), rng.standard_normal((d_q, d_k))))


def random_additive(rng: Rng, d_q: int) -> Additive:
    d_a = 8
    return Additive(rng.standard_normal((d_a, d_q)), rng.standard_normal((d_a, d_k)), rng.standard_normal(d_a))


def additive_case(rng: Rng) -> Case:
    d_q = 3
    return Case(additive, additive_backward, (*queries_and_keys(rng, d_q), random_additive(rng, d_q)))


def attention_one_query_case(rng: Rng) -> Case:
    def forward(q: Array, k: Array, v: Array, weights: Additive) -> tuple:
        return attention_one_query(q, k, v, ADDITIVE, (weights,))

    def backward(do: Array, cache: tuple) -> tuple:
        dq, dk, dv, (dweights,) = attention_one_query_backward(do, cache)
        return dq, dk, dv, dweights

    d_q = 3
    q, k, v = rng.standard_normal(d_q), rng.standard_normal((L_k, d_k)), rng.standard_normal((L_k, d_v))
    return Case(forward, backward, (q, k, v, random_additive(rng, d_q)))


def attend_case(rng: Rng) -> Case:
    mask = holey_mask(rng)
    seed = int(rng.integers(2**32))
    A, V = rng.standard_normal((B, L_q, L_k)), rng.standard_normal((B, L_k, d_v))
    return Case(lambda A, V: attend(A, V, mask, Dropout(RATE, np.random.default_rng(seed))), attend_backward, (A, V))


def attention_case(rng: Rng) -> Case:
    mask = holey_numbers(rng)
    Q, K = queries_and_keys(rng)
    V = rng.standard_normal((B, L_k, d_v))
    return Case(lambda Q, K, V: attention(Q, K, V, mask), attention_backward, (Q, K, V))


def blockwise_attention_case(rng: Rng) -> Case:
    mask = holey_numbers(rng)
    mask[..., L_k - 1] = -np.inf  # a key that is left out
    seed = int(rng.integers(2**32))
    Q, K = queries_and_keys(rng)
    V = rng.standard_normal((B, L_k, d_v))

    def forward(Q: Array, K: Array, V: Array) -> tuple:
        return blockwise_attention(Q, K, V, mask, Dropout(RATE, np.random.default_rng(seed)), rows=2)

    return Case(forward, blockwise_attention_backward, (Q, K, V))


def split_heads_case(rng: Rng) -> Case:
    def forward(X: Array) -> tuple[Array, None]:
        return split_heads(X, h), None

    return Case(forward, lambda dheads, cache: (merge_heads(dheads),), (rng.standard_normal((B, L_q, h * d_k)),))


def merge_heads_case(rng: Rng) -> Case:
    def forward(heads: Array) -> tuple[Array, None]:
        return merge_heads(heads), None

    return Case(forward, lambda dX, cache: (split_heads(dX, h),), (rng.standard_normal((B, h, L_q, d_k)),))


def share_heads_case(rng: Rng) -> Case:
    """Two query heads for each head of keys."""

    def forward(X: Array) -> tuple[Array, None]:
        return share_heads(X, 2 * h), None

    return Case(
        forward, lambda dheads, cache: (share_heads_backward(dheads, h),), (rng.standard_normal((B, h, L_k, d_k)),)
    )


def add_positions_case(rng: Rng) -> Case:
    return Case(add_positions, one(add_positions_backward), (rng.standard_normal((B, L_q, 7)),))


def rotary_case(rng: Rng) -> Case:
    """Of heads, from a position on where every pair has turned by an angle of its own."""
    return Case(lambda X: rotary(X, start=3), one(rotary_backward), (rng.standard_normal((B, h, L_q, d_k)),))


def dropout_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    x = rng.standard_normal((B, L_q, d_k))
    return Case(lambda x: dropout(x, Dropout(RATE, np.random.default_rng(seed))), one(dropout_backward), (x,))


def cross_entropy_case(rng: Rng) -> Case:
    V = 9
    targets = rng.integers(0, V, (B, L_q))
    targets[0, 1] = IGNORE
    logits = rng.standard_normal((B, L_q, V))
    return Case(lambda logits: cross_entropy(logits, targets, 0.2), one(cross_entropy_backward), (logits,))


CASES: dict[str, Callable[[Rng], Case]] = {
    "softmax": softmax_case,
    "masked_softmax": masked_softmax_case,
    "log_softmax": log_softmax_case,
    "dot_product": dot_product_case,
    "scaled_dot_product": scaled_dot_product_case,
    "bilinear": bilinear_case,
    "additive": additive_case,
    "attention_one_query": attention_one_query_case,
    "attend": attend_case,
    "attention": attention_case,
    "blockwise_attention": blockwise_attention_case,
    "split_heads": split_heads_case,
    "merge_heads": merge_heads_case,
    "share_heads": share_heads_case,
    "add_positions": add_positions_case,
    "rotary": rotary_case,
    "relu": elementwise(relu, relu_backward),
    "tanh": elementwise(tanh, tanh_backward),
    "sigmoid": elementwise(sigmoid, sigmoid_backward),
    "gelu": elementwise(gelu, gelu_backward),
    "gelu_tanh": elementwise(gelu_tanh, gelu_tanh_backward),
    "dropout": dropout_case,
    "cross_entropy": cross_entropy_case,
}
