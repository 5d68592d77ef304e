"""`decoding/`: what is written, word by word."""

import numpy as np
from bad_arguments.kinds import (
    ANYTHING,
    CALLABLE,
    Argument,
    Bad,
    given,
    ids,
    integer,
    internal,
    not_negative,
    row,
)

from minitransformer.decoding import beam_search

V, END = 4, 3
log_P = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.4, 0.1]], np.float32))
start = np.array([0, 1])


def step(words, state):
    """Whatever was read, the same comes next."""
    return log_P[words % 2], state


def reorder(state, places):
    return state


def one_row(good):
    """(n,) and nothing else."""
    array = ids(good)
    number = np.array(good[0])
    return array._replace(
        bad=(*array.bad, Bad("an axis more", good[None]), Bad("none", good[:0]), Bad("a number", number))
    )


searched = {
    "step": given(step, CALLABLE),
    "reorder": given(reorder, CALLABLE),
    "state": given(None, ANYTHING),
    "start": one_row(start),
    "end": integer(END, 0, V - 1),
    "longest": integer(3),
}
hypotheses = beam_search.Hypotheses(np.array([0, 1]), start[:, None], np.zeros(2))

ROWS = (
    row(beam_search.greedy, **searched),
    row(beam_search.beam_search, **searched, width=integer(2), alpha=not_negative(0.6)),
    internal(beam_search.best_continuations, log_P=log_P, sequence=np.array([0, 1]), width=2),
    internal(beam_search.likeliest, log_P=log_P[0], k=2),
    internal(beam_search.continued, hypotheses=hypotheses, places=np.array([1]), words=np.array([2]), log_P=log_P),
    internal(
        beam_search.still_open, hypotheses=hypotheses, ends=np.array([True, False]), finished=[[], []], divisor=3.0
    ),
    internal(beam_search.check_search, start=start, end=END, longest=3, width=2, alpha=0.6),
    row(
        beam_search.check_log_p,
        log_p=Argument(
            log_P,
            tuple(
                Bad(what, value)
                for what, value in {
                    "None": None,
                    "a list": log_P.tolist(),
                    "integers": log_P.astype(int),
                    "booleans": log_P < 0,
                    "complex numbers": log_P.astype(complex),
                    "an axis less": log_P[0],
                    "an axis more": log_P[None],
                    "one row": log_P[:1],
                    "rows too many": np.concatenate([log_P, log_P]),
                    "NaN": np.where(log_P == log_P[0, 0], np.nan, log_P),
                    "all -infinity": np.where(np.arange(2)[:, None] == 1, -np.inf, log_P),
                    "logits": log_P + 3,
                    "infinity": np.where(log_P == log_P[0, 0], np.inf, log_P),
                }.items()
            ),
            names=("log-probabilities",),
        ),
        N=given(2, "how many words `beam_search` has"),
        end=integer(END, 0, V - 1),
    ),
)
