"""Looking at the encoder-decoder attention."""

import numpy as np
import pytest
from assertions import refuses
from few_pairs import few_pairs, small_run
from numpy.testing import assert_allclose

from minitransformer.tasks.translation.alignment import Alignment, align, as_text, chosen, plot_alignment
from minitransformer.tasks.translation.language import END


@pytest.fixture(scope="module")
def alignment():
    return align(small_run("transformer", few_pairs()), "a b")


def test_each_word_attends_to_all_of_the_source(alignment):
    """A row for each word of the translation and its end; each row sums to 1."""
    assert alignment.source == ["a", " b", END]
    assert alignment.alpha.shape == (1, 2, len(alignment.target), 3)
    assert_allclose(alignment.alpha.sum(axis=-1), 1, rtol=1e-5)


def test_one_head_or_the_mean_of_all(alignment):
    """Counted from 1, as they are titled."""
    title, weights = chosen(alignment, None, None)
    assert title == "layer 1, mean of 2 heads"
    assert_allclose(weights, alignment.alpha[0].mean(axis=0))
    title, weights = chosen(alignment, 1, 2)
    assert title == "layer 1, head 2"
    assert_allclose(weights, alignment.alpha[0, 1])
    with refuses(ValueError, "head: got 3, expected 1 to 2"):
        chosen(alignment, 1, 3)
    with refuses(ValueError, "layer: got 0, expected 1 to 1"):
        chosen(alignment, 0, None)


def test_the_heatmap_has_its_columns_below_their_words():
    """Chinese characters are two columns wide in a terminal; the darkest cell is where the weight is."""
    alignment = Alignment(["三", "百", END], ["three", " hundred"], np.zeros((1, 1, 2, 3)))
    lines = as_text(alignment, np.array([[0.9, 0.1, 0.0], [0.3, 0.7, 0.0]]))
    assert lines[0] == " " * 9 + "三 百 ■  "
    assert lines[1] == "three    ██" + " " * 6
    assert lines[2] == " hundred ░░ ▓▓" + " " * 3


def test_a_picture_of_all_heads(alignment, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    plot_alignment(tmp_path / "x.png", alignment)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_a_model_without_attention_is_refused():
    message = "checkpoint: got a model of kind 'rnn', expected a Transformer: it has no attention"
    with refuses(ValueError, message):
        align(small_run("rnn", few_pairs()), "a b")
