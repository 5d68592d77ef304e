"""Section 3.4.1, read forward: with the keys and values of what was read, the next word needs only its own query.

A causal model's keys and values of a position depend on no later one: computed once, they can be kept. What a layer
does is written in `layers/`, and only the attention differs here; there is no backward, for nobody trains word by word.
"""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_heads, check_integer, check_tokens
from minitransformer.equations.attention import attention
from minitransformer.equations.heads import merge_heads, split_heads
from minitransformer.equations.masks import causal_mask
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.embedding import embedding
from minitransformer.layers.encoder_layer import Config, EncoderLayer
from minitransformer.layers.feed_forward import feed_forward
from minitransformer.layers.layer_norm import layer_norm
from minitransformer.layers.linear import linear
from minitransformer.layers.multi_head import MultiHead
from minitransformer.layers.tied_output import tied_output
from minitransformer.models.gpt import GPT

Array = np.ndarray


class KeysValues(NamedTuple):
    """Of one layer, with room for `context` positions; filled from the left, in place."""

    K: Array  # (..., h, context, d_k)
    V: Array  # (..., h, context, d_v)


class Reading(NamedTuple):
    """What a GPT has read: n words so far."""

    n: int
    positions: Array  # (context, d_model)
    layers: tuple[KeysValues, ...]


def start_reading(batch: tuple[int, ...], context: int, weights: GPT, config: Config) -> Reading:
    """Nothing has been read. Learned positions limit the context to as many as there are."""
    check_integer("context", context, minimum=1)
    check_heads(config.h, "the layers", weights.embedding.E.shape[-1])
    d_model = weights.embedding.E.shape[-1]
    dtype = weights.embedding.E.dtype
    if weights.positions is None:
        positions = positional_encoding(context, d_model, dtype)
    elif context <= len(weights.positions.P):
        positions = weights.positions.P[:context]
    else:
        raise ValueError(f"context: got {context}, expected at most {len(weights.positions.P)}, as many as are learned")

    def room(W: Array) -> Array:
        return np.zeros((*batch, config.h, context, W.shape[-1] // config.h), dtype)

    layers = (layer.self_attention for layer in weights.layers.layers)
    return Reading(0, positions, tuple(KeysValues(room(a.key.W), room(a.value.W)) for a in layers))


def read_on(ids: Array, reading: Reading, weights: GPT, config: Config) -> tuple[Array, Reading]:
    """The logits that `gpt` gives at these positions, after what was read before, without computing that again.

    ids: (..., L) integers in [0, V), the next words -> logits: (..., L, V), and the reading with them; the one that was
    given must not be used again, since its room is now theirs.
    """
    check_tokens("ids", ids, None)  # the embedding checks that they are in the vocabulary
    check_batch("ids", ids.shape[:-1], reading.layers)
    n, L = reading.n, ids.shape[-1]
    if n + L > len(reading.positions):
        raise ValueError(f"ids: got {L} more after {n}, expected {len(reading.positions)} in all, the context, at most")
    E, _ = embedding(ids, weights.embedding)  # (..., L, d_model)
    x = E + reading.positions[n : n + L]
    mask = None if L == 1 else causal_mask(n + L)[n:]  # (L, n + L); the last word alone may attend to all
    for layer, keys_values in zip(weights.layers.layers, reading.layers, strict=True):
        x = cached_layer(x, layer, config, keys_values, n, mask)
    y = x if weights.layers.norm is None else layer_norm(x, weights.layers.norm, config.eps)[0]
    logits, _ = tied_output(y, weights.embedding) if weights.output is None else linear(y, weights.output)
    return logits, reading._replace(n=n + L)


def check_batch(name: str, batch: tuple[int, ...], layers: tuple[KeysValues, ...]) -> None:
    """There must be as many sequences as the cache has; NumPy would broadcast a single one over all of them."""
    expected = layers[0].K.shape[:-3] if layers else batch
    if batch != expected:
        raise ValueError(f"{name}: got the batch axes {batch}, expected {expected}, those of what was read before")


def cached_layer(
    x: Array, layer: EncoderLayer, config: Config, keys_values: KeysValues, n: int, mask: Array | None
) -> Array:
    """`encoder_layer` for the positions from n on.  x: (..., L, d_model) -> (..., L, d_model)"""
    h, _, activation, norm_first, eps = config
    if norm_first:
        n1, _ = layer_norm(x, layer.norm1, eps)
        u = x + cached_attention(n1, layer.self_attention, h, keys_values, n, mask)
        n2, _ = layer_norm(u, layer.norm2, eps)
        f, _ = feed_forward(n2, layer.feed_forward, activation)
        return u + f
    a = cached_attention(x, layer.self_attention, h, keys_values, n, mask)
    u, _ = layer_norm(x + a, layer.norm1, eps)
    f, _ = feed_forward(u, layer.feed_forward, activation)
    return layer_norm(u + f, layer.norm2, eps)[0]


def cached_attention(
    x: Array, weights: MultiHead, h: int, keys_values: KeysValues, n: int, mask: Array | None
) -> Array:
    """`multi_head` for the positions from n on: their keys and values join those before, and their queries see all."""
    end = n + x.shape[-2]
    Q, K, V = (split_heads(linear(x, projection)[0], h) for projection in weights[:3])  # (..., h, L, d_k)
    keys_values.K[..., n:end, :] = K
    keys_values.V[..., n:end, :] = V
    heads, _ = attention(Q, keys_values.K[..., :end, :], keys_values.V[..., :end, :], mask)
    return linear(merge_heads(heads), weights.output)[0]
