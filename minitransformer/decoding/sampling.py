"""Section 3.4.1, read forward: a language model writes by choosing the next word again and again."""

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

Read = Callable[[Array, Any], tuple[Array, Any]]  # (next ids, what was read before) -> logits of the word after, (V,)


class Choice(NamedTuple):
    """How the next word is chosen; by default it is drawn from the model's own distribution."""

    temperature: float = 1.0  # below 1 likely words gain, above 1 all become alike; 0: always the likeliest (greedy)
    top_k: int | None = None  # only the k likeliest words (Fan et al. 2018)
    top_p: float = 1.0  # only the likeliest words that have this probability together (Holtzman et al. 2020)


GREEDY = Choice(temperature=0.0)


def write(read: Read, prompt: Array, rng: np.random.Generator, choice: Choice = Choice()) -> Iterator[int]:  # noqa: B008
    """Choose w_{i+1} after w_1, ..., w_i, read it, and go on without end.

    read(ids, state) reads on from `state`, None at the start; prompt: (n,) ids, n >= 1.
    """
    check_row("prompt", prompt)
    check_choice(choice)
    check_rng(rng)
    logits, state = read(prompt, None)
    while True:
        word = chosen(logits, choice, rng)
        yield word
        logits, state = read(np.array([word]), state)


def choose(logits: Array, choice: Choice, rng: np.random.Generator) -> int:
    """The id of one word.  logits: (V,). Raises ValueError for NaN or +infinity, or if no word is left."""
    check_choice(choice)
    return chosen(logits, choice, rng)


def chosen(logits: Array, choice: Choice, rng: np.random.Generator) -> int:
    """`choose`, where `choice` has been checked."""
    if choice.temperature == 0:
        check_logits(logits)
        return int(logits.argmax())
    check_generator(rng)
    probabilities = distribution(logits, choice)
    return int(rng.choice(len(probabilities), p=probabilities))


def distribution(logits: Array, choice: Choice) -> Array:
    """softmax(logits / temperature), cut to the top k words and to the top p, and renormalized.

    logits: (V,), -infinity for a word that is ruled out -> (V,), float64. top_k keeps the k likeliest words; top_p
    keeps the likeliest ones until their probabilities reach `top_p` together; with both, the smaller set stays. Of
    equally likely words those with lower ids stay. Raises ValueError for NaN or +infinity, or if no word is left.
    """
    check_logits(logits)
    check_choice(choice)
    if choice.temperature == 0:
        return np.eye(len(logits))[logits.argmax()]
    below_top = logits.astype(np.float64) - logits.max()
    with np.errstate(over="ignore"):  # next to nothing for a temperature makes -infinity of all but the likeliest
        p, _ = softmax(below_top / float(choice.temperature))
    by_likelihood = np.argsort(-logits, kind="stable")  # by logits: rounding may make probabilities equal
    n_kept = min(n_enough(p[by_likelihood], float(choice.top_p)), len(p) if choice.top_k is None else choice.top_k)
    kept = np.zeros_like(p)
    kept[by_likelihood[:n_kept]] = p[by_likelihood[:n_kept]]
    return kept / kept.sum()


def n_enough(p: Array, top_p: float) -> int:
    """How many of the likeliest words it takes to reach `top_p`.  p: (V,), the largest first

    All words together count as 1, whatever their rounded sum is.
    """
    if top_p == 1:
        return len(p)
    together = np.cumsum(p)  # of the first word, of the first two, ..., but for rounding, which the exact sums mend
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


def check_choice(choice: Choice) -> None:
    check_type("choice", choice, Choice)
    temperature, top_k, top_p = choice
    check_not_negative("temperature", temperature)
    if top_k is not None:
        check_integer("top_k", top_k, minimum=1)
    check_number("top_p", top_p)
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p: got {top_p}, expected a probability above 0")
