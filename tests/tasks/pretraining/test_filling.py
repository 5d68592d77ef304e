"""The likeliest words for the masks of a text (3.3.1)."""

import numpy as np
import pytest
from assertions import refuses
from few_documents import few_documents, small_run
from numpy.testing import assert_allclose

from minitransformer.data.word_pieces import CLS, MASK, N_SPECIAL, SEP, SPECIAL
from minitransformer.models.bert_pretraining import bert_pretraining
from minitransformer.tasks.pretraining.bert import config
from minitransformer.tasks.pretraining.filling import fill


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(few_documents(tmp_path_factory.mktemp("text")))


def test_probabilities_of_all_words_sum_to_1(run):
    """For each mask, the likeliest first; special tokens are no words."""
    V = run.vocabulary.size
    for of_one in fill(run, "The [MASK] is in [MASK] house.", V):
        words, p = zip(*of_one, strict=True)
        assert set(words) == set(run.vocabulary.pieces) - set(SPECIAL)
        assert len(words) == V - N_SPECIAL
        assert list(p) == sorted(p, reverse=True)
        assert sum(p) == pytest.approx(1, abs=1e-5)


def test_they_are_those_of_the_model(run):
    """[CLS] text [SEP], a mask at each place, and softmax over the words."""
    v = run.vocabulary
    ids = np.array([CLS, *v.encode("the cat"), MASK, *v.encode("in"), MASK, MASK, SEP])
    places = np.flatnonzero(ids == MASK)
    guesses, _ = bert_pretraining(
        ids[None], np.zeros((1, len(ids)), int), np.array([len(ids)]), places, run.weights, config(run.settings)
    )
    exponentials = np.exp(guesses.token_logits[:, N_SPECIAL:].astype(np.float64))
    P = exponentials / exponentials.sum(axis=-1, keepdims=True)
    found = fill(run, "The CAT [MASK] in [MASK][MASK]", v.size)
    assert len(found) == 3
    for of_one, p in zip(found, P, strict=True):
        assert_allclose([by for _, by in of_one], np.sort(p)[::-1], rtol=1e-4)
        assert of_one[0][0] == v.pieces[N_SPECIAL + p.argmax()]


def test_top_takes_the_first_ones(run):
    text = "[MASK]"
    assert fill(run, text, 2) == [fill(run, text, 4)[0][:2]]
    assert [len(of_one) for of_one in fill(run, text)] == [5]


def test_what_it_refuses(run):
    """A text without masks (upper case makes a difference here), one that is too long, and no guesses."""
    for text in ("The cat", "", "[mask]"):
        with refuses(ValueError, f"text: got {text!r}, expected [MASK] at least once"):
            fill(run, text)
    longest = "[MASK]" + " cat" * 45
    assert len(fill(run, longest)) == 1
    with refuses(ValueError, "text: got 47 tokens, expected at most 46"):
        fill(run, longest + " cat")
    with refuses(ValueError, "top: got 0, expected 1 or more"):
        fill(run, "[MASK]", 0)
