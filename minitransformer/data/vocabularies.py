"""Which vocabulary: made from a text by its name, or read again from what a checkpoint kept."""

import json
from collections.abc import Iterable
from typing import Any

from minitransformer.data.byte_pairs import BytePairs, byte_pair_vocabulary
from minitransformer.data.vocabulary import Characters, Vocabulary, Words, character_vocabulary, word_vocabulary
from minitransformer.data.word_pieces import NEW_LINE, WordPieces

KINDS = (Characters.kind, Words.kind, BytePairs.kind)


def make_vocabulary(kind: str, texts: Iterable[str], size: int) -> Vocabulary:
    """kind: "characters" (as many as the texts have), "words" or "byte-pairs" (`size` of them at most).

    Raises ValueError for another kind, and where byte pairs lack their library.
    """
    if kind == Characters.kind:
        return character_vocabulary(texts)
    if kind == Words.kind:
        return word_vocabulary(texts, size)
    if kind == BytePairs.kind:
        return byte_pair_vocabulary(texts, size)
    raise ValueError(f"vocabulary: got {kind!r}, expected one of {', '.join(map(repr, KINDS))}")


def vocabulary_from(definition: dict[str, Any]) -> Vocabulary:
    """The vocabulary whose `as_dict` this is. Raises KeyError, TypeError or ValueError for anything else."""
    kind = definition.get("kind")
    if kind == BytePairs.kind:
        return BytePairs(json.dumps(definition["definition"]))
    if kind == WordPieces.kind:
        return word_pieces_from(definition)
    for listed in (Characters, Words):
        if kind == listed.kind:
            return listed(strings("words", definition["words"]))
    raise ValueError(f"vocabulary: got {kind!r}, expected one of {', '.join(map(repr, KINDS))}")


def word_pieces_from(definition: dict[str, Any]) -> WordPieces:
    """Older checkpoints lack the options: newlines were tokens then, and accents were kept."""
    pieces = strings("pieces", definition["pieces"])
    lines = definition.get("lines", NEW_LINE in pieces)
    return WordPieces(pieces, definition.get("lowercase", True), definition.get("strip_accents", False), lines)


def strings(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name}: got {type(values).__name__}, expected a list of strings")
    return tuple(values)
