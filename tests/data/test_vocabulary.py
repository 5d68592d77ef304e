"""Characters and words as numbers, and back."""

import collections

import numpy as np
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.vocabulary import UNKNOWN, WORD, character_vocabulary, word_vocabulary

lists_of_texts = st.lists(st.text(), max_size=4)


@given(lists_of_texts)
def test_decoding_undoes_encoding(texts):
    """For any text over the vocabulary's words."""
    joined = "".join(texts)
    for vocabulary in (character_vocabulary(texts), word_vocabulary([joined], 10**6)):
        ids = vocabulary.encode(joined)
        assert ids.dtype == np.int64
        assert ids.size == 0 or ids.max() < vocabulary.size
        assert vocabulary.decode(ids) == joined


@given(lists_of_texts)
def test_each_character_has_one_id(texts):
    """In the order of code points, after the one for unknown characters; 0 stands for that alone."""
    vocabulary = character_vocabulary(texts)
    assert vocabulary.words[0] == UNKNOWN
    assert list(vocabulary.words[1:]) == sorted(set("".join(texts)) - {UNKNOWN})
    assert vocabulary.size == len(vocabulary.words)


@given(st.text())
def test_splitting_into_words_loses_nothing(text):
    assert "".join(WORD.findall(text)) == text


def test_a_word_has_the_space_before_it():
    assert WORD.findall("If x: return  y_1\n") == ["If", " x", ":", " return", " ", " y_1", "\n"]


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1), st.integers(2, 5))
def test_the_most_frequent_words_stay(words, size):
    """And all others are unknown; of equally frequent ones the first in the order of code points."""
    vocabulary = word_vocabulary(["\n".join(words)], size)
    counts = collections.Counter(WORD.findall("\n".join(words)))
    kept = vocabulary.words[1:]
    assert len(kept) == min(size - 1, len(counts))
    for word in counts.keys() - set(kept):
        assert (counts[word], word) and all((-counts[k], k) < (-counts[word], word) for k in kept)


def test_an_unknown_character_is_id_0():
    """A text other than the one that made the vocabulary."""
    vocabulary = character_vocabulary(["abc"])
    assert vocabulary.encode("abxc").tolist() == [1, 2, 0, 3]
    assert vocabulary.encode("\U0001f600c\0").tolist() == [0, 3, 0]
    assert vocabulary.encode("").tolist() == []
    assert vocabulary.decode(np.array([1, 0])) == "a" + UNKNOWN


def test_bad_input_is_refused():
    vocabulary = character_vocabulary(["abc"])
    with refuses(ValueError, "ids: got values from 1 to 4, expected 0 to 3"):
        vocabulary.decode(np.array([1, 4]))
    with refuses(TypeError, "ids: got list, expected an array of integers"):
        vocabulary.decode([1])
    with refuses(ValueError, "size: got 1, expected 2 or more"):
        word_vocabulary(["abc"], 1)
