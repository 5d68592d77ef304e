"""A point to check each pair at: sizes that all differ, loud weights, random gains, masks with empty rows.

What hides a wrong gradient is a special point: a batch of one, square matrices, gains of 1, biases of 0, p = 0.5.
"""

from collections.abc import Callable

import numpy as np

from minitransformer.equations.activations import (
    GELU,
    RELU,
    gelu,
    gelu_backward,
    gelu_tanh,
    gelu_tanh_backward,
    relu,
    relu_backward,
    tanh,
    tanh_backward,
)
from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    attention_backward,
    attention_one_query,
    attention_one_query_backward,
)
from minitransformer.equations.compatibility import (
    ADDITIVE,
    Additive,
    additive,
    additive_backward,
    bilinear,
    bilinear_backward,
    dot_product,
    dot_product_backward,
    scaled_dot_product,
    scaled_dot_product_backward,
)
from minitransformer.equations.cross_entropy import IGNORE, cross_entropy, cross_entropy_backward
from minitransformer.equations.dropout import dropout, dropout_backward
from minitransformer.equations.heads import merge_heads, split_heads
from minitransformer.equations.masks import causal_mask, causal_padding_mask
from minitransformer.equations.positional_encoding import add_positions, add_positions_backward
from minitransformer.equations.softmax import (
    log_softmax,
    log_softmax_backward,
    masked_softmax,
    softmax,
    softmax_backward,
)
from minitransformer.layers.add_norm import add_norm, add_norm_backward, residual, residual_backward
from minitransformer.layers.embedding import Embedding, embedding, embedding_backward
from minitransformer.layers.encoder import Encoder, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import (
    Config,
    init_encoder_layer,
    post_norm_encoder_layer,
    post_norm_encoder_layer_backward,
    pre_norm_encoder_layer,
    pre_norm_encoder_layer_backward,
)
from minitransformer.layers.feed_forward import feed_forward, feed_forward_backward, init_feed_forward
from minitransformer.layers.layer_norm import LayerNorm, layer_norm, layer_norm_backward
from minitransformer.layers.linear import Linear, linear, linear_backward
from minitransformer.layers.multi_head import MultiHead, multi_head, multi_head_backward
from minitransformer.learn.gradient_check import Case
from minitransformer.models.causal_lm import causal_lm, causal_lm_backward, init_causal_lm
from minitransformer.tree import Tree, tree_map

Array = np.ndarray
Rng = np.random.Generator

B, h, L_q, L_k, d_k, d_v = 2, 3, 5, 7, 4, 6
d_model, d_ff = 12, 10
RATE = 0.3


def loud(weights: Tree, rng: Rng) -> Tree:
    """The same tree with random numbers of order 0.5: no bias is 0, no gain is 1, and no softmax saturates."""
    return tree_map(lambda array: 0.5 * rng.standard_normal(array.shape), weights)


def one(backward: Callable) -> Callable:
    """A backward that returns one gradient, as one that returns a tuple."""
    return lambda dy, cache: (backward(dy, cache),)


def holey_mask(rng: Rng) -> Array:
    """A random mask in which the first query may attend to nothing."""
    mask = rng.random((B, L_q, L_k)) < 0.6
    mask[:, 0, :] = False
    mask[:, 1:, 0] = True
    return mask


def elementwise(forward: Callable, backward: Callable) -> Callable[[Rng], Case]:
    return lambda rng: Case(forward, one(backward), (2 * rng.standard_normal((B, L_q, d_k)),))


def softmax_case(rng: Rng) -> Case:
    return Case(softmax, one(softmax_backward), (rng.standard_normal((B, L_q, L_k)),))


def masked_softmax_case(rng: Rng) -> Case:
    mask = holey_mask(rng)
    return Case(lambda a: masked_softmax(a, mask), one(softmax_backward), (rng.standard_normal(mask.shape),))


def log_softmax_case(rng: Rng) -> Case:
    return Case(log_softmax, one(log_softmax_backward), (rng.standard_normal((B, L_q, L_k)),))


def queries_and_keys(rng: Rng, d_q: int = d_k) -> tuple[Array, Array]:
    return rng.standard_normal((B, L_q, d_q)), rng.standard_normal((B, L_k, d_k))


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
    return Case(lambda A, V: attend(A, V, mask, RATE, np.random.default_rng(seed)), attend_backward, (A, V))


def attention_case(rng: Rng) -> Case:
    mask = holey_mask(rng)
    bias = rng.standard_normal((L_q, L_k))
    Q, K = queries_and_keys(rng)
    V = rng.standard_normal((B, L_k, d_v))
    return Case(lambda Q, K, V: attention(Q, K, V, mask, bias), attention_backward, (Q, K, V))


def split_heads_case(rng: Rng) -> Case:
    def forward(X: Array) -> tuple[Array, None]:
        return split_heads(X, h), None

    return Case(forward, lambda dheads, cache: (merge_heads(dheads),), (rng.standard_normal((B, L_q, h * d_k)),))


def merge_heads_case(rng: Rng) -> Case:
    def forward(heads: Array) -> tuple[Array, None]:
        return merge_heads(heads), None

    return Case(forward, lambda dX, cache: (split_heads(dX, h),), (rng.standard_normal((B, h, L_q, d_k)),))


def add_positions_case(rng: Rng) -> Case:
    return Case(add_positions, one(add_positions_backward), (rng.standard_normal((B, L_q, 7)),))


def dropout_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    x = rng.standard_normal((B, L_q, d_k))
    return Case(lambda x: dropout(x, RATE, np.random.default_rng(seed)), one(dropout_backward), (x,))


def cross_entropy_case(rng: Rng) -> Case:
    V = 9
    targets = rng.integers(0, V, (B, L_q))
    targets[0, 1] = IGNORE
    logits = rng.standard_normal((B, L_q, V))
    return Case(lambda logits: cross_entropy(logits, targets, 0.2), one(cross_entropy_backward), (logits,))


def linear_case(rng: Rng) -> Case:
    weights = Linear(rng.standard_normal((d_k, d_v)), rng.standard_normal(d_v))
    return Case(linear, linear_backward, (rng.standard_normal((B, L_q, d_k)), weights))


def embedding_case(rng: Rng) -> Case:
    V = 4  # fewer words than positions: some must repeat
    ids = rng.integers(0, V, (B, L_q))
    weights = Embedding(rng.standard_normal((V, d_model)))
    return Case(lambda weights: embedding(ids, weights), one(embedding_backward), (weights,))


def layer_norm_case(rng: Rng) -> Case:
    weights = LayerNorm(rng.standard_normal(d_model), rng.standard_normal(d_model))
    return Case(layer_norm, layer_norm_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def residual_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    x, f = rng.standard_normal((2, B, L_q, d_model))
    return Case(lambda x, f: residual(x, f, RATE, np.random.default_rng(seed)), residual_backward, (x, f))


def add_norm_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    norm = LayerNorm(rng.standard_normal(d_model), rng.standard_normal(d_model))

    def forward(x: Array, f: Array, norm: LayerNorm) -> tuple:
        return add_norm(x, f, norm, rate=RATE, rng=np.random.default_rng(seed))

    x, f = rng.standard_normal((2, B, L_q, d_model))
    return Case(forward, add_norm_backward, (x, f, norm))


def feed_forward_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    weights = loud(init_feed_forward(d_model, d_ff, rng), rng)

    def forward(x: Array, weights: tuple) -> tuple:
        return feed_forward(x, weights, RELU, RATE, np.random.default_rng(seed))

    return Case(forward, feed_forward_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def multi_head_case(rng: Rng) -> Case:
    """Cross-attention with five different widths, under a mask and a bias, with dropout."""
    seed = int(rng.integers(2**32))
    mask = holey_mask(rng)
    bias = rng.standard_normal((L_q, L_k))
    d_query, d_key, d_value = 8, 9, 11
    shapes = ((d_query, h * d_k), (d_key, h * d_k), (d_value, h * d_v), (h * d_v, d_model))
    weights = MultiHead(*(Linear(rng.standard_normal(shape), rng.standard_normal(shape[1])) for shape in shapes))

    def forward(x_q: Array, x_k: Array, x_v: Array, weights: MultiHead) -> tuple:
        return multi_head(x_q, x_k, x_v, weights, h, mask, bias, RATE, np.random.default_rng(seed))

    x_q = rng.standard_normal((B, L_q, d_query))
    x_k, x_v = rng.standard_normal((B, L_k, d_key)), rng.standard_normal((B, L_k, d_value))
    return Case(forward, multi_head_backward, (x_q, x_k, x_v, weights))


def post_norm_encoder_layer_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h, RATE, RELU)
    mask = causal_padding_mask(np.array([L_k, 4]), L_k)

    def forward(x: Array, weights: tuple) -> tuple:
        return post_norm_encoder_layer(x, weights, config, mask, rng=np.random.default_rng(seed))

    weights = loud(init_encoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, post_norm_encoder_layer_backward, (rng.standard_normal((B, L_k, d_model)), weights))


def pre_norm_encoder_layer_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h, RATE, GELU, norm_first=True)
    mask = causal_mask(L_k)

    def forward(x: Array, weights: tuple) -> tuple:
        return pre_norm_encoder_layer(x, weights, config, mask, rng=np.random.default_rng(seed))

    weights = loud(init_encoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, pre_norm_encoder_layer_backward, (rng.standard_normal((B, L_k, d_model)), weights))


def encoder_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h, RATE, norm_first=True)
    layers = init_encoder(2, d_model, h, d_ff, rng).layers
    norm = LayerNorm(np.ones(d_model), np.zeros(d_model))

    def forward(x: Array, weights: Encoder) -> tuple:
        return encoder(x, weights, config, rng=np.random.default_rng(seed))

    return Case(forward, encoder_backward, (rng.standard_normal((B, L_k, d_model)), loud(Encoder(layers, norm), rng)))


def causal_lm_case(rng: Rng) -> Case:
    V = 6
    ids = rng.integers(0, V, (B, L_k))
    config = Config(h, RATE)
    seed = int(rng.integers(2**32))
    weights = loud(init_causal_lm(V, 2, d_model, h, d_ff, rng), rng)
    return Case(
        lambda weights: causal_lm(ids, weights, config, np.random.default_rng(seed)),
        one(causal_lm_backward),
        (weights,),
    )


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
    "split_heads": split_heads_case,
    "merge_heads": merge_heads_case,
    "add_positions": add_positions_case,
    "relu": elementwise(relu, relu_backward),
    "tanh": elementwise(tanh, tanh_backward),
    "gelu": elementwise(gelu, gelu_backward),
    "gelu_tanh": elementwise(gelu_tanh, gelu_tanh_backward),
    "dropout": dropout_case,
    "cross_entropy": cross_entropy_case,
    "linear": linear_case,
    "embedding": embedding_case,
    "layer_norm": layer_norm_case,
    "residual": residual_case,
    "add_norm": add_norm_case,
    "feed_forward": feed_forward_case,
    "multi_head": multi_head_case,
    "post_norm_encoder_layer": post_norm_encoder_layer_case,
    "pre_norm_encoder_layer": pre_norm_encoder_layer_case,
    "encoder": encoder_case,
    "causal_lm": causal_lm_case,
}
