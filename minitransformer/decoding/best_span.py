"""Section 3.5.1: the best answer that can be cut out of a text, or none."""

from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_integer, check_reals, check_shape

Array = np.ndarray


class BestSpan(NamedTuple):
    start: int
    end: int  # the last position of the answer, no earlier than its start
    score: float  # how much better it is than no answer; at 0 or below, no answer is better


def best_span(scores: Array, allowed: Array, longest: int) -> BestSpan | None:
    """argmax of scores_1i + scores_2j over allowed pairs i <= j < i + longest (Devlin et al. 2019, 4.3).

    scores: (2, L), of starts and ends; the first position stands for no answer, and its score, as start and as end, is
    subtracted from the answer's. allowed: (L,), boolean, the positions of the text. -> None if no position is allowed.
    Of equally good pairs the first is chosen. Raises ValueError if scores at allowed positions, or at the first one,
    are not finite; the other scores have no influence.
    """
    check_integer("longest", longest, minimum=1)
    check_allowed(allowed, scores)
    if not allowed.any():
        return None
    start, end = np.where(allowed, scores, -np.inf)
    sums = start[:, None] + end  # (L, L)
    positions = np.arange(len(allowed))
    length = positions - positions[:, None] + 1  # of the answer from row to column
    possible = np.where((length >= 1) & (length <= longest), sums, -np.inf)
    i, j = np.unravel_index(possible.argmax(), possible.shape)
    return BestSpan(int(i), int(j), float(possible[i, j] - scores[:, 0].sum()))


def check_allowed(allowed: Array, scores: Array) -> None:
    """`allowed` must be boolean, and all scores that are used must be finite and real."""
    if not isinstance(allowed, np.ndarray) or allowed.dtype != np.bool_:
        given = f"dtype {allowed.dtype}" if isinstance(allowed, np.ndarray) else type(allowed).__name__
        raise TypeError(f"allowed: got {given}, expected a boolean array")
    if allowed.ndim != 1:
        raise ValueError(f"allowed: got shape {allowed.shape}, expected one axis")
    check_shape("scores", scores, (2, len(allowed)))
    check_reals("scores", scores)
    looked_at = np.append(scores[:, allowed], scores[:, :1], axis=1)
    wrong = looked_at[~np.isfinite(looked_at)]
    if len(wrong):
        raise ValueError(f"scores: got {wrong[0]}, expected finite numbers at the allowed positions and the first")
