"""What language models learn from: windows from every place of the text, each word beside the one after it."""

import numpy as np
import pytest
from every_task import of

from minitransformer.tasks.language_modelling.kinds import KINDS

IDS = np.arange(23, dtype=np.uint8)


def test_an_fnn_learns_every_word_that_has_a_history():
    """From the n-th to the last: each n words in a row, the last of which is the target, as many as B says."""
    batch = KINDS["fnn"].training.next_batch(IDS, KINDS["fnn"].settings._replace(n=4, B=1000))
    runs = batch(0, np.random.default_rng(0))
    assert runs.shape == (1000, 4)
    assert (np.diff(runs, axis=1) == 1).all()
    assert set(runs[:, -1].tolist()) == set(range(3, 23))


def test_a_gpt_learns_from_every_window():
    """Up to the one that ends with the last word: inputs, and for each the word after it."""
    batch = KINDS["gpt"].training.next_batch(IDS, KINDS["gpt"].settings._replace(context=6, B=1000))
    inputs, targets = batch(0, np.random.default_rng(0))
    assert inputs.shape == targets.shape == (1000, 6)
    assert (targets == inputs + 1).all() and (np.diff(inputs, axis=1) == 1).all()
    assert set(inputs[:, 0].tolist()) == set(range(17))


@pytest.mark.parametrize("name", ["fnn", "gpt"])
def test_windows_are_drawn_by_the_generator(name):
    """Whatever the number of the batch."""
    batch = KINDS[name].training.next_batch(IDS, of(KINDS[name].settings, n=4, context=6, B=50))
    ours, same, other = (batch(number, np.random.default_rng(seed)) for number, seed in ((0, 1), (9, 1), (0, 2)))
    assert np.array_equal(ours, same) and not np.array_equal(ours, other)


def test_an_rnn_reads_all_of_the_text_but_what_fills_no_window():
    """B lines side by side: each word is a target once in a round, and each line begins where the one before ended."""
    batch = KINDS["rnn"].training.next_batch(IDS, of(KINDS["rnn"].settings, context=5, B=2))
    windows = [batch(number, None) for number in range(4)]
    assert [targets.tolist() for _, targets in windows[:2]] == [
        [[1, 2, 3, 4, 5], [12, 13, 14, 15, 16]],
        [[6, 7, 8, 9, 10], [17, 18, 19, 20, 21]],
    ]
    for number in (0, 1):
        assert np.array_equal(windows[number], windows[number + 2])
    assert all((targets == inputs + 1).all() for inputs, targets in windows)
