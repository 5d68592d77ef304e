"""What a language model writes after a prompt, piece by piece."""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minitransformer.checks import check_text
from minitransformer.data.vocabulary import UNKNOWN, Vocabulary
from minitransformer.decoding.sampling import SamplingParams, write
from minitransformer.tasks.language_modelling.run import Run

Array = np.ndarray

LONGEST = 4  # bytes of a character in UTF-8; each word has at least one


def written(run: Run, prompt: str, length: int, params: SamplingParams, rng: np.random.Generator) -> Iterator[str]:
    """`length` words after the prompt, each as soon as it is chosen.

    Raises ValueError for a prompt without a word, and for one that is not UTF-8.
    """
    check_text("prompt", prompt)
    ids = run.vocabulary.encode(prompt)
    if len(ids) == 0:
        raise ValueError(f"prompt: got {prompt!r}, expected at least one word")

    def read(ids: Array, state: Any) -> tuple[Array, Any]:
        return run.kind.read(ids, state, run.weights, run.settings)

    return whole_characters(itertools.islice(write(read, ids, rng, params), length), run.vocabulary)


def whole_characters(words: Iterable[int], vocabulary: Vocabulary) -> Iterator[str]:
    """The text of the words, each as soon as it is whole: a byte pair may be a part of a character."""
    waiting: list[int] = []
    n_given = 0  # characters of them
    for word in words:
        waiting.append(word)
        text = vocabulary.decode(np.array(waiting))
        is_whole = not text.endswith(UNKNOWN)
        n_certain = len(text) if is_whole else len(text) - 1  # the next bytes may complete the last one
        if n_certain > n_given:
            yield text[n_given:n_certain]
        waiting = [] if is_whole else waiting[1 - LONGEST :]  # what may still be completed began no earlier
        n_given = 0 if is_whole else len(vocabulary.decode(np.array(waiting))) - 1
    if waiting:
        yield vocabulary.decode(np.array(waiting))[n_given:]
