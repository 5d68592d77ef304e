"""Sections 2.3.1 and 3.3: BERT as it is pretrained, by guessing masked tokens and whether sentences follow."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_ids
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import Linear, LinearCache, init_linear, linear, linear_backward
from minitransformer.layers.mlm_head import (
    MLMHead,
    MLMHeadCache,
    init_mlm_head,
    mlm_head,
    mlm_head_backward,
)
from minitransformer.layers.pooler import PoolerCache, pooler, pooler_backward
from minitransformer.models.bert import Bert, BertCache, bert, bert_backward

Array = np.ndarray

IS_NEXT, NOT_NEXT = 0, 1  # what `next_logits` score: the second segment is the next sentence, or is not


class BertPretraining(NamedTuple):
    bert: Bert
    token: MLMHead
    pooler: Linear  # W: (d_model, d_model)
    next: Linear  # W: (d_model, 2)


class Guesses(NamedTuple):
    token_logits: Array  # (n, V), of each masked position
    next_logits: Array  # (..., 2)


class BertPretrainingCache(NamedTuple):
    bert: BertCache
    shape: tuple[int, ...]  # of y
    positions: Array  # (n,)
    token: MLMHeadCache
    pooler: PoolerCache
    next: LinearCache


def init_bert_pretraining(body: Bert, rng: np.random.Generator) -> BertPretraining:
    """Both heads, on a BERT that has learned nothing yet."""
    E = body.embedding.tokens.E
    V, d_model = E.shape
    return BertPretraining(
        body,
        init_mlm_head(V, d_model, rng, E.dtype),
        init_linear(d_model, d_model, rng, E.dtype),
        init_linear(d_model, 2, rng, E.dtype),
    )


def bert_pretraining(
    ids: Array,
    segments: Array,
    lengths: Array | None,
    positions: Array,
    weights: BertPretraining,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[Guesses, BertPretrainingCache]:
    """Scores of the tokens that may stand at the masked positions (3.3.1), and of IS_NEXT and NOT_NEXT (3.3.2).

    ids, segments, lengths: as in `bert`; positions: (n,), different ones, counted through the whole batch row by row.
    Only there are tokens scored: the other positions, some 85%, have no loss, and a score of V tokens is dear.
    """
    y, bert_cache = bert(ids, segments, lengths, weights.bert, config, rng)  # (..., L, d_model)
    rows = y.reshape(-1, y.shape[-1])  # (N, d_model)
    check_ids("positions", positions, len(rows))
    if len(np.unique(positions)) < len(positions):
        raise ValueError(f"positions: got {len(positions)}, some of them repeated, expected each position once")
    masked = rows[positions]  # (n, d_model)
    embedding = weights.bert.embedding.tokens
    token_logits, token_cache = mlm_head(masked, weights.token, embedding, config.activation, config.eps)
    p, pooler_cache = pooler(y, weights.pooler)  # (..., d_model)
    next_logits, next_cache = linear(p, weights.next)  # (..., 2)
    cache = BertPretrainingCache(bert_cache, y.shape, positions, token_cache, pooler_cache, next_cache)
    return Guesses(token_logits, next_logits), cache


def bert_pretraining_backward(dguesses: Guesses, cache: BertPretrainingCache) -> BertPretraining:
    """The forward, read from the bottom up: both heads send their gradient into the same encoder, where they add.

    The table of tokens has two gradients, from where tokens go out and from where they come in.
    """
    dp, dnext = linear_backward(dguesses.next_logits, cache.next)
    dy_pooled, dpooler = pooler_backward(dp, cache.pooler)
    dmasked, dtoken, dtokens_out = mlm_head_backward(dguesses.token_logits, cache.token)
    drows = np.zeros((int(np.prod(cache.shape[:-1])), cache.shape[-1]), dmasked.dtype)
    drows[cache.positions] = dmasked  # each position once, so nothing is overwritten
    dy = dy_pooled + drows.reshape(cache.shape)
    dbert = bert_backward(dy, cache.bert)
    dtokens = Embedding(dbert.embedding.tokens.E + dtokens_out.E)
    dtied = dbert._replace(embedding=dbert.embedding._replace(tokens=dtokens))
    return BertPretraining(dtied, dtoken, dpooler, dnext)
