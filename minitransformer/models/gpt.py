"""Section 3.4: GPT, a causal language model: each next word from all the words before it, by a Transformer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_tokens, check_truth
from minitransformer.equations.dropout import dropout, dropout_backward
from minitransformer.equations.masks import causal_mask
from minitransformer.equations.positional_encoding import add_positions, add_positions_backward
from minitransformer.layers.embedding import (
    Embedding,
    EmbeddingCache,
    embedding,
    embedding_backward,
    init_embedding,
)
from minitransformer.layers.encoder import Encoder, EncoderCache, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.learned_positions import (
    LearnedPositions,
    LearnedPositionsCache,
    init_learned_positions,
    learned_positions,
    learned_positions_backward,
)
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.tied_output import TiedOutputCache, tied_output, tied_output_backward

Array = np.ndarray


class GPT(NamedTuple):
    """The layers are those of the encoder: what makes them a decoder (3.4.1) is the causal mask alone."""

    embedding: Embedding  # E: (V, d_model)
    positions: LearnedPositions | None  # P: (context, d_model); None: sines and cosines, as in 4.3
    layers: Encoder
    output: Linear | None  # W: (d_model, V); None: tied to E


class GPTStatesCache(NamedTuple):
    embedding: EmbeddingCache
    positions: LearnedPositionsCache | None
    m: Array | None  # (..., L, d_model), dropout's mask
    layers: EncoderCache


class GPTCache(NamedTuple):
    states: GPTStatesCache
    output: LinearCache | TiedOutputCache


def init_gpt(
    V: int,
    n_layers: int,
    d_model: int,
    h: int,
    d_ff: int,
    rng: np.random.Generator,
    context: int | None = None,
    tied: bool = False,
    final_norm: bool = False,
    dtype: DTypeLike = np.float32,
) -> GPT:
    """context: for how many positions vectors are learned; None: sines and cosines, for as many as one likes.

    tied: E scores the words too, and is drawn small enough for that (standard deviation 1/sqrt(d_model), so that the
    first logits are of order 1). final_norm: after the last layer, where pre-norm layers need one.
    """
    check_truth("tied", tied)
    E = init_embedding(V, d_model, rng, dtype).E
    layers = init_encoder(n_layers, d_model, h, d_ff, rng, dtype, final_norm)
    return GPT(
        Embedding(E * E.dtype.type(d_model**-0.5) if tied else E),
        None if context is None else init_learned_positions(context, d_model, rng, dtype),
        layers,
        None if tied else init_linear(d_model, V, rng, dtype),
    )


def gpt_states(
    ids: Array, weights: GPT, config: Config, rng: np.random.Generator | None = None
) -> tuple[Array, GPTStatesCache]:
    """y_i, what is known about w_1, ..., w_i: embedding plus positions (3.1.1), layers under a causal mask (3.2.1).

    ids: (..., L) integers in [0, V) -> y: (..., L, d_model).
    """
    check_tokens("ids", ids, len(weights.embedding.E))
    E, embedding_cache = embedding(ids, weights.embedding)  # (..., L, d_model)
    if weights.positions is None:
        x, positions_cache = add_positions(E)
    else:
        x, positions_cache = learned_positions(E, weights.positions)
    dropped, m = dropout(x, config.rate, rng)
    mask = causal_mask(ids.shape[-1])  # (L, L)
    y, layers_cache = encoder(dropped, weights.layers, config, mask, rng=rng)
    return y, GPTStatesCache(embedding_cache, positions_cache, m, layers_cache)


def gpt_states_backward(dy: Array, cache: GPTStatesCache) -> GPT:
    """The forward, read from the bottom up, without the output, which it has not used. The ids have no gradient."""
    ddropped, dlayers = encoder_backward(dy, cache.layers)
    dx = dropout_backward(ddropped, cache.m)
    if cache.positions is None:
        dE, dpositions = add_positions_backward(dx, None), None
    else:
        dE, dpositions = learned_positions_backward(dx, cache.positions)
    dembedding = embedding_backward(dE, cache.embedding)
    return GPT(dembedding, dpositions, dlayers, None)


def gpt(ids: Array, weights: GPT, config: Config, rng: np.random.Generator | None = None) -> tuple[Array, GPTCache]:
    """logits_i scores every word as the one after w_1, ..., w_i: softmax(logits_i) = P(w_{i+1} | w_1, ..., w_i).

    ids: (..., L) integers in [0, V) -> logits: (..., L, V). One pass predicts the next word at every position.
    """
    y, states_cache = gpt_states(ids, weights, config, rng)  # (..., L, d_model)
    if weights.output is None:
        logits, output_cache = tied_output(y, weights.embedding)
    else:
        logits, output_cache = linear(y, weights.output)
    return logits, GPTCache(states_cache, output_cache)


def gpt_backward(dlogits: Array, cache: GPTCache) -> GPT:
    """The forward, read from the bottom up. A tied E has a second gradient, from where words go out."""
    if isinstance(cache.output, TiedOutputCache):
        dy, dembedding_out = tied_output_backward(dlogits, cache.output)  # (..., L, d_model)
        doutput = None
    else:
        dy, doutput = linear_backward(dlogits, cache.output)  # (..., L, d_model)
        dembedding_out = None
    dstates = gpt_states_backward(dy, cache.states)
    if dembedding_out is None:
        return dstates._replace(output=doutput)
    return dstates._replace(embedding=Embedding(dstates.embedding.E + dembedding_out.E))
