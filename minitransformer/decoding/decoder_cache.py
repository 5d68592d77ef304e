"""Sections 3.2 and 6.1, at inference: the decoder writes token by token, with the keys and values that it needs again.

Of each layer it keeps two sets: the memory's, computed once for a source, and those of the tokens written so far.
"""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_tokens
from minitransformer.equations.blockwise_attention import attention_weights
from minitransformer.layers.decoder import decoder
from minitransformer.layers.decoder_layer import DecoderLayer, DecoderPast, Masks
from minitransformer.layers.encoder import encoder
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import linear
from minitransformer.layers.multi_head import heads_of_keys
from minitransformer.layers.past import empty_past, further, past_of
from minitransformer.layers.tied_output import tied_output
from minitransformer.models.transformer import Transformer, embed_tokens, source_mask, target_table
from minitransformer.tree import tree_map

Array = np.ndarray


class Decoding(NamedTuple):
    """What the decoder has before it: N sources, and of each target the first n tokens."""

    n: int
    mask: Array | None  # (N, 1, L_s), which tokens of each source are no padding
    nothing: Array  # (N, 0, d_model): the memory is in the past, and nothing is added to it
    past: tuple[DecoderPast, ...]  # of each layer, with room for `longest` tokens of the target


def prefill(
    source: Array, weights: Transformer, config: Config, longest: int, lengths: Array | None = None
) -> Decoding:
    """Read N sources, (N, L_s) integers of which the first `lengths` are no padding; nothing is written yet."""
    check_tokens("source", source, len(weights.source.E))
    if source.ndim != 2:
        raise ValueError(f"source: got shape {source.shape}, expected 2 axes, sources and positions")
    check_integer("longest", longest, minimum=1)
    if not weights.decoder.layers:
        raise ValueError("weights: got no layers, expected one or more: without attention there is nothing to keep")
    mask = source_mask(source, lengths)  # (N, 1, L_s)
    x, _ = embed_tokens(source, weights.source)
    memory, _ = encoder(x, weights.encoder, config, mask)  # (N, L_s, d_model)

    def past(layer: DecoderLayer) -> DecoderPast:
        own, cross = layer.self_attention, layer.cross_attention
        return DecoderPast(
            empty_past((len(source),), longest, heads_of_keys(own, config.h), own.key, own.value),
            past_of(memory, heads_of_keys(cross, config.h), cross.key, cross.value),
        )

    return Decoding(0, mask, memory[:, :0], tuple(map(past, weights.decoder.layers)))


def decode_step(
    tokens: Array, decoding: Decoding, weights: Transformer, config: Config
) -> tuple[Array, Decoding, tuple[Array, ...]]:
    """The logits that `transformer` gives after these tokens, one more of each target.

    tokens: (N,) integers -> logits: (N, V_t), the decoding with them, and of each layer how the token attended to the
    source, (N, h, L_s). The decoding that was given must not be used again, since its arrays have been written to.
    """
    table = target_table(weights)
    check_ids("tokens", tokens, len(table.E), ndim=1)
    n, mask, nothing, past = decoding
    if tokens.shape != nothing.shape[:1]:
        raise ValueError(f"tokens: got shape {tokens.shape}, expected {nothing.shape[:1]}, one for each source")
    layers = weights.decoder.layers
    if len(past) != len(layers):
        raise ValueError(f"decoding: got {len(past)} layers, expected {len(layers)}, as of `prefill`")
    longest = past[0].target.K.shape[-2]
    if n >= longest:
        raise ValueError(f"tokens: got one more after {n}, expected {longest} in all, the longest target, at most")
    z, _ = embed_tokens(tokens[:, None], table, start=n)  # (N, 1, d_model)
    y, cache = decoder(z, nothing, weights.decoder, config, Masks(memory=mask), past=past)
    logits, _ = tied_output(y, table) if weights.output is None else linear(y, weights.output)
    alphas = tuple(attention_weights(layer.cross_attention.attention)[:, :, 0] for layer in cache.layers)
    longer = tuple(of_layer._replace(target=further(of_layer.target, 1)) for of_layer in past)
    return logits[:, 0], decoding._replace(n=n + 1, past=longer), alphas


def reorder(decoding: Decoding, order: Array) -> Decoding:
    """The decoding whose sequence i goes on from the old sequence order[i]: what a beam search keeps of it."""
    check_ids("order", order, len(decoding.nothing), ndim=1)
    return tree_map(lambda leaf: leaf[order] if isinstance(leaf, np.ndarray) else leaf, decoding)
