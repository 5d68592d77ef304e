"""Section 3.1.1: byte pairs (Sennrich et al. 2016), the words between characters and words, through `tokenizers`.

Frequent sequences of bytes become words of their own, and rare ones stay in pieces: no text is unknown. The library is
the extra `tokenizers`; it is imported when it is needed and not before.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minitransformer.checks import check_ids, check_integer, check_text, checked_texts

Array = np.ndarray

INSTALL_HINT = "byte pairs need the library `tokenizers`: pip install 'minitransformer[tokenizers]'"
BYTES = 256  # the words that there are before any pair is joined


@dataclass(frozen=True)
class BytePairs:
    definition: str  # the tokenizer, as the library's JSON
    kind = "byte-pairs"

    @functools.cached_property
    def tokenizer(self) -> Any:
        """Raises ValueError for an invalid definition, and if the library is not installed."""
        parts = library()
        try:
            return parts.Tokenizer.from_str(self.definition)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"definition: got no tokenizer ({error}), expected the library's JSON") from error

    @property
    def size(self) -> int:
        return self.tokenizer.get_vocab_size()

    def encode(self, text: str) -> Array:
        check_text("text", text)
        return np.array(self.tokenizer.encode(text).ids, dtype=np.int64)

    def decode(self, ids: Array) -> str:
        """A character whose bytes are not all there comes as U+FFFD."""
        check_ids("ids", ids, self.size)
        return self.tokenizer.decode(ids.reshape(-1).tolist())

    def unknown(self, text: str) -> list[str]:
        """None: every text is bytes."""
        return []

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "definition": json.loads(self.definition)}


def byte_pair_vocabulary(texts: Iterable[str], size: int) -> BytePairs:
    """The 256 bytes, and the pairs that are most frequent in the texts, one after the other, up to `size` words.

    Raises ValueError with what to install where the library is not there.
    """
    check_integer("size", size, minimum=BYTES + 1)
    parts = library()
    tokenizer = parts.Tokenizer(parts.models.BPE())
    tokenizer.pre_tokenizer = parts.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = parts.decoders.ByteLevel()
    alphabet = parts.pre_tokenizers.ByteLevel.alphabet()
    trainer = parts.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(checked_texts("texts", texts), trainer)
    return BytePairs(tokenizer.to_str())


def library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ValueError(INSTALL_HINT) from error
    return tokenizers
