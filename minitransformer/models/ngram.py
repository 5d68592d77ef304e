"""Section 2.1.2: the n-gram model, which predicts each token from the n - 1 tokens before it; the bigram has n = 2."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_choice, check_ids, check_integer, check_positive, check_row

Array = np.ndarray

MOST_CODES = 2**63 - 1  # an n-gram is one 64-bit number
PIECE = 1 << 20  # tokens that are counted at once
SMOOTHINGS = ("maximum likelihood", "add-k", "Kneser-Ney")


class Counts(NamedTuple):
    """How often each n-gram of one order occurs. An n-gram is written as one number with V as its base."""

    grams: Array  # (m,), sorted
    times: Array  # (m,), how often each occurs
    histories: Array  # (h,), sorted: the grams without their last token
    totals: Array  # (h,), how often each history is continued
    kinds: Array  # (h,), by how many different tokens


class NGram(NamedTuple):
    n: int
    V: int
    orders: tuple[Counts, ...]  # of 1-grams, 2-grams, ..., n-grams; for Kneser-Ney those below n count differently
    smoothing: str
    k: float  # of add-k
    discounts: tuple[float, ...]  # of Kneser-Ney, one for each order


def count_ngrams(ids: Array, V: int, n: int, smoothing: str = "Kneser-Ney", k: float = 0.1) -> NGram:
    """Count all n-grams of the text `ids`: (L,) integers in [0, V).

    Most n-grams never occur in a training text (the sparsity of 2.1.3), and a probability of 0 for one of them would
    make any text that has it impossible. What is done about it:

        "maximum likelihood"  nothing;
        "add-k"               every count is k larger than it is;
        "Kneser-Ney"          a part of each count is kept for the tokens that the model of order n - 1 expects.
    """
    check_integer("V", V, minimum=1)
    check_integer("n", n, minimum=1)
    check_row("ids", ids, V)
    check_smoothing(smoothing, k, V)
    if int(V) ** int(n) > MOST_CODES:  # with NumPy's integers the power would wrap around
        raise ValueError(f"n: got {n}, too large for {V} tokens: V^n must stay below 2^63")
    if len(ids) < n:
        raise ValueError(f"ids: got {len(ids)} of them, expected {n} or more, so that there is an n-gram")
    return of_all_orders(ids, int(V), int(n), smoothing, k)


def of_all_orders(ids: Array, V: int, n: int, smoothing: str, k: float) -> NGram:
    """The counts of every order, from the highest down. V and n are Python's integers."""
    orders = [order_counts(*count_runs(ids, V, n), V)]
    for order in range(n - 1, 0, -1):
        if smoothing == "Kneser-Ney":  # in how many contexts: of each kind of (order+1)-gram the end counts once
            counted = np.unique(orders[0].grams % V**order, return_counts=True)
        else:
            counted = count_runs(ids, V, order)
        orders.insert(0, order_counts(*counted, V))
    return NGram(n, V, tuple(orders), smoothing, k, tuple(map(discount, orders)))


def ngram_arrays(model: NGram) -> dict[str, Array]:
    """What has been counted, for a file: of each order the n-grams and how often each occurs."""
    numbers = {}
    for order, counts in enumerate(model.orders, start=1):
        numbers |= {f"grams.{order}": counts.grams, f"times.{order}": counts.times}
    return numbers


def ngram_from(arrays: dict[str, Array], n: int, V: int, smoothing: str, k: float) -> NGram:
    """The model again. Raises KeyError for an order that is missing, ValueError for what is no n-gram of V tokens."""
    check_integer("V", V, minimum=1)
    check_integer("n", n, minimum=1)
    check_smoothing(smoothing, k, V)
    size = int(V)
    orders = []
    for order in range(1, int(n) + 1):
        grams, times = arrays[f"grams.{order}"], arrays[f"times.{order}"]
        check_ids("grams", grams, size**order, ndim=1)
        check_ids("times", times, size=None, ndim=1)
        if len(grams) == 0 or grams.shape != times.shape or (np.diff(grams) <= 0).any():
            raise ValueError(f"grams: got {grams.shape} of order {order}, expected sorted ones, each with its count")
        orders.append(order_counts(grams, times, size))
    return NGram(int(n), size, tuple(orders), smoothing, k, tuple(map(discount, orders)))


def check_smoothing(smoothing: str, k: float, V: int) -> None:
    check_choice("smoothing", smoothing, SMOOTHINGS)
    check_positive("k", k)
    if not math.isfinite(float(k) * int(V)):  # what is added to all tokens together
        raise ValueError(f"k: got {k}, too large for {V} tokens: k V must be finite")


def count_runs(ids: Array, V: int, n: int) -> tuple[Array, Array]:
    """The different runs of n tokens, as sorted codes, and how often each occurs.

    A long text is counted piece by piece, so that what takes memory is what is found, not the text.
    """
    grams, times = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for piece in pieces(ids, n):
        new_grams, new_times = np.unique(codes(windows(piece, n), V), return_counts=True)
        both, indices = np.unique(np.concatenate([grams, new_grams]), return_inverse=True)
        sums = np.bincount(indices, np.concatenate([times, new_times]), len(both))
        grams, times = both, sums.astype(np.int64)
    return grams, times


def pieces(ids: Array, n: int) -> Iterator[Array]:
    """A long text in pieces that overlap, so that each run of n tokens stands in just one of them."""
    for start in range(0, len(ids) - n + 1, PIECE):
        yield ids[start : start + PIECE + n - 1]


def windows(ids: Array, n: int) -> Array:
    """All runs of n tokens.  -> (L - n + 1, n)"""
    return np.lib.stride_tricks.sliding_window_view(ids, n)


def codes(tokens: Array, V: int) -> Array:
    """Runs of tokens as numbers with base V.  tokens: (..., n) integers in [0, V), with V^n below 2^63 -> (...)"""
    code = np.zeros(tokens.shape[:-1], np.int64)
    for position in range(tokens.shape[-1]):
        code = code * V + tokens[..., position].astype(np.int64)  # mixing int64 and uint64 would give float64
    return code


def order_counts(grams: Array, times: Array, V: int) -> Counts:
    """The counts of one order, and what they say about each history."""
    histories, starts = np.unique(grams // V, return_index=True)
    totals = np.add.reduceat(times, starts)
    kinds = np.diff(starts, append=len(grams))
    return Counts(grams, times, histories, totals, kinds)


def discount(counts: Counts) -> float:
    """D = n_1 / (n_1 + 2 n_2), with n_c the number of n-grams that occur c times (Ney, Essen, Kneser 1994).

    In (0, 1): where it could not be computed, 1/2.
    """
    n_1, n_2 = (int((counts.times == c).sum()) for c in (1, 2))
    return n_1 / (n_1 + 2 * n_2) if n_1 and n_2 else 0.5


def look_up(keys: Array, values: Array, wanted: Array) -> Array:
    """The value of each wanted key, 0 for those that are not there. keys: sorted"""
    indices = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[indices] == wanted, values[indices], 0)


def ngram_probability(model: NGram, histories: Array, tokens: Array) -> Array:
    """P(w_i | w_1, ..., w_{i-1}) ~ P(w_i | w_{i-n+1}, ..., w_{i-1})  (2.1.2): the Markov assumption.

    histories: (..., n - 1), tokens: (...) integers in [0, V) -> (...). After fewer tokens, k of them, which have no
    further history, the counts of order k + 1 say it.

        maximum likelihood  count(h, w) / count(h), and 1/V after a history that never occurred;
        add-k               (count(h, w) + k) / (count(h) + k V);
        Kneser-Ney          max(count(h, w) - D, 0) / count(h) + D kinds(h) / count(h) P(w | h without its first token),
                            in which orders below n count in how many contexts an n-gram occurs, not how often, and
                            below order 1 all tokens are equally likely (Kneser, Ney 1995; interpolated).
    """
    check_ids("histories", histories, model.V, ndim=1)
    check_ids("tokens", tokens, model.V)
    if histories.shape[-1] > model.n - 1:
        raise ValueError(
            f"histories: got shape {histories.shape}, expected {model.n - 1} tokens or fewer on the last axis"
        )
    if model.smoothing == "Kneser-Ney":
        return kneser_ney(model, histories, tokens)
    h = codes(histories, model.V)
    counts = model.orders[histories.shape[-1]]
    times = look_up(counts.grams, counts.times, h * model.V + tokens.astype(np.int64))
    totals = look_up(counts.histories, counts.totals, h)
    if model.smoothing == "add-k":
        return (times + model.k) / (totals + model.k * model.V)
    return np.where(totals > 0, times / np.maximum(totals, 1), 1 / model.V)


def kneser_ney(model: NGram, histories: Array, tokens: Array) -> Array:
    """From order 1 up: each order adds what it has counted to what the one below expects."""
    L = histories.shape[-1]
    p = np.full(np.broadcast_shapes(histories.shape[:-1], tokens.shape), 1 / model.V)
    for order, counts, D in zip(range(1, L + 2), model.orders, model.discounts, strict=False):
        h = codes(histories[..., L + 1 - order :], model.V)
        times = look_up(counts.grams, counts.times, h * model.V + tokens.astype(np.int64))
        totals = look_up(counts.histories, counts.totals, h)
        kinds = look_up(counts.histories, counts.kinds, h)
        known = np.maximum(totals, 1)
        p = np.where(totals > 0, (np.maximum(times - D, 0) + D * kinds * p) / known, p)
    return p


def ngram_distribution(model: NGram, histories: Array) -> Array:
    """The probabilities of every token after each history.  histories: (..., n - 1) -> (..., V)"""
    check_ids("histories", histories, model.V, ndim=1)
    return ngram_probability(model, histories[..., None, :], np.arange(model.V))


def ngram_costs(ids: Array, model: NGram) -> Array:
    """-log P(w_i | w_{i-n+1}, ..., w_{i-1}), in nats, of each token that has a whole history.  (L,) -> (L - n + 1,)"""
    check_row("ids", ids, model.V)
    if len(ids) < model.n:
        raise ValueError(f"ids: got {len(ids)} of them, expected {model.n} or more, so that there is an n-gram")
    runs = windows(ids, model.n)
    with np.errstate(divide="ignore"):  # what maximum likelihood holds to be impossible costs infinitely much
        return -np.log(ngram_probability(model, runs[:, :-1], runs[:, -1]))


def ngram_loss(ids: Array, model: NGram) -> float:
    """-(1/m) sum_i log P(w_i | w_{i-n+1}, ..., w_{i-1}), in nats, over the m tokens that have a whole history."""
    return float(ngram_costs(ids, model).mean())
