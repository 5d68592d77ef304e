"""Batches of sentences of about equal length, so that little is computed on padding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minitransformer.data.batches import padded
from minitransformer.equations.cross_entropy import IGNORE
from minitransformer.tasks.translation.language import Language
from minitransformer.tasks.translation.pairs import Pairs
from minitransformer.training.loop import NextBatch

Array = np.ndarray

POOL = 50  # batches that are drawn together and sorted by length

Encoded = list[tuple[Array, Array]]  # (source, target), as ids


class Batch(NamedTuple):
    source: Array  # (B, L_s)
    lengths: Array  # (B,), words of each source; what follows is padding
    inputs: Array  # (B, L_t), the target from the start word on
    targets: Array  # (B, L_t), the word after each input; IGNORE where there is none


def source_batch(rows: Sequence[Array], language: Language, at_start: bool = False) -> tuple[Array, Array]:
    """Each sentence, as its words' ids, with its end word: (B, L_s), and the lengths (B,) without the padding.

    The padding, more end words, follows the sentence, or, `at_start`, comes before it.
    """
    ended = [np.append(words, language.end) for words in rows]
    lengths = np.array([len(words) for words in ended])
    return padded(ended, language.end, at_start), lengths


def target_batch(rows: Sequence[Array], language: Language) -> tuple[Array, Array]:
    """Inputs and targets for teacher forcing: what stands before each word, and the word."""
    inputs = padded([np.append(language.start, words) for words in rows], language.end)
    targets = padded([np.append(words, language.end) for words in rows], IGNORE)
    return inputs, targets


def n_targets(batch: Batch) -> int:
    """The number of target words, including each sentence's end."""
    return int((batch.targets != IGNORE).sum())


def next_batch(pairs: Pairs, B: int, seed: int, at_start: bool = False) -> NextBatch:
    """Some batches are drawn together, sorted by length, cut, and taken in random order.

    Which sentences batch number i has depends on the seed and on i alone: a training that is resumed draws the same.
    """
    pool: dict[int, list[Encoded]] = {}

    def batch(number: int, rng: np.random.Generator) -> Batch:
        key = number // POOL
        if key not in pool:
            pool.clear()
            pool[key] = draw_pool(pairs, B, np.random.default_rng((seed, key)))
        sources, targets = zip(*pool[key][number % POOL], strict=True)
        return Batch(*source_batch(sources, pairs.source, at_start), *target_batch(targets, pairs.target))

    return batch


def draw_pool(pairs: Pairs, B: int, rng: np.random.Generator) -> list[Encoded]:
    """POOL batches of B pairs, each of about one length."""
    drawn = pairs.draw(POOL * B, rng)
    encoded = [(pairs.source.encode(source), pairs.target.encode(target)) for source, target in drawn]
    by_length = sorted(encoded, key=lambda pair: (len(pair[1]), len(pair[0])))
    batches = [by_length[i : i + B] for i in range(0, len(by_length), B)]
    return [batches[i] for i in rng.permutation(len(batches))]
