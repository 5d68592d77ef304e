"""Sections 3.2 and 6.1, read forward: the decoder writes word by word, with the keys and values that it needs again.

Of each layer it keeps two sets: the memory's, computed once for a source, and those of the words written so far.
"""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_tokens
from minitransformer.decoding.key_value_cache import KeysValues, cached_attention, check_batch
from minitransformer.equations.attention import attention
from minitransformer.equations.heads import merge_heads, split_heads
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.layers.decoder_layer import DecoderLayer
from minitransformer.layers.encoder import encoder
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.feed_forward import feed_forward
from minitransformer.layers.layer_norm import layer_norm
from minitransformer.layers.linear import linear
from minitransformer.layers.multi_head import MultiHead
from minitransformer.layers.tied_output import tied_output
from minitransformer.models.transformer import Transformer, embed_words, source_mask, target_table
from minitransformer.tree import tree_map

Array = np.ndarray


class LayerKeysValues(NamedTuple):
    memory: KeysValues  # of the source, (N, h, L_s, d_k)
    written: KeysValues  # of the target so far, with room for `longest` words, filled in place


class Writing(NamedTuple):
    """What the decoder has before it: N sources, and of each target the first n words."""

    n: int
    mask: Array | None  # (N, 1, 1, L_s), which words of each source are no padding
    layers: tuple[LayerKeysValues, ...]


def start_writing(
    source: Array, weights: Transformer, config: Config, longest: int, lengths: Array | None = None
) -> Writing:
    """Read N sources, (N, L_s) integers of which the first `lengths` are no padding; nothing is written yet."""
    check_tokens("source", source, len(weights.source.E))
    if source.ndim != 2:
        raise ValueError(f"source: got shape {source.shape}, expected 2 axes, sources and positions")
    check_integer("longest", longest, minimum=1)
    mask = source_mask(source, lengths)  # (N, 1, L_s)
    x, _ = embed_words(source, weights.source)
    memory, _ = encoder(x, weights.encoder, config, mask)  # (N, L_s, d_model)

    def keys_values(layer: DecoderLayer) -> LayerKeysValues:
        cross, own = layer.cross_attention, layer.self_attention
        K, V = (split_heads(linear(memory, projection)[0], config.h) for projection in (cross.key, cross.value))
        room = [np.zeros((len(source), config.h, longest, len(p.b) // config.h), memory.dtype) for p in own[1:3]]
        return LayerKeysValues(KeysValues(K, V), KeysValues(*room))

    over_heads = None if mask is None else mask[:, None]
    return Writing(0, over_heads, tuple(map(keys_values, weights.decoder.layers)))


def write_on(
    words: Array, writing: Writing, weights: Transformer, config: Config
) -> tuple[Array, Writing, tuple[Array, ...]]:
    """The logits that `transformer` gives after these words, one more of each target.

    words: (N,) integers -> logits: (N, V_t), the writing with them, and of each layer how the word attended to the
    source, (N, h, L_s). The writing that was given must not be used again, since its room is now theirs.
    """
    table = target_table(weights)
    check_ids("words", words, len(table.E), ndim=1)
    check_batch("words", words.shape, tuple(layer.memory for layer in writing.layers))
    n, d_model = writing.n, table.E.shape[-1]
    longest = writing.layers[0].written.K.shape[-2]
    if n >= longest:
        raise ValueError(f"words: got one more after {n}, expected {longest} in all, the longest target, at most")
    P = positional_encoding(n + 1, d_model, table.E.dtype)[n]
    y = (table.E[words] * d_model**0.5 + P)[:, None]  # (N, 1, d_model)
    looks = []
    for layer, keys_values in zip(weights.decoder.layers, writing.layers, strict=True):
        y, look = cached_decoder_layer(y, layer, config, keys_values, writing)
        looks.append(look)
    if weights.decoder.norm is not None:
        y, _ = layer_norm(y, weights.decoder.norm, config.eps)
    logits, _ = tied_output(y, table) if weights.output is None else linear(y, weights.output)
    return logits[:, 0], writing._replace(n=n + 1), tuple(looks)


def reorder(writing: Writing, places: Array) -> Writing:
    """The writing whose sequence i goes on from the old sequence places[i]: what a beam search keeps of it."""
    check_ids("places", places, len(writing.layers[0].memory.K), ndim=1)
    mask, layers = tree_map(lambda array: array[places], (writing.mask, writing.layers))
    return Writing(writing.n, mask, layers)


def cached_decoder_layer(
    x: Array, layer: DecoderLayer, config: Config, keys_values: LayerKeysValues, writing: Writing
) -> tuple[Array, Array]:
    """`decoder_layer` for one position.  x: (N, 1, d_model) -> y: (N, 1, d_model), and the weights of its look at the
    source, (N, h, L_s)"""
    h, _, activation, norm_first, eps = config
    memory, written = keys_values
    if norm_first:
        n1, _ = layer_norm(x, layer.norm1, eps)
        u = x + cached_attention(n1, layer.self_attention, h, written, writing.n, None)
        n2, _ = layer_norm(u, layer.norm2, eps)
        c, look = memory_attention(n2, layer.cross_attention, h, memory, writing.mask)
        v = u + c
        n3, _ = layer_norm(v, layer.norm3, eps)
        return v + feed_forward(n3, layer.feed_forward, activation)[0], look
    a = cached_attention(x, layer.self_attention, h, written, writing.n, None)
    u, _ = layer_norm(x + a, layer.norm1, eps)
    c, look = memory_attention(u, layer.cross_attention, h, memory, writing.mask)
    v, _ = layer_norm(u + c, layer.norm2, eps)
    f, _ = feed_forward(v, layer.feed_forward, activation)
    return layer_norm(v + f, layer.norm3, eps)[0], look


def memory_attention(
    x: Array, weights: MultiHead, h: int, memory: KeysValues, mask: Array | None
) -> tuple[Array, Array]:
    """`multi_head` with keys and values that are there already."""
    Q = split_heads(linear(x, weights.query)[0], h)  # (N, h, 1, d_k)
    heads, cache = attention(Q, memory.K, memory.V, mask)
    y, _ = linear(merge_heads(heads), weights.output)
    return y, cache.attend.alpha[:, :, 0]
