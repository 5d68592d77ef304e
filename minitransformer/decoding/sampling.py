"""Section 3.4.1, at inference: a language model writes by choosing the next token again and again."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.checks import (
    check_generator,
    check_integer,
    check_not_negative,
    check_number,
    check_reals,
    check_rng,
    check_row,
    check_type,
)
from minitransformer.equations.softmax import softmax
from minitransformer.shapes import check

Array = np.ndarray

Read = Callable[[Array, Any], tuple[Array, Any]]  # (next ids, what was read before) -> logits of the next token, (V,)


class SamplingParams(NamedTuple):
    """How the next token is chosen; by default it is drawn from the model's own distribution."""

    temperature: float = 1.0  # below 1 likely tokens gain, above 1 all become alike; 0: always the likeliest (greedy)
    top_k: int | None = None  # only the k likeliest tokens (Fan et al. 2018)
    top_p: float = 1.0  # only the likeliest tokens that have this probability together (Holtzman et al. 2020)


GREEDY = SamplingParams(temperature=0.0)


def write(
    read: Read,
    prompt: Array,
    rng: np.random.Generator,
    params: SamplingParams = SamplingParams(),  # noqa: B008
) -> Iterator[int]:
    """Choose w_{i+1} after w_1, ..., w_i, read it, and go on without end.

    read(ids, state) reads on from `state`, None at the start; prompt: (n,) ids, n >= 1.
    """
    check_row("prompt", prompt)
    check_params(params)
    check_rng(rng)
    logits, state = read(prompt, None)
    while True:
        token = unchecked_next_token(logits, params, rng)
        yield token
        logits, state = read(np.array([token]), state)


def next_token(logits: Array, params: SamplingParams, rng: np.random.Generator) -> int:
    """The id of one token.  logits: (V,). Raises ValueError for NaN or +infinity, or if no token is left."""
    check_params(params)
    return unchecked_next_token(logits, params, rng)


def unchecked_next_token(logits: Array, params: SamplingParams, rng: np.random.Generator) -> int:
    """`next_token`, where `params` have been checked."""
    if params.temperature == 0:
        check_logits(logits)
        return int(logits.argmax())
    check_generator(rng)
    probabilities = distribution(logits, params)
    return int(rng.choice(len(probabilities), p=probabilities))


def distribution(logits: Array, params: SamplingParams) -> Array:
    """softmax(logits / temperature), cut to the top k tokens and to the top p, and renormalized.

    logits: (V,), -infinity for a token that is ruled out -> (V,), float64. top_k keeps the k likeliest tokens; top_p
    keeps the likeliest ones until their probabilities reach `top_p` together; with both, the smaller set stays. Of
    equally likely tokens those with lower ids stay. Raises ValueError for NaN or +infinity, or if no token is left.
    """
    check_logits(logits)
    check_params(params)
    if params.temperature == 0:
        return np.eye(len(logits))[logits.argmax()]
    below_top = logits.astype(np.float64) - logits.max()
    with np.errstate(over="ignore"):  # next to nothing for a temperature makes -infinity of all but the likeliest
        p, _ = softmax(below_top / float(params.temperature))
    by_likelihood = np.argsort(-logits, kind="stable")  # by logits: rounding may make probabilities equal
    n_kept = min(n_enough(p[by_likelihood], float(params.top_p)), len(p) if params.top_k is None else params.top_k)
    kept = np.zeros_like(p)
    kept[by_likelihood[:n_kept]] = p[by_likelihood[:n_kept]]
    return kept / kept.sum()


def n_enough(p: Array, top_p: float) -> int:
    """How many of the likeliest tokens it takes to reach `top_p`.  p: (V,), the largest first

    All tokens together count as 1, whatever their rounded sum is.
    """
    if top_p == 1:
        return len(p)
    together = np.cumsum(p)  # of the first token, of the first two, ..., but for rounding, which the exact sums mend
    n = 1 + int((together[:-1] < top_p).sum())
    while n > 1 and math.fsum(p[: n - 1]) >= top_p:
        n -= 1
    while n < len(p) and math.fsum(p[:n]) < top_p:
        n += 1
    return n


def check_logits(logits: Array) -> None:
    """One row of scores whose maximum is finite."""
    check("logits: V", logits)
    check_reals("logits", logits)
    highest = logits[logits.argmax()]  # NaN if one of them is
    if not math.isfinite(highest):
        raise ValueError(f"logits: got {highest} as the highest of {len(logits)}, expected a finite number")


def check_params(params: SamplingParams) -> None:
    check_type("params", params, SamplingParams)
    temperature, top_k, top_p = params
    check_not_negative("temperature", temperature)
    if top_k is not None:
        check_integer("top_k", top_k, minimum=1)
    check_number("top_p", top_p)
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p: got {top_p}, expected a probability above 0")
