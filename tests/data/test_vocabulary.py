"""Characters as numbers, and back."""

import numpy as np
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.vocabulary import UNKNOWN, character_vocabulary, decode, encode


@given(st.text())
def test_decoding_undoes_encoding(text):
    """For any text over the vocabulary's characters."""
    vocabulary = character_vocabulary(text)
    ids = encode(text, vocabulary)
    assert ids.shape == (len(text),)
    assert ids.dtype == np.int64
    assert decode(ids, vocabulary) == text


@given(st.text())
def test_each_character_has_one_id(text):
    """In the order of code points, after the one for unknown characters; 0 stands for that alone."""
    words = character_vocabulary(text).words
    assert words[0] == UNKNOWN
    assert list(words[1:]) == sorted(set(text) - {UNKNOWN})


def test_an_unknown_character_is_id_0():
    """A text other than the one that made the vocabulary."""
    vocabulary = character_vocabulary("abc")
    assert encode("abxc", vocabulary).tolist() == [1, 2, 0, 3]
    assert decode(np.array([1, 0]), vocabulary) == "a" + UNKNOWN


def test_bad_ids_are_refused():
    vocabulary = character_vocabulary("abc")
    with refuses(ValueError, "ids: got values from 1 to 4, expected 0 to 3"):
        decode(np.array([1, 4]), vocabulary)
    with refuses(TypeError, "ids: got list, expected an array of integers"):
        decode([1], vocabulary)
