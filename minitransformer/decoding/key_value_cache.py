"""Section 3.4.1, at inference: with the keys and values of what was read, the next token needs only its own query.

A prefill is a decode step of several tokens on an empty cache. The model is the one that is trained: see `past` there.
"""

import numpy as np

from minitransformer.checks import check_heads, check_integer, check_tokens
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.multi_head import heads_of_keys
from minitransformer.layers.past import Past, empty_past, further
from minitransformer.models.gpt import GPT, gpt

Array = np.ndarray


def empty_cache(batch: tuple[int, ...], context: int, weights: GPT, config: Config) -> tuple[Past, ...]:
    """Room for `context` positions in each layer. Learned positions limit the context to as many as there are."""
    check_integer("context", context, minimum=1)
    check_heads(config.h, "the layers", weights.body.embedding.E.shape[-1])
    positions = weights.body.positions
    if positions is not None and context > len(positions.P):
        raise ValueError(f"context: got {context}, expected at most {len(positions.P)}, as many as are learned")
    layers = weights.body.layers.layers
    if not layers:
        raise ValueError("weights: got no layers, expected one or more: without attention there is nothing to keep")
    attentions = (layer.self_attention for layer in layers)
    return tuple(empty_past(batch, context, heads_of_keys(a, config.h), a.key, a.value) for a in attentions)


def decode_step(ids: Array, past: tuple[Past, ...], weights: GPT, config: Config) -> tuple[Array, tuple[Past, ...]]:
    """The logits that `gpt` gives at these positions, after those of the past, without recomputing them.

    ids: (..., L) integers in [0, V), the next tokens -> logits: (..., L, V), and the past with them; the one that was
    given must not be used again, since its arrays have been written to. (To try several tokens from one past, copy its
    K and V.)
    """
    check_tokens("ids", ids, None)  # the embedding checks that they are in the vocabulary
    layers = weights.body.layers.layers
    if not isinstance(past, tuple) or len(past) != len(layers):
        given = f"{len(past)} layers" if isinstance(past, tuple) else type(past).__name__
        raise ValueError(f"past: got {given}, expected a past for each of {len(layers)} layers, as of `empty_cache`")
    n, (*batch, _, context, _) = past[0].n, past[0].K.shape
    L = ids.shape[-1]
    if ids.shape[:-1] != tuple(batch):
        expected = ", ".join(map(str, [*batch, "L"]))
        raise ValueError(f"ids: got shape {ids.shape}, expected ({expected}): as many sequences as were read before")
    if n + L > context:
        raise ValueError(f"ids: got {L} positions after {n}, expected at most {context} in all, the context")
    logits, _ = gpt(ids, weights, config, past=past)
    return logits, tuple(further(of_layer, L) for of_layer in past)
