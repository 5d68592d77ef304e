"""Section 2.1: what a text costs a model, in units that models of other vocabularies and compressors share."""

import itertools
import lzma
import math
import zlib
from typing import NamedTuple

import numpy as np

from minitransformer.data.byte_pairs import BYTES, BytePairs
from minitransformer.data.corpus import TEST, TRAINING, texts
from minitransformer.data.vocabulary import UNKNOWN, Vocabulary
from minitransformer.equations.chain_rule import bits, bits_per_character, perplexity
from minitransformer.models.ngram import MOST_CODES, codes, pieces, windows
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.run import Run, costs
from minitransformer.tasks.language_modelling.text import Part, Text, judged

Array = np.ndarray

CONTEXT = 8  # words: what comes after 8 that never stood in a row in the training text, no count can tell
PRIMED = 1 << 24  # bytes: a longer training text is not packed together with the test text


class Score(NamedTuple):
    per_character: float  # bits
    per_word: float  # bits
    perplexity: float  # of a word
    unseen: float  # bits a word, where the words before never occur together in training; NaN: nowhere
    unknown: float  # part of the words that the vocabulary does not have; what they cost to spell is in per_character


def score(run: Run, text: Text, side: str = TEST) -> Score:
    """On the judged part of one side, except its first FIRST words: neither they nor their characters count."""
    part = judged(text, side)
    nats = costs(run, part.ids)
    mean = float(nats.mean())
    ids, covered = part.ids[FIRST:], part.text[len(text_of_first(FIRST, part, text.vocabulary)) :]
    with_spelling = mean + nats_of_spelling(ids, covered, text.vocabulary) / len(nats)
    new = unseen_contexts(text, part.ids)
    of_unseen = bits(float(nats[new].mean())) if new.any() else float("nan")
    per_character = bits_per_character(with_spelling, len(nats), len(covered))
    return Score(per_character, bits(mean), perplexity(mean), of_unseen, unknown_part(ids, text.vocabulary))


def text_of_first(n: int, part: Part, vocabulary: Vocabulary) -> str:
    """The text of the first n words, which those that the vocabulary does not have cannot give back."""
    if vocabulary.kind == BytePairs.kind:
        return vocabulary.decode(part.ids[:n])
    words = (word for document in part.documents for word in vocabulary.words_of(document))
    return "".join(itertools.islice(words, n))


def nats_of_spelling(ids: Array, text: str, vocabulary: Vocabulary) -> float:
    """What it costs to say which word an unknown one is: its UTF-8 bytes and an end, each one of 257, equally likely.

    ids: (n,), the words of `text`. Without it a vocabulary that knows little would make everything cheap. Byte pairs
    know every text.
    """
    if vocabulary.kind == BytePairs.kind:
        return 0.0
    n_unknown = int((ids == 0).sum())
    n_known = len(vocabulary.decode(ids).encode()) - n_unknown * len(UNKNOWN.encode())
    return (len(text.encode()) - n_known + n_unknown) * math.log(BYTES + 1)


def unknown_part(ids: Array, vocabulary: Vocabulary) -> float:
    """How many of the words are unknown to the vocabulary, as a part of all."""
    return 0.0 if vocabulary.kind == BytePairs.kind else float((ids == 0).mean())


def context_of(text: Text) -> int:
    """How many words before a word are looked at: CONTEXT, or, with a large vocabulary, as many as fit in a code."""
    n = CONTEXT
    while text.vocabulary.size**n > MOST_CODES:
        n -= 1
    return n


def unseen_contexts(text: Text, ids: Array) -> Array:
    """For each word of `ids` from number FIRST on, whether the words before it never occur in a row in training.

    -> (n - FIRST,), boolean. `context_of` says how many words before. The training text is read piece by
    piece, so that a long one takes no more memory.
    """
    V, n = text.vocabulary.size, context_of(text)
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
