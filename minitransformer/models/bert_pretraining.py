"""Sections 2.3.1 and 3.3: BERT as it is pretrained, by guessing masked words and whether sentences follow."""

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

FOLLOWS, ELSEWHERE = 0, 1  # what `next_logits` score: the second segment follows the first one, or is from elsewhere


class BertPretraining(NamedTuple):
    bert: Bert
    word: MLMHead
    pooler: Linear  # W: (d_model, d_model)
    next: Linear  # W: (d_model, 2)


class Guesses(NamedTuple):
    word_logits: Array  # (n, V), of each masked place
    next_logits: Array  # (..., 2)


class BertPretrainingCache(NamedTuple):
    bert: BertCache
    shape: tuple[int, ...]  # of y
    places: Array  # (n,)
    word: MLMHeadCache
    pooler: PoolerCache
    next: LinearCache


def init_bert_pretraining(body: Bert, rng: np.random.Generator) -> BertPretraining:
    """Both heads, on a BERT that has learned nothing yet."""
    words = body.embedding.words.E
    V, d_model = words.shape
    return BertPretraining(
        body,
        init_mlm_head(V, d_model, rng, words.dtype),
        init_linear(d_model, d_model, rng, words.dtype),
        init_linear(d_model, 2, rng, words.dtype),
    )


def bert_pretraining(
    ids: Array,
    segments: Array,
    lengths: Array | None,
    places: Array,
    weights: BertPretraining,
    config: Config,
    rng: np.random.Generator | None = None,
) -> tuple[Guesses, BertPretrainingCache]:
    """Scores of the words that may stand at the masked places (3.3.1), and of FOLLOWS and ELSEWHERE (3.3.2).

    ids, segments, lengths: as in `bert`; places: (n,), different numbers of places, counted through the whole batch row
    by row. Only there are words scored: the other places, some 85%, have no loss, and a score of V words is dear.
    """
    y, bert_cache = bert(ids, segments, lengths, weights.bert, config, rng)  # (..., L, d_model)
    rows = y.reshape(-1, y.shape[-1])  # (N, d_model)
    check_ids("places", places, len(rows))
    if len(np.unique(places)) < len(places):
        raise ValueError(f"places: got {len(places)}, some of them repeated, expected each position once")
    masked = rows[places]  # (n, d_model)
    words = weights.bert.embedding.words
    word_logits, word_cache = mlm_head(masked, weights.word, words, config.activation, config.eps)
    p, pooler_cache = pooler(y, weights.pooler)  # (..., d_model)
    next_logits, next_cache = linear(p, weights.next)  # (..., 2)
    cache = BertPretrainingCache(bert_cache, y.shape, places, word_cache, pooler_cache, next_cache)
    return Guesses(word_logits, next_logits), cache


def bert_pretraining_backward(dguesses: Guesses, cache: BertPretrainingCache) -> BertPretraining:
    """The forward, read from the bottom up: both heads send their gradient into the same encoder, where they add.

    The table of words has two gradients, from where words go out and from where they come in.
    """
    dp, dnext = linear_backward(dguesses.next_logits, cache.next)
    dy_pooled, dpooler = pooler_backward(dp, cache.pooler)
    dmasked, dword, dwords_out = mlm_head_backward(dguesses.word_logits, cache.word)
    drows = np.zeros((int(np.prod(cache.shape[:-1])), cache.shape[-1]), dmasked.dtype)
    drows[cache.places] = dmasked  # each place once, so nothing is overwritten
    dy = dy_pooled + drows.reshape(cache.shape)
    dbert = bert_backward(dy, cache.bert)
    dwords = Embedding(dbert.embedding.words.E + dwords_out.E)
    dtied = dbert._replace(embedding=dbert.embedding._replace(words=dwords))
    return BertPretraining(dtied, dword, dpooler, dnext)
