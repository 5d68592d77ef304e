"""Sections 6.1 and 2.2.2: the likeliest translation, looked for among a few beginnings at a time.

No model is named here: any that reads one more token of many sequences at once can be searched.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import (
    FLOATS,
    HALF,
    check_floats,
    check_integer,
    check_not_negative,
    check_reals,
    check_row,
)

Array = np.ndarray

Step = Callable[[Array, Any], tuple[Array, Any]]  # one more token of each, (N,) -> log P of the next one, (N, V)
Reorder = Callable[[Any, Array], Any]  # state, indices -> the state whose sequence i is the old sequence indices[i]

SLACK = 1e-2  # how far above 0 a log-probability in half precision may be rounded


class Hypothesis(NamedTuple):
    """A finished one: w_1, ..., w_n = end, with n - 1 tokens before the end."""

    ids: Array  # (n - 1,), the tokens, without start and end
    score: float  # log P / n^alpha: the end is a token, too
    log_probability: float  # log P, of the tokens and the end


class OpenHypotheses(NamedTuple):
    """The unfinished ones of all sequences, N together: sequence by sequence, the likeliest of each first."""

    sequence: Array  # (N,), to which of the B sequences each belongs
    tokens: Array  # (N, n), the start and the n - 1 tokens after it
    log_probability: Array  # (N,), of those tokens


def greedy(step: Step, reorder: Reorder, state: Any, start: Array, end: int, longest: int) -> list[Hypothesis]:
    """Always the likeliest token, without a look at what can come of it: beam search with one hypothesis.

    `beam_search` says what the arguments are; the score is log P.
    """
    return beam_search(step, reorder, state, start, end, longest, width=1, alpha=0.0)


def beam_search(
    step: Step,
    reorder: Reorder,
    state: Any,
    start: Array,
    end: int,
    longest: int,
    width: int = 4,
    alpha: float = 0.6,
) -> list[Hypothesis]:
    """The best that is found of each of B sequences: w_1, ..., w_n = end, n <= longest, with a high log P / n^alpha.

    step(tokens, state) reads one more token of each of N sequences, (N,), and gives log P of the next one, (N, V), and
    the new state; reorder(state, indices) gives the state whose sequence i is the old sequence indices[i], of which
    some come twice and others not at all. state: before the first token of B sequences; start: (B,) ids, that first
    token. A state that was given to either is not used again.

    Of each sequence, the `width` likeliest of all continuations of its open hypotheses are kept. Those that write `end`
    are finished, the others are open. A sequence is done, and costs no more time, when none is open, or when max log P
    of the open ones / longest^alpha is no more than the best finished score: log P only falls and n^alpha only grows,
    so nothing better can come. (To stop as soon as `width` are finished would be wrong: a model that is sure of its
    tokens fills the beam with hypotheses that end too early, and those ends come first.)

    Token number `longest` can only be `end`: whatever is still open gets it there, however unlikely it is, and so
    every result is finished and has `longest` - 1 ids at most. (If the model rules out every end, log P is -inf and the
    ids are those of the likeliest open hypothesis.) A token of probability 0 is never written elsewhere.

    Of equally likely continuations the one of the earlier hypothesis stays, then the one with the lower token id; of
    equal scores the hypothesis that was finished first.

    log P alone (alpha = 0) favours short translations, for every token costs; alpha = 1 takes the mean per token. Wu et
    al. 2016 divide by ((5 + n) / 6)^alpha instead, which is gentler with the shortest ones.
    """
    check_search(start, end, longest, width, alpha)
    B = len(start)
    hypotheses = OpenHypotheses(np.arange(B), start.astype(np.int64)[:, None], np.zeros(B))
    finished: list[list[Hypothesis]] = [[] for _ in range(B)]
    for n in range(1, int(longest) + 1):
        log_p, state = step(hypotheses.tokens[:, -1], state)
        N = len(hypotheses.tokens)
        check_log_p(log_p, N, end)
        log_P = hypotheses.log_probability[:, None] + log_p  # (N, V), float64 whatever the model's precision is
        if n < longest:
            indices, tokens = best_continuations(log_P, hypotheses.sequence, int(width))
        else:
            indices, tokens = np.arange(N), np.full(N, end)
        longer = continued(hypotheses, indices, tokens, log_P)
        ends = tokens == end
        for i in np.flatnonzero(ends):
            whole = float(longer.log_probability[i])
            finished[longer.sequence[i]].append(Hypothesis(longer.tokens[i, 1:-1], float(whole / n**alpha), whole))
        still = still_open(longer, ends, finished, longest**alpha)
        if len(still) == 0:
            break
        if not np.array_equal(indices[still], np.arange(N)):  # a state can be large: not copied if nothing moved
            state = reorder(state, indices[still])
        hypotheses = OpenHypotheses(*(column[still] for column in longer))
    return [max(of_one, key=lambda h: h.score) for of_one in finished]  # of equals, max gives the first


def best_continuations(log_P: Array, sequence: Array, width: int) -> tuple[Array, Array]:
    """Of each sequence the `width` likeliest ways to go on, or as many as are possible.

    log_P: (N, V), of each hypothesis with each next token; sequence: (N,) -> which hypotheses, (M,), and the next
    token of each, (M,): sequence by sequence, the likeliest first.
    """
    V = log_P.shape[1]
    indices = []
    tokens = []
    for b in np.unique(sequence):
        own = np.flatnonzero(sequence == b)
        best = likeliest(log_P[own].ravel(), width)
        indices.append(own[best // V])
        tokens.append(best % V)
    return np.concatenate(indices), np.concatenate(tokens)


def likeliest(log_P: Array, k: int) -> Array:
    """The indices of the k largest numbers above -inf, the largest first, of equal ones the earlier first.

    log_P: (m,) -> (k,), or fewer. What is sorted is a handful: a whole vocabulary would take most of a search's time.
    """
    threshold = np.partition(log_P, -k)[-k] if k < len(log_P) else -np.inf
    enough = np.flatnonzero((log_P >= threshold) & (log_P > -np.inf))  # k, and what is equal to the last of them
    by_likelihood = np.argsort(-log_P[enough], kind="stable")
    return enough[by_likelihood[:k]]


def continued(hypotheses: OpenHypotheses, indices: Array, tokens: Array, log_P: Array) -> OpenHypotheses:
    """The hypotheses with these indices, each with one more token.  indices, tokens: (M,); log_P: (N, V)"""
    return OpenHypotheses(
        hypotheses.sequence[indices],
        np.column_stack((hypotheses.tokens[indices], tokens)),
        log_P[indices, tokens],
    )


def still_open(hypotheses: OpenHypotheses, ends: Array, finished: list[list[Hypothesis]], divisor: float) -> Array:
    """The indices of the hypotheses that have not ended and whose sequence is not done.

    ends: (M,) booleans; divisor: longest^alpha, the largest that log P can be divided by.
    """
    unended = np.flatnonzero(~ends)
    sequences, first = np.unique(hypotheses.sequence[unended], return_index=True)  # the first is the likeliest
    best_scores = hypotheses.log_probability[unended[first]] / divisor  # what each sequence may still reach
    going_on = [b for b, best in zip(sequences, best_scores, strict=True) if all(h.score < best for h in finished[b])]
    return unended[np.isin(hypotheses.sequence[unended], going_on)]


def check_search(start: Array, end: int, longest: int, width: int, alpha: float) -> None:
    check_row("start", start)
    check_integer("end", end, minimum=0)
    check_integer("longest", longest, minimum=1)
    check_integer("width", width, minimum=1)
    check_not_negative("alpha", alpha)


def check_log_p(log_p: Array, N: int, end: int) -> None:
    """What `step` gives must be log-probabilities of the next token after each of N, and know the end."""
    check_floats("log-probabilities", log_p, ndim=2, kinds=HALF + FLOATS)  # they are summed in float64
    if log_p.ndim != 2:
        raise ValueError(f"log-probabilities: got shape {log_p.shape}, expected 2 axes")
    check_reals("log-probabilities", log_p)
    if len(log_p) != N:
        raise ValueError(f"log-probabilities: got shape {log_p.shape}, expected {N} rows, one for each token read")
    check_integer("end", end, minimum=0)
    if end >= log_p.shape[1]:
        raise ValueError(f"end: got {end}, expected 0 to {log_p.shape[1] - 1}, one of the tokens")
    highest = log_p.max(axis=1)  # (N,), NaN if one is NaN
    wrong = highest[~((highest > -np.inf) & (highest <= SLACK))]
    if len(wrong):
        raise ValueError(f"log-probabilities: got {wrong[0]} as the highest of a row, expected a number of 0 or less")
