"""Section 3.4.1, read forward: a language model writes by drawing the next word again and again."""

from collections.abc import Callable, Iterator

import numpy as np

from minitransformer.arguments import check_ids, check_integer, check_positive, check_rng
from minitransformer.equations.softmax import softmax

Array = np.ndarray


def sample(
    logits_of: Callable[[Array], Array],
    prompt: Array,
    context: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> Iterator[int]:
    """Draw w_{i+1} ~ softmax(logits_i / temperature), append it, and go on without end.

    logits_of: from ids (L,) to the logits (L, V) of the next word at each position; prompt: (n,) ids, n >= 1; the model
    sees the last `context` ids. A temperature below 1 prefers likely words, above 1 it levels.
    """
    check_ids("prompt", prompt, size=None)
    check_integer("context", context, least=1)
    check_positive("temperature", temperature)
    check_rng(rng)
    if prompt.ndim != 1 or len(prompt) == 0:
        raise ValueError(f"prompt: got shape {prompt.shape}, expected one axis with at least one id")
    window = list(prompt[-context:])
    while True:
        logits = logits_of(np.array(window))[-1]  # (V,), what comes after the last id
        probabilities, _ = softmax(logits.astype(np.float64) / temperature)
        word = int(rng.choice(len(probabilities), p=probabilities))
        yield word
        window = [*window, word][-context:]
