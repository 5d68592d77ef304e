"""Section 3.3.2: pairs of segments, of which the second follows the first in the text, or is from elsewhere."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from minitransformer.checks import checked_texts
from minitransformer.data.batches import padded
from minitransformer.data.corpus import TRAINING
from minitransformer.data.sentences import sentences_of
from minitransformer.data.word_pieces import CLS, PAD, SEP, WordPieces
from minitransformer.models.bert_pretraining import IS_NEXT, NOT_NEXT

Array = np.ndarray

N_MARKS = 3  # [CLS] first [SEP] second [SEP]


class Sentences(NamedTuple):
    """Documents of two sentences or more, each sentence as ids."""

    documents: list[list[Array]]
    starts: Array  # (n, 2), document and sentence, of all that another one follows

    @property
    def n_tokens(self) -> int:
        return sum(len(sentence) for document in self.documents for sentence in document)


class Pairs(NamedTuple):
    ids: Array  # (B, L)
    segments: Array  # (B, L), 0 up to the first [SEP], 1 after it
    lengths: Array  # (B,), without the padding
    next: Array  # (B,), IS_NEXT or NOT_NEXT


def split(texts: Iterable[str], vocabulary: WordPieces, side: str = TRAINING) -> Sentences:
    """The documents of one side, sentence by sentence.

    Raises ValueError where fewer than two documents have two sentences or more: then nothing is from elsewhere.
    """
    documents = []
    for text in checked_texts("texts", texts):
        sentences = [ids for ids in map(vocabulary.encode, sentences_of(text)) if len(ids)]
        if len(sentences) > 1:
            documents.append(sentences)
    if len(documents) < 2:
        raise ValueError(
            f"text: got {len(documents)} documents of two sentences or more on the {side} side, expected 2 at least"
        )
    starts = [(d, s) for d, document in enumerate(documents) for s in range(len(document) - 1)]
    return Sentences(documents, np.array(starts))


def draw_pairs(sentences: Sentences, context: int, B: int, rng: np.random.Generator) -> Pairs:
    """B pairs, together `context` tokens long where the text is long enough; padded to the longest."""
    rows = [draw_pair(sentences, context, rng) for _ in range(B)]
    firsts, seconds, follows = zip(*rows, strict=True)
    ids, segments, lengths = packed(firsts, seconds)
    return Pairs(ids, segments, lengths, np.array(follows))


def draw_pair(sentences: Sentences, context: int, rng: np.random.Generator) -> tuple[Array, Array, int]:
    """Sentences, from any one on, as many as a length that is drawn has room for; then those that follow, or others.

    Each half the time. The others are from another document (Devlin et al. 2019, 3.1). A first sentence that is longer
    than the length that was drawn is cut.
    """
    room = context - N_MARKS
    d, s = sentences.starts[rng.integers(len(sentences.starts))]
    document = sentences.documents[d]
    wanted = int(rng.integers(room // 4, 3 * room // 4 + 1))
    end = s + 1
    n = len(document[s])
    while end < len(document) - 1 and n + len(document[end]) <= wanted:
        n += len(document[end])
        end += 1
    first = np.concatenate(document[s:end])[:wanted]
    follows = rng.random() < 0.5
    if not follows:
        document, end = elsewhere(sentences, d, rng)
    second = beginning(document[end:], room - len(first))
    return first, second, IS_NEXT if follows else NOT_NEXT


def elsewhere(sentences: Sentences, d: int, rng: np.random.Generator) -> tuple[list[Array], int]:
    """Any sentence that follows another one, in any document but number d."""
    while True:
        other, s = sentences.starts[rng.integers(len(sentences.starts))]
        if other != d:
            return sentences.documents[other], s + 1


def beginning(sentences: list[Array], n: int) -> Array:
    """The first n tokens, or all that there are."""
    taken: list[Array] = []
    while sum(map(len, taken)) < n and len(taken) < len(sentences):
        taken.append(sentences[len(taken)])
    return np.concatenate(taken)[:n]


def packed(firsts: Iterable[Array], seconds: Iterable[Array] | None) -> tuple[Array, Array, Array]:
    """[CLS] first [SEP] second [SEP], or [CLS] first [SEP] alone: ids, segments (B, L) and lengths (B,)."""
    if seconds is None:
        rows = [np.concatenate([[CLS], first, [SEP]]) for first in firsts]
        breaks = [len(row) for row in rows]
    else:
        pairs = list(zip(firsts, seconds, strict=True))
        rows = [np.concatenate([[CLS], first, [SEP], second, [SEP]]) for first, second in pairs]
        breaks = [len(first) + 2 for first, _ in pairs]
    lengths = np.array([len(row) for row in rows])
    ids = padded(rows, PAD)
    places = np.arange(ids.shape[1])
    segments = (places >= np.array(breaks)[:, None]) & (places < lengths[:, None])
    return ids, segments.astype(np.int64), lengths
