"""Section 3.3.1, without a model: the word that stood most often between the same neighbours, on both sides."""

from typing import NamedTuple

import numpy as np

from minitransformer.models.ngram import MOST_CODES, codes

Array = np.ndarray

WIDTHS = (1, 2)  # words on each side; the better one on the validation text is taken


class Table(NamedTuple):
    """For each context that occurs, the word that occurs most often in it."""

    left: int  # words before
    right: int  # words after
    contexts: Array  # (n,), as numbers, sorted
    words: Array  # (n,)


def count(texts: list[Array], V: int, width: int) -> list[Table]:
    """A table for each number of words on either side up to `width`, the widest first.

    The last one has no words on either side: it knows the most frequent word. Contexts too
    long to fit in one integer, with a large vocabulary, are left out.
    """
    shapes = [(a, b) for a in range(width + 1) for b in range(width + 1) if int(V) ** (a + b) <= MOST_CODES]
    shapes.sort(key=lambda shape: (-min(shape), -sum(shape)))  # words on both sides tell most
    return [table(texts, V, left, right) for left, right in shapes]


def up_to(tables: list[Table], width: int) -> list[Table]:
    """Those that `count` gives for a smaller width, in the same order."""
    return [t for t in tables if max(t.left, t.right) <= width]


def table(texts: list[Array], V: int, left: int, right: int) -> Table:
    n = left + right + 1
    rows = [np.lib.stride_tricks.sliding_window_view(text, n) for text in texts if len(text) >= n]
    windows = np.concatenate(rows)  # (m, n)
    of_contexts = codes(np.delete(windows, left, axis=1), V)
    pairs, counts = np.unique(np.stack([of_contexts, windows[:, left]]), axis=1, return_counts=True)
    order = np.lexsort((-counts, pairs[0]))  # of each context the most frequent word first
    contexts, first = np.unique(pairs[0][order], return_index=True)
    return Table(left, right, contexts, pairs[1][order][first])


def guess(ids: Array, places: Array, tables: list[Table], V: int) -> Array:
    """The word at each place, from the widest context that was ever seen.

    ids: (B, L), with masks where words are to be guessed; places: (n,), counted row by row -> (n,)
    """
    rows, columns = np.divmod(places, ids.shape[1])
    guesses = np.full(len(places), -1)
    margin = max(t.left for t in tables)
    # beyond a row's ends is V - 1; it stands behind [CLS] or [SEP], which no table has, and so is never found
    padded = np.pad(ids, ((0, 0), (margin, margin)), constant_values=V - 1)
    for t in tables:
        offsets = np.delete(np.arange(-t.left, t.right + 1), t.left)  # (k,)
        contexts = codes(padded[rows[:, None], columns[:, None] + margin + offsets], V)
        found = np.minimum(np.searchsorted(t.contexts, contexts), len(t.contexts) - 1)
        fits = (guesses < 0) & (t.contexts[found] == contexts)
        guesses[fits] = t.words[found[fits]]
    return guesses
