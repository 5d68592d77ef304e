"""Sentences with their translations, to learn from and to be judged by, drawn or from the reader's file."""

import unicodedata
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minitransformer.data.text_file import lines, read_pieces
from minitransformer.tasks.translation import phrases
from minitransformer.tasks.translation.language import Language, language_of

DIRECTIONS = ("zh-en", "en-zh")
N_VALIDATION, N_TEST, N_LONGER = 500, 2000, 500
TEST_SEED = 20_000_801

Sentences = list[tuple[str, str]]  # (source, target)


class Pairs(NamedTuple):
    name: str  # what they are
    source: Language
    target: Language
    draw: Callable[[int, np.random.Generator], Sentences]  # so many to learn from
    validation: Sentences
    test: Sentences
    longer: Sentences  # a second test, beyond what there was to learn from; may be empty
    training: Sequence[tuple[str, str]] = ()  # all training pairs, unless they are drawn without end


def number_phrases(direction: str) -> Pairs:
    """Numbers below 10^12 and dates, Chinese to English or the other way round.

    No test phrase is ever drawn to learn from. Raises ValueError for a direction that there is not.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction: got {direction!r}, expected one of {', '.join(DIRECTIONS)}")

    def directed(pairs: list[phrases.Pair]) -> Sentences:
        return [(p.chinese, p.english) if direction == "zh-en" else (p.english, p.chinese) for p in pairs]

    rng = np.random.default_rng(TEST_SEED)
    sources, targets = zip(*directed(phrases.all_words()), strict=True)
    return Pairs(
        f"numbers and dates, {direction}",
        language_of(sources),
        language_of(targets),
        lambda size, rng: directed(phrases.draw(phrases.TRAINING, size, rng)),
        directed(phrases.draw(phrases.VALIDATION, N_VALIDATION, rng)),
        directed(phrases.draw(phrases.TEST, N_TEST, rng)),
        directed(phrases.draw_longer(N_LONGER, rng)),
    )


def pairs_from_file(path: str | Path) -> Pairs:
    """The user's own pairs: a UTF-8 file with a sentence, a tab, and its translation on each line.

    A tenth of the sentences is for validation and a tenth for the test, by a checksum of the sentence, so that one that
    occurs twice, composed or not, is on one side only. Raises ValueError, naming file and line, for anything else.
    """
    sides: dict[int, Sentences] = {0: [], 1: [], 2: []}
    for number, line in enumerate(lines("".join(read_pieces(path))), start=1):
        if not line.strip():
            continue
        source, _, target = (part.strip() for part in line.partition("\t"))
        if not (source and target) or "\t" in target:
            raise ValueError(f"pairs: {str(path)!r}, line {number}: got {line[:60]!r}, expected SOURCE<tab>TARGET")
        sides[min(zlib.crc32(unicodedata.normalize("NFC", source).encode()) % 10, 2)].append((source, target))
    validation, test, training = sides[0], sides[1], sides[2]
    for name, part in (("training", training), ("validation", validation), ("test", test)):
        if not part:
            raise ValueError(f"pairs: got none for {name} in {str(path)!r}, expected more pairs (some 30 at least)")

    def draw(size: int, rng: np.random.Generator) -> Sentences:
        return [training[i] for i in rng.integers(0, len(training), size)]

    sources, targets = zip(*training, strict=True)
    return Pairs(str(path), language_of(sources), language_of(targets), draw, validation, test, [], training)
