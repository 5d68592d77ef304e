"""Translating sentences, and how many of the translations are right to the last word."""

from collections.abc import Sequence
from typing import Any

from minitransformer.checks import checked_texts
from minitransformer.decoding.beam_search import beam_search, greedy
from minitransformer.tasks.translation.batches import source_batch
from minitransformer.tasks.translation.pairs import Sentences

AT_ONCE = 128  # sentences that are translated side by side


def translate(run: Any, sentences: Sequence[str], width: int = 1, alpha: float = 0.6) -> list[str]:
    """The likeliest translations, by beam search, or greedily where the beam is 1 wide.

    run: what has kind, settings, weights, source, target and longest, such as `run.Run`.
    """
    kind, settings, weights, source, target = run.kind, run.settings, run.weights, run.source, run.target
    rows = [source.encode(sentence) for sentence in checked_texts("sentences", sentences)]
    by_length = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = [""] * len(sentences)
    for first in range(0, len(sentences), AT_ONCE):
        places = by_length[first : first + AT_ONCE]
        ids, lengths = source_batch([rows[i] for i in places], source, kind.pads_at_start)
        state = kind.start(ids, lengths, run.longest, weights, settings)
        step = kind.step(weights, settings)
        start = lengths * 0 + target.start
        if width == 1:
            results = greedy(step, kind.reorder, state, start, target.end, run.longest)
        else:
            results = beam_search(step, kind.reorder, state, start, target.end, run.longest, width, alpha)
        for place, result in zip(places, results, strict=True):
            found[place] = target.decode(result.ids[result.ids < target.start])
    return found


def exact_matches(run: Any, pairs: Sentences, width: int = 1) -> float:
    """The part of the sentences whose translation is the expected one, character for character."""
    sources, targets = zip(*pairs, strict=True)
    translations = translate(run, sources, width)
    return sum(a == b for a, b in zip(translations, targets, strict=True)) / len(pairs)
