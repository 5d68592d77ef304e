"""Batches of sentences of about equal length, for teacher forcing."""

import numpy as np
import pytest
from few_pairs import few_pairs
from numpy.testing import assert_array_equal

from minitransformer.equations.cross_entropy import IGNORE
from minitransformer.tasks.translation.batches import POOL, next_batch, source_batch, target_batch
from minitransformer.tasks.translation.language import language_of
from minitransformer.tasks.translation.pairs import number_phrases

ENGLISH = language_of(["one two three"])
ONE, TWO, THREE = ENGLISH.encode("one two three").tolist()


def rows(*sentences):
    return [ENGLISH.encode(sentence) for sentence in sentences]


def test_targets_are_the_inputs_one_word_on():
    """From the start word to the end word; what is padding is ignored by the loss."""
    inputs, targets = target_batch(rows("one two three", "one"), ENGLISH)
    start, end = ENGLISH.start, ENGLISH.end
    assert inputs.tolist() == [[start, ONE, TWO, THREE], [start, ONE, end, end]]
    assert targets.tolist() == [[ONE, TWO, THREE, end], [ONE, end, IGNORE, IGNORE]]


def test_sources_end_with_their_end_word():
    """The lengths count it; the padding stands after it, or, for a recurrent encoder, before the sentence."""
    ids, lengths = source_batch(rows("one", "one two three"), ENGLISH)
    end = ENGLISH.end
    assert lengths.tolist() == [2, 4]
    assert ids.tolist() == [[ONE, end, end, end], [ONE, TWO, THREE, end]]
    ids, _ = source_batch(rows("one", "one two three"), ENGLISH, at_start=True)
    assert ids.tolist() == [[end, end, ONE, end], [ONE, TWO, THREE, end]]


def test_a_batch_depends_on_its_number_and_the_seed_alone():
    """So that a training that is resumed draws what it would have drawn."""
    pairs = few_pairs()
    for number in (0, 3, POOL + 1):
        first = next_batch(pairs, 4, seed=7)
        first(2 * POOL, None)
        assert_array_equal(first(number, None).source, next_batch(pairs, 4, seed=7)(number, None).source)
    different = [next_batch(pairs, 16, seed)(0, None).source.tolist() for seed in (7, 8)]
    assert different[0] != different[1]


@pytest.mark.parametrize("direction", ["zh-en", "en-zh"])
def test_little_of_a_batch_is_padding(direction):
    """A few percent of the target, where unsorted batches are padded by half."""
    pairs = number_phrases(direction)
    batch = next_batch(pairs, 64, seed=0)
    batches = [batch(i, None) for i in range(POOL)]
    padding = np.mean([(b.targets == IGNORE).mean() for b in batches])
    assert padding < 0.05
    unsorted = target_batch([pairs.target.encode(target) for _, target in pairs.test[:64]], pairs.target)[1]
    assert (unsorted == IGNORE).mean() > 4 * padding
