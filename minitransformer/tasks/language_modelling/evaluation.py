"""Section 2.1: what a text costs a model, in units that models of other vocabularies and compressors share."""

import lzma
import zlib
from typing import NamedTuple

import numpy as np

from minitransformer.data.corpus import TEST, TRAINING, texts
from minitransformer.equations.chain_rule import bits, bits_per_character, perplexity
from minitransformer.models.ngram import MOST_CODES, codes, pieces, windows
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.run import Run, costs
from minitransformer.tasks.language_modelling.text import Text, judged

Array = np.ndarray

CONTEXT = 8  # words: what comes after 8 that never stood in a row in the training text, no count can tell
PRIMED = 1 << 24  # bytes: a longer training text is not packed together with the test text


class Score(NamedTuple):
    per_character: float  # bits
    per_word: float  # bits
    perplexity: float  # of a word
    unseen: float  # bits a word, where the words before never occur together in training; NaN: nowhere


def score(run: Run, text: Text, side: str = TEST) -> Score:
    """On the judged part of one side, but for its first few words."""
    part = judged(text, side)
    nats = costs(run, part.ids)
    mean = float(nats.mean())
    n_characters = len(part.text) - len(text.vocabulary.decode(part.ids[:FIRST]))
    new = unseen_contexts(text, part.ids)
    of_unseen = bits(float(nats[new].mean())) if new.any() else float("nan")
    return Score(bits_per_character(mean, len(nats), n_characters), bits(mean), perplexity(mean), of_unseen)


def unseen_contexts(text: Text, ids: Array) -> Array:
    """For each word of `ids` from number FIRST on, whether the CONTEXT words before it never occur in training.

    -> (n - FIRST,), boolean. With a large vocabulary fewer words are looked at. The training text is read piece by
    piece, so that a long one takes no more memory.
    """
    V = text.vocabulary.size
    n = CONTEXT
    while V**n > MOST_CODES:
        n -= 1
    contexts, places = np.unique(codes(windows(ids[FIRST - n : -1], n), V), return_inverse=True)
    seen = np.zeros(len(contexts), bool)
    for piece in pieces(text.training, n):
        seen |= np.isin(contexts, codes(windows(piece, n), V))
    return ~seen[places]


def compressors(text: Text) -> dict[str, float]:
    """Bits a character of the test text, packed by programs that know nothing of language.

    The last one has the training text before it, as the models have: what packing the test text adds.
    """
    test = judged(text, TEST).text
    n, raw = len(test), test.encode()
    packed = {"zlib": len(zlib.compress(raw, 9)), "xz": len(xz(raw))}
    training = "".join(texts(text.corpus, TRAINING)).encode() if len(text.training) < PRIMED else b""
    if training:
        packed["xz after the training text"] = len(xz(training + raw)) - len(xz(training))
    return {name: 8 * size / n for name, size in packed.items()}


def xz(content: bytes) -> bytes:
    return lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
