"""Characters and words as numbers, and back."""

import collections

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.vocabulary import UNKNOWN, WORD, character_vocabulary, word_vocabulary
from minitransformer.data.word_pieces import word_piece_vocabulary

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


@pytest.mark.parametrize(
    "word",
    [
        "हिन्दी",
        "தமிழ்",
        "cafe\u0301",
        "כּתב",
        "كِتَاب",
        "ภาษาไทยที่นี่",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a joiner that does not join
        "\u0d28\u0d4d\u200d",  # Malayalam: n, virama, joiner
        "inter\u00adnational",
        "e\u20dd",
        "\u2764\ufe0f",
        "\U0001f44b\U0001f3fd",
        "!\u0301",
    ],
)
def test_marks_belong_to_the_character_before_them(word):
    """Vowel signs, accents, joiners, variants and skin tones: one word each (Unicode's UAX 29, rule WB4)."""
    assert WORD.findall(f"{word} {word}, a{word}"[: 2 * len(word) + 2]) == [word, f" {word}", ","]
    assert WORD.findall(f"\n{word}") == ["\n", word]


def test_a_mark_without_a_letter_is_not_lost():
    """At the start, or after white space; the next letter begins a word."""
    assert WORD.findall("\u0301a \u0301\u0302\n\u0301b") == ["\u0301", "a", " \u0301\u0302", "\n", "\u0301", "b"]
    assert WORD.findall("a\u200bb") == ["a", "\u200b", "b"]  # a space, though without width


def test_what_is_not_utf_8_is_refused():
    """Half characters, in which Python hides bytes of a command line: by every vocabulary, read or learned."""
    text = b"hi \xff".decode(errors="surrogateescape")
    for made in (character_vocabulary(["hi"]), word_vocabulary(["hi"], 4), word_piece_vocabulary(["hi"], 9)):
        with refuses(ValueError, "text: got '\\udcff' at character 3, expected valid UTF-8 text"):
            made.encode(text)
        with refuses(TypeError, "text: got bytes, expected a string"):
            made.encode(b"hi")
    for learn in (character_vocabulary, lambda texts: word_vocabulary(texts, 9), lambda t: word_piece_vocabulary(t, 9)):
        with refuses(ValueError, "texts: got '\\udcff' at character 3, expected valid UTF-8 text"):
            learn(["hi", text])
        with refuses(TypeError, "texts: got str, expected several texts, such as a list of strings"):
            learn("hi")


def test_the_sign_for_unknown_words_is_no_word_besides():
    """It has the id 0, also where the texts have it."""
    vocabulary = word_vocabulary([f"a{UNKNOWN}a"], 9)
    assert vocabulary.words == (UNKNOWN, "a")
    assert vocabulary.encode(UNKNOWN).tolist() == [0]


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
    assert vocabulary.encode("\ufffe").tolist() == [0]  # one above the largest that it has
    assert vocabulary.encode("").tolist() == []
    assert vocabulary.decode(np.array([1, 0])) == "a" + UNKNOWN
    assert vocabulary.unknown("abxc\U0001f600x") == ["x", "\U0001f600", "x"]
    assert vocabulary.unknown("cab") == []


def test_bad_input_is_refused():
    vocabulary = character_vocabulary(["abc"])
    with refuses(ValueError, "ids: got values from 1 to 4, expected 0 to 3"):
        vocabulary.decode(np.array([1, 4]))
    with refuses(TypeError, "ids: got list, expected an array of integers"):
        vocabulary.decode([1])
    with refuses(ValueError, "size: got 1, expected 2 or more"):
        word_vocabulary(["abc"], 1)


def test_an_unknown_word_is_id_0():
    """Wherever it stands, and whether it was seen too rarely or never."""
    vocabulary = word_vocabulary(["a b a"], 3)
    assert vocabulary.words == (UNKNOWN, " a", " b")
    assert vocabulary.encode(" b a c a").tolist() == [2, 1, 0, 1]
    assert word_vocabulary(["a b a"], 2).encode(" b a").tolist() == [0, 1]
    assert vocabulary.unknown(" b a c a d") == [" c", " d"]


def test_the_words_of_a_text_are_what_is_encoded():
    """One id each: characters, or words with the space before them."""
    text = "ab, \U0001f600 ab"
    for vocabulary, words in (
        (character_vocabulary([text]), [*text]),
        (word_vocabulary([text], 99), ["ab", ",", " \U0001f600", " ab"]),
    ):
        assert vocabulary.words_of(text) == words
        assert [vocabulary.words[i] for i in vocabulary.encode(text)] == words


def test_ids_of_any_shape_are_decoded_row_by_row():
    pieces = word_piece_vocabulary(["ab"], 99)
    for vocabulary in (character_vocabulary(["ab"]), word_vocabulary(["ab"], 9), pieces):
        ids = vocabulary.encode("abab") if vocabulary is not pieces else pieces.encode("ab ab")
        rows = np.stack([ids, ids])
        assert vocabulary.decode(rows) == vocabulary.decode(rows.ravel())
