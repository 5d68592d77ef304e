"""Two classifiers (3.5.2): BERT's classification token stands at the start of the text, GPT's at its end."""

import numpy as np
import pytest
from few_topics import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.data.word_pieces import CLS, PAD, SEP
from minitransformer.models.gpt import gpt_body, init_gpt
from minitransformer.tasks.classification.classifiers import (
    CLASSIFIERS,
    GPT_CLASSIFIER,
    encoded,
    pack_for_bert,
    pack_for_gpt,
    with_token,
)
from minitransformer.tasks.language_modelling.gpt import config

V = 50
texts = st.lists(st.lists(st.integers(5, V - 1), max_size=20).map(lambda ids: np.array(ids, np.int64)), min_size=1)
SMALL = {"n_layers": 1, "d_model": 16, "h": 2, "d_ff": 32, "context": 12}


@given(texts)
def test_bert_reads_its_token_first(several):
    """[CLS], as much of the text as fits, [SEP], padding; all of it one segment."""
    ids, segments, lengths = pack_for_bert(several, V, 12)
    assert not segments.any()
    assert ids.shape[1] <= 12
    for row, n, text in zip(ids, lengths, several, strict=True):
        assert row.tolist() == [CLS, *text[:10], SEP] + [PAD] * (ids.shape[1] - n)


@given(texts)
def test_gpt_reads_its_token_last(several):
    """As much of the text as fits, then the token, which no text has."""
    ids, lengths = pack_for_gpt(several, V, 12)
    assert ids.shape[1] <= 12
    for row, n, text in zip(ids, lengths, several, strict=True):
        assert row[:n].tolist() == [*text[:11], V]
        assert (row[n:] == V).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_padding_changes_nothing(name):
    """A text has the same scores alone as beside a longer one."""
    classifier = CLASSIFIERS[name]
    settings = classifier.kind.settings._replace(**SMALL)
    rng = np.random.default_rng(0)
    weights = classifier.kind.init(V, 3, settings, rng)
    several = [rng.integers(5, V, n) for n in (3, 0, 30, 8)]
    together, _ = classifier.forward(classifier.pack(several, V, 12), weights, settings, None)
    assert together.shape == (4, 3)
    for text, logits in zip(several, together, strict=True):
        alone, _ = classifier.forward(classifier.pack([text], V, 12), weights, settings, None)
        assert_allclose(logits, alone[0], rtol=1e-4, atol=1e-5)


def test_a_pretrained_gpt_keeps_its_words_and_gets_one_more():
    """The new one is drawn as large as the others; what the model makes of its own words stays the same."""
    settings = GPT_CLASSIFIER.kind.settings._replace(**SMALL)
    body = init_gpt(V, 1, 16, 2, 32, np.random.default_rng(0), 12, final_norm=True).body
    more = with_token(body, np.random.default_rng(1))
    assert_array_equal(more.embedding.E[:V], body.embedding.E)
    assert more.embedding.E.shape == (V + 1, 16)
    assert more.embedding.E.dtype == body.embedding.E.dtype == np.float32
    assert 0.5 < more.embedding.E[V].std() / body.embedding.E.std() < 2
    ids = np.arange(9)
    assert_array_equal(gpt_body(ids, more, config(settings))[0], gpt_body(ids, body, config(settings))[0])


def test_gpt_has_room_for_its_token():
    """One word more than the vocabulary has."""
    settings = GPT_CLASSIFIER.kind.settings._replace(**SMALL)
    weights = GPT_CLASSIFIER.kind.init(V, 3, settings, np.random.default_rng(0))
    assert weights.body.embedding.E.shape == (V + 1, 16)
    assert weights.output.W.shape == (16, 3)


def test_texts_are_encoded_one_by_one():
    first, second = encoded(["wait, file", ""], VOCABULARY)
    assert_array_equal(first, VOCABULARY.encode("wait, file"))
    assert second.shape == (0,)
