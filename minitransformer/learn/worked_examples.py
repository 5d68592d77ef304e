"""The text's equations on small numbers, in the order of its sections: functions to read, to run, and to step through.

Each returns its local names, so that the tour can show the value beside the line that made it. The last line, `holds`,
says what must be true of the result.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minitransformer.decoding.decoder_cache import Decoding, decode_step, prefill
from minitransformer.equations.attention import attention, causal_mask, scaled_dot_product
from minitransformer.equations.attention_one_query import attention_one_query
from minitransformer.equations.cross_entropy import cross_entropy
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.equations.softmax import masked_softmax, softmax
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.feed_forward import FeedForward, feed_forward
from minitransformer.layers.layer_norm import LayerNorm, layer_norm
from minitransformer.layers.linear import Linear
from minitransformer.layers.multi_head import MultiHead, multi_head
from minitransformer.models.transformer import Transformer, init_transformer, transformer
from minitransformer.nn import TransformerEncoderLayer

Array = np.ndarray

Locals = dict[str, Any]
Example = Callable[[np.random.Generator], Locals]


def uniform_guess(rng: np.random.Generator) -> Locals:
    """2.1.1  loss = -(1/n) sum_i log P(w_i | w_1, ..., w_{i-1}): a model that knows nothing pays ln V for each word"""
    V = 100
    logits = np.zeros((3, V))  # every word equally likely, at each of three positions
    loss, _ = cross_entropy(logits, np.array([7, 0, 42]))
    ln_V = math.log(V)
    holds = math.isclose(loss, ln_V)
    return locals()


def one_query(rng: np.random.Generator) -> Locals:
    """4.1  a_i = f(q, k_i),  alpha_i = exp(a_i) / sum_j exp(a_j),  o = sum_i alpha_i v_i"""
    q = np.array([1.0, 0.0])
    k = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
    v = np.array([[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]])
    a = k @ q / math.sqrt(2)  # f(q, k_i) = q^T k_i / sqrt(d): the third key fits best
    alpha, _ = softmax(a)
    o, _ = attention_one_query(q, k, v)
    holds = np.allclose(o, alpha @ v) and math.isclose(alpha.sum(), 1)
    return locals()


def all_queries(rng: np.random.Generator) -> Locals:
    """2.2.1  Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V: the same for every query at once"""
    Q = rng.standard_normal((2, 4)).round(1)
    K = rng.standard_normal((3, 4)).round(1)
    V = rng.standard_normal((3, 5)).round(1)
    A, _ = scaled_dot_product(Q, K)
    alpha, _ = softmax(A)
    O, _ = attention(Q, K, V)
    first_row, _ = attention_one_query(Q[0], K, V)
    holds = np.allclose(O, alpha @ V) and np.allclose(O[0], first_row)
    return locals()


def masked(rng: np.random.Generator) -> Locals:
    """3.2.1  position i may attend to the positions j <= i: the future gets weight 0"""
    A = rng.standard_normal((4, 4)).round(1)
    mask = causal_mask(4)
    alpha, _ = masked_softmax(A, mask)
    holds = np.allclose(alpha.sum(axis=-1), 1) and not alpha[~mask].any()
    return locals()


def decoding_step(rng: np.random.Generator) -> Locals:
    """3.2.2  P(w_i | w_1, ..., w_{i-1}, source): one more token of a translation, from what was kept of those before"""
    weights, two_tokens, at_once = prepare_two_tokens(rng)  # the source is read, once, and two tokens are written
    third = np.array([5])  # the id of the token that was written last
    logits, three_tokens, alphas = decode_step(third, two_tokens, weights, Config(h=2))  # step into this one
    alpha = alphas[0][0]  # of both heads: where in the source the third token looked
    holds = np.allclose(logits, at_once[:, 2]) and np.allclose(alpha.sum(axis=-1), 1)
    return locals()


def prepare_two_tokens(rng: np.random.Generator) -> tuple[Transformer, Decoding, Array]:
    """A small Transformer that has written two tokens; and its logits for all three tokens at once, as in training."""
    weights = init_transformer(6, 9, n_layers=1, d_model=6, h=2, d_ff=8, rng=rng, dtype=np.float64)
    source, target = np.array([[3, 1, 4, 1]]), np.array([[8, 2, 5]])  # ids of tokens
    nothing = prefill(source, weights, Config(h=2), longest=3)
    _, one_token, _ = decode_step(target[:, 0], nothing, weights, Config(h=2))
    _, two_tokens, _ = decode_step(target[:, 1], one_token, weights, Config(h=2))
    at_once, _ = transformer(source, target, weights, Config(h=2))
    return weights, two_tokens, at_once


def two_heads_one_token(rng: np.random.Generator) -> Locals:
    """4.2  head_i = Attention(x W_i^Q, x W_i^K, x W_i^V): with one token, softmax over a single key is 1"""
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    W_1 = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])  # the text prints 2x4, which means x @ W.T
    W_2 = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    head_1, _ = attention(x @ W_1.T, x @ W_1.T, x @ W_1.T)
    head_2, _ = attention(x @ W_2.T, x @ W_2.T, x @ W_2.T)
    concat = np.concatenate([head_1, head_2], axis=-1)
    holds = np.array_equal(concat, x)
    return locals()


def two_heads_three_tokens(rng: np.random.Generator) -> Locals:
    """4.2  MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O: with more tokens each head mixes positions"""
    x = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, -1.0, 0.0], [2.0, 0.0, 1.0, 1.0]])
    identity = Linear(np.eye(4), np.zeros(4))  # columns 0:2 are W_1 of the text (transposed), columns 2:4 are W_2
    y, cache = multi_head(x, x, x, MultiHead(identity, identity, identity, identity), h=2)
    alpha = cache.attention.attend.alpha
    head_1, _ = attention(x[:, :2], x[:, :2], x[:, :2])
    head_2, _ = attention(x[:, 2:], x[:, 2:], x[:, 2:])
    holds = np.allclose(y, np.concatenate([head_1, head_2], axis=-1))
    return locals()


def positions(rng: np.random.Generator) -> Locals:
    """4.3  P_{i,2j} = sin(i / 10000^(2j/d)),  P_{i,2j+1} = cos(i / 10000^(2j/d)),  x = E + P"""
    P = positional_encoding(L=5, d=6)
    E = rng.standard_normal((5, 6)).round(1)
    x = E + P
    likeness = P @ P.T  # depends on the distance i - j alone: constant along each diagonal
    holds = np.allclose(likeness[1:, 1:], likeness[:-1, :-1])
    return locals()


def feed_forward_network(rng: np.random.Generator) -> Locals:
    """3.1.3  FFN(x) = max(0, x W_1 + b_1) W_2 + b_2"""
    x = np.array([[1.0, -1.0]])
    linear1 = Linear(np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]]), np.array([0.0, 0.0, 3.0]))
    linear2 = Linear(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([0.5, -0.5]))
    hidden = np.maximum(0, x @ linear1.W + linear1.b)  # the second unit is off
    y, _ = feed_forward(x, FeedForward(linear1, linear2))
    holds = np.array_equal(y, [[2.5, 0.5]])
    return locals()


def normalization(rng: np.random.Generator) -> Locals:
    """3.1.4  LayerNorm(x) = gamma (x - mean) / sqrt(variance + eps) + beta, for each position by itself"""
    x = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]])
    y, cache = layer_norm(x, LayerNorm(gamma=np.ones(4), beta=np.zeros(4)))
    sigma = cache.sigma
    holds = np.allclose(y.mean(axis=-1), 0) and np.allclose(y[0], y[1], atol=1e-5)
    return locals()


def section_5(rng: np.random.Generator) -> Locals:
    """5  src = LayerNorm(src + MultiHead(src)),  out = LayerNorm(src + FFN(src)): sequence first, (L, B, d_model)"""
    d_model = 512
    nhead = 8
    dim_feedforward = 2048
    encoder_layer = TransformerEncoderLayer(d_model, nhead, dim_feedforward, rng=rng)
    src = rng.standard_normal((10, 32, 512), dtype=np.float32)  # (seq_len, batch_size, d_model)
    out = encoder_layer(src)
    dsrc, grads = encoder_layer.backward(out, encoder_layer.forward(src)[1])
    holds = out.shape == (10, 32, 512) and out.dtype == np.float32 and grads.keys() == encoder_layer.state_dict().keys()
    return locals()


EXAMPLES: tuple[Example, ...] = (
    uniform_guess,
    all_queries,
    feed_forward_network,
    normalization,
    masked,
    decoding_step,
    one_query,
    two_heads_one_token,
    two_heads_three_tokens,
    positions,
    section_5,
)


def section_and_formula(example: Example) -> tuple[str, str]:
    section, formula = example.__doc__.split(maxsplit=1)
    return section, formula


def code_lines(example: Example) -> list[tuple[str, list[str]]]:
    """Each line of the body, with the names that it assigns, except the return."""
    lines = inspect.getsource(example).splitlines()
    body = [line.strip() for line in lines[2:-1]]  # between the docstring and the return
    return [(line, assigned(line)) for line in body]


def assigned(line: str) -> list[str]:
    names = line.split(" = ")[0].split(", ")
    return [name for name in names if name != "_"]
