"""Section 3.3.1, put to use: the likeliest words for the masks of a text."""

import numpy as np

from minitransformer.checks import check_finite, check_integer, check_text
from minitransformer.data.word_pieces import CLS, MASK, N_SPECIAL, SEP, SPECIAL
from minitransformer.equations.softmax import softmax
from minitransformer.models.bert_pretraining import bert_pretraining
from minitransformer.tasks.pretraining.bert import config
from minitransformer.tasks.run import Run

MARK = SPECIAL[MASK]


def fill(run: Run, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
    """For each [MASK] of the text the `top` likeliest words, with their probabilities, the likeliest first.

    Raises ValueError for a text without masks, and for one that is too long for the model.
    """
    check_text("text", text)
    check_integer("top", top, minimum=1)
    parts = [run.vocabulary.encode(part) for part in text.split(MARK)]
    if len(parts) == 1:
        raise ValueError(f"text: got {text!r}, expected {MARK} at least once")
    ids = np.concatenate([[CLS], parts[0], *(np.append(MASK, part) for part in parts[1:]), [SEP]])
    if len(ids) > run.settings.context:
        raise ValueError(f"text: got {len(ids) - 2} tokens, expected at most {run.settings.context - 2}")
    places = np.flatnonzero(ids == MASK)
    guesses, _ = bert_pretraining(ids[None], np.zeros_like(ids)[None], None, places, run.weights, config(run.settings))
    check_finite("logits", guesses.token_logits)
    P, _ = softmax(guesses.token_logits[:, N_SPECIAL:])  # no special token is a word
    best = np.argsort(-P, axis=-1)[:, :top]
    return [[(run.vocabulary.pieces[i + N_SPECIAL], float(p[i])) for i in row] for row, p in zip(best, P, strict=True)]
