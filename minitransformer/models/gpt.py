"""Section 3.4: GPT, a causal language model: each next token from all the tokens before it, by a Transformer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_tokens, check_truth
from minitransformer.equations.alibi import alibi_mask
from minitransformer.equations.attention import causal_mask
from minitransformer.equations.dropout import dropout, dropout_backward, dropping
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
from minitransformer.layers.past import Past
from minitransformer.layers.tied_output import TiedOutputCache, tied_output, tied_output_backward

Array = np.ndarray


class GPTBody(NamedTuple):
    """What every task has in common. The layers are those of the encoder: what makes them a decoder (3.4.1) is the
    causal mask alone."""

    embedding: Embedding  # E: (V, d_model)
    positions: LearnedPositions | None  # P: (context, d_model); None: sines and cosines, as in 4.3, or what Config says
    layers: Encoder


class GPT(NamedTuple):
    """The body, and on it the head that pretraining needs. `gpt_classifier.py` has another."""

    body: GPTBody
    output: Linear | None  # W: (d_model, V); None: tied to E


class GPTBodyCache(NamedTuple):
    embedding: EmbeddingCache
    positions: LearnedPositionsCache | None
    m: Array | None  # (..., L, d_model), dropout's mask
    layers: EncoderCache


class GPTCache(NamedTuple):
    body: GPTBodyCache
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
    h_kv: int | None = None,
) -> GPT:
    """context: for how many positions vectors are learned; None: sines and cosines, for any number of positions.

    tied: E scores the tokens too, and is drawn small enough for that (standard deviation 1/sqrt(d_model), so that the
    first logits are of order 1). final_norm: after the last layer, where pre-norm layers need one. h_kv: the
    number of heads of keys and values, as in `init_multi_head`.
    """
    check_truth("tied", tied)
    E = init_embedding(V, d_model, rng, dtype).E
    layers = init_encoder(n_layers, d_model, h, d_ff, rng, dtype, final_norm, h_kv)
    positions = None if context is None else init_learned_positions(context, d_model, rng, dtype)
    body = GPTBody(Embedding(E * E.dtype.type(d_model**-0.5) if tied else E), positions, layers)
    return GPT(body, None if tied else init_linear(d_model, V, rng, dtype))


def gpt_body(
    ids: Array,
    weights: GPTBody,
    config: Config,
    rng: np.random.Generator | None = None,
    past: tuple[Past, ...] | None = None,
) -> tuple[Array, GPTBodyCache]:
    """y_i, what is known about w_1, ..., w_i: embedding plus positions (3.1.1), layers under a causal mask (3.2.1).

    ids: (..., L) integers in [0, V) -> y: (..., L, d_model). past: of each layer the keys and values of the positions
    before these ones, as `decoding/key_value_cache.py` keeps them.
    """
    check_tokens("ids", ids, None)  # the embedding checks that they are in the vocabulary
    if weights.positions is not None and (config.rotary or config.alibi):
        raise ValueError("weights.positions: got learned positions, expected None where rotary or ALiBi tells them")
    n, L = past[0].n if past else 0, ids.shape[-1]
    E, embedding_cache = embedding(ids, weights.embedding)  # (..., L, d_model)
    if weights.positions is not None:
        x, positions_cache = learned_positions(E, weights.positions, n)
    elif config.rotary or config.alibi:
        x, positions_cache = E, None  # positions are told in the layers
    else:
        x, positions_cache = add_positions(E, n)
    dropped, m = dropout(x, dropping(config.dropout, rng))
    if config.alibi:
        mask = alibi_mask(config.h, L, n + L, E.real.dtype)[(None,) * (ids.ndim - 1)]  # a mask for each head
    else:
        mask = None if L == 1 else causal_mask(n + L)[n:]  # (L, n + L); a last token alone may attend to all
    y, layers_cache = encoder(dropped, weights.layers, config, mask, rng, past)
    return y, GPTBodyCache(embedding_cache, positions_cache, m, layers_cache)


def gpt_body_backward(dy: Array, cache: GPTBodyCache) -> GPTBody:
    """The forward, read from the bottom up. The ids have no gradient."""
    ddropped, dlayers = encoder_backward(dy, cache.layers)
    dx = dropout_backward(ddropped, cache.m)
    if cache.positions is None:
        dE, dpositions = add_positions_backward(dx, None), None
    else:
        dE, dpositions = learned_positions_backward(dx, cache.positions)
    return GPTBody(embedding_backward(dE, cache.embedding), dpositions, dlayers)


def gpt(
    ids: Array,
    weights: GPT,
    config: Config,
    rng: np.random.Generator | None = None,
    past: tuple[Past, ...] | None = None,
) -> tuple[Array, GPTCache]:
    """logits_i scores every token as the one after w_1, ..., w_i: softmax(logits_i) = P(w_{i+1} | w_1, ..., w_i).

    ids: (..., L) integers in [0, V) -> logits: (..., L, V). One pass predicts the next token at every position.
    """
    y, body_cache = gpt_body(ids, weights.body, config, rng, past)  # (..., L, d_model)
    if weights.output is None:
        logits, output_cache = tied_output(y, weights.body.embedding)
    else:
        logits, output_cache = linear(y, weights.output)
    return logits, GPTCache(body_cache, output_cache)


def gpt_backward(dlogits: Array, cache: GPTCache) -> GPT:
    """The forward, read from the bottom up. A tied E has two gradients."""
    if isinstance(cache.output, TiedOutputCache):
        dy, dtable = tied_output_backward(dlogits, cache.output)  # (..., L, d_model)
        doutput = None
    else:
        dy, doutput = linear_backward(dlogits, cache.output)  # (..., L, d_model)
        dtable = None
    dbody = gpt_body_backward(dy, cache.body)
    if dtable is None:
        return GPT(dbody, doutput)
    dE = dbody.embedding.E + dtable.E  # where tokens came in, and where they went out
    return GPT(dbody._replace(embedding=Embedding(dE)), None)
