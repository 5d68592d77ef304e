"""Section 2.1: what a text costs a model, in units that models of other vocabularies and compressors share."""

import lzma
import zlib
from typing import NamedTuple

import numpy as np

from minitransformer.data.corpus import TEST, TRAINING, texts
from minitransformer.equations.chain_rule import bits, bits_per_character, perplexity
from minitransformer.models.ngram import MOST_CODES, codes, count_runs, look_up, windows
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.run import Run, costs
from minitransformer.tasks.language_modelling.text import Text, held_out

Array = np.ndarray

CONTEXT = 8  # words: what comes after 8 that never stood in a row in the training text, no count can tell
PRIMED = 1 << 24  # bytes: a longer training text is not packed together with the test text


class Score(NamedTuple):
    per_character: float  # bits
    per_word: float  # bits
    perplexity: float  # of a word
    unseen: float  # bits a word, where the words before never occur together in training; NaN: nowhere


def score(run: Run, text: Text, side: str = TEST) -> Score:
    """On all words of one side but the first few, by which no model is judged."""
    ids = getattr(text, side)
    nats = costs(run, ids)
    mean = float(nats.mean())
    n_characters = len(held_out(text, side)) - len(text.vocabulary.decode(ids[:FIRST].astype(np.int64)))
    new = unseen_contexts(text, ids)
    of_unseen = bits(float(nats[new].mean())) if new.any() else float("nan")
    return Score(bits_per_character(mean, len(nats), n_characters), bits(mean), perplexity(mean), of_unseen)


def unseen_contexts(text: Text, ids: Array) -> Array:
    """For each word of `ids` from number FIRST on, whether the CONTEXT words before it never occur in training.

    -> (n - FIRST,), boolean. With a large vocabulary fewer words are looked at.
    """
    V = text.vocabulary.size
    n = CONTEXT
    while V**n > MOST_CODES:
        n -= 1
    seen, times = count_runs(text.training, V, n)
    contexts = windows(ids[FIRST - n : -1], n)
    return look_up(seen, times, codes(contexts, V)) == 0


def compressors(text: Text) -> dict[str, float]:
    """Bits a character of the test text, packed by programs that know nothing of language.

    The last one has the training text before it, as the models have: what packing the test text adds.
    """
    test = held_out(text, TEST)
    n, raw = len(test), test.encode()
    packed = {"zlib": len(zlib.compress(raw, 9)), "xz": len(xz(raw))}
    training = "".join(texts(text.corpus, TRAINING)).encode() if len(text.training) < PRIMED else b""
    if training:
        packed["xz after the training text"] = len(xz(training + raw)) - len(xz(training))
    return {name: 8 * size / n for name, size in packed.items()}


def xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
