"""Byte pairs, through the library `tokenizers`."""

import sys

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.byte_pairs import INSTALL_HINT, BytePairs, byte_pair_vocabulary
from minitransformer.tasks.language_modelling.writing import whole_characters


@pytest.fixture(scope="module")
def vocabulary():
    pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    return byte_pair_vocabulary(["the cat and the hat and the bat " * 20], 265)


@given(text=st.text())
def test_no_text_is_unknown(vocabulary, text):
    """Any text comes back, also in letters that the training text does not have."""
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(any_ids=st.lists(st.integers(0, 264), max_size=12), letter=st.characters(exclude_categories=["Cs"]))
def test_pieces_add_up_to_what_the_library_decodes(vocabulary, any_ids, letter):
    """Any ids, and a letter that lacks its first byte before a whole one: as the library reads them all at once."""
    pieces_of_letter = vocabulary.encode(letter).tolist()
    ids = [*any_ids, *pieces_of_letter[1:], *pieces_of_letter]
    assert "".join(whole_characters(ids, vocabulary)) == vocabulary.tokenizer.decode(ids)


def test_frequent_sequences_are_one_word(vocabulary):
    """Up to the size that was asked for."""
    assert vocabulary.size == 265
    assert len(vocabulary.encode(" the")) == 1
    assert len(vocabulary.encode("qqqq")) == 4


def test_bad_ids_are_refused(vocabulary):
    with refuses(ValueError, "ids: got values from 265 to 265, expected 0 to 264"):
        vocabulary.decode(np.array([265]))


def test_what_is_not_utf_8_is_refused(vocabulary):
    """As by every other vocabulary."""
    text = b"the \xff".decode(errors="surrogateescape")
    with refuses(ValueError, "text: got '\\udcff' at character 4, expected valid UTF-8 text"):
        vocabulary.encode(text)
    with refuses(ValueError, "texts: got '\\udcff' at character 4, expected valid UTF-8 text"):
        byte_pair_vocabulary(["the", text], 300)
    with refuses(TypeError, "texts: got str, expected several texts, such as a list of strings"):
        byte_pair_vocabulary("the", 300)


def test_a_definition_that_is_none_is_refused():
    pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    with pytest.raises(ValueError, match=r"^definition: got no tokenizer \(.*\), expected the library's JSON$"):
        BytePairs("{}").encode("the")


def test_bad_sizes_and_a_missing_library_are_named(monkeypatch):
    """What to install, in one line."""
    with refuses(ValueError, "size: got 256, expected 257 or more"):
        byte_pair_vocabulary(["text"], 256)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with refuses(ValueError, INSTALL_HINT):
        byte_pair_vocabulary(["text"], 300)


def test_no_more_words_than_were_asked_for():
    """Of a text with many more pairs to join; ids of any shape are read row by row."""
    pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    vocabulary = byte_pair_vocabulary(["the cat and the hat and the bat " * 20], 259)
    assert vocabulary.size == 259
    ids = vocabulary.encode("the cat")
    assert vocabulary.decode(np.stack([ids, ids])) == "the catthe cat"
