"""What BERT takes for a word. `tests/oracle/test_word_pieces.py` compares it with `tokenizers`."""

import unicodedata

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from minitransformer.data.bert_words import CHUNK, Rules, compose, segments, words_in

any_texts = st.text(max_size=30)
joining = st.text(
    st.sampled_from(
        "ae=<\u0301\u0323\u0338\u00e9\u1112\u1161\u11ab\uac00\u09c7\u09be\u0b47\u0b3e\u0344\u2126\ufb1d\u302a\u0f40\u0f39\u0f71\u0f72\u0f73\u0f75\u0f81"
        "\u0340\u0341\u0343\u1100\u1175\u11a8\u11c2\uac01\u0dd9\u0dcf\u0dca\u0ddd\U0001611e\U00016121\U00016127\U00016129"
    ),
    max_size=12,
)


def words(text, *rules):
    return [word.text for word in words_in(text, Rules(*rules))]


@given(any_texts)
def test_chunks_are_the_text(text):
    assert "".join(CHUNK.findall(text)) == text


@given(any_texts | joining, st.builds(Rules, st.booleans(), st.booleans(), st.booleans()))
def test_a_text_is_cut_only_where_words_are_parted(text, rules):
    """Chunk by chunk, or in one go: the same words, with spans that are as much later as the chunk is."""
    composed = compose(text).text
    whole = words_in(composed, rules)
    offset, parts = 0, []
    for chunk in CHUNK.findall(composed):
        parts += [(word.text, [(a + offset, b + offset) for a, b in word.spans]) for word in words_in(chunk, rules)]
        offset += len(chunk)
    assert [text for text, _ in parts] == [word.text for word in whole]
    assert [[a for a, _ in spans] for _, spans in parts] == [[a for a, _ in word.spans] for word in whole]


@given(any_texts | joining)
@example("\u0f40\u0f39\u0f73")  # a vowel sign that is two marks: the one before it goes between or behind them
@example("\u0f40\u0f39\u0f81\u0f75")
@example("\U0001611e\U00016127")  # Unicode 16 (Python 3.14): the second is two letters that join what is before them
def test_composing_by_segments_is_composing(text):
    """NFC; and each character comes from where its span says: what stands there composes to what is there."""
    composed, spans = compose(text)
    assert composed == unicodedata.normalize("NFC", text)
    assert "".join(segments(text)) == text
    if spans is not None:
        assert (np.diff(spans, axis=0) >= 0).all()
        assert all(c in unicodedata.normalize("NFC", text[a:b]) for c, (a, b) in zip(composed, spans, strict=True))


def test_what_parts_words():
    """White space, also of Unicode; punctuation, with the symbols of ASCII; not other symbols; ideographs alone."""
    assert words("a b\tc\nd\re\u00a0f\u3000g\u2028h") == list("abcdefgh")
    assert words("a_b$c\u2019d\u3002e\u2192f") == ["a", "_", "b", "$", "c", "\u2019", "d", "\u3002", "e\u2192f"]
    assert words("a\u4e2d\u6587b\U00020000") == ["a", "\u4e2d", "\u6587", "b", "\U00020000"]
    assert words("\u304b\u306a \u30ab\u30ca") == ["\u304b\u306a", "\u30ab\u30ca"]


def test_what_is_dropped():
    """Control and formatting characters, private ones, NUL and U+FFFD: what stands around them is one word."""
    for c in "\0\x0b\x0c\x1c\x7f\x85\u00ad\u200b\u200d\u2060\ufeff\ufffd\ue000":
        assert words(f"a{c}b") == ["ab"]


def test_lower_case_and_accents():
    """Character by character: no final sigma; each can be kept."""
    assert words("\u00c9\u03a3 \u0130") == ["e\u03c3", "i"]
    assert words("\u00c9", False) == ["E"]
    assert words("\u00c9\u0130", True, False) == ["\u00e9i\u0307"]
    assert words("\u00c9", False, False) == ["\u00c9"]
    assert words("\u2260a") == ["=", "a"]
    assert words("\u2260a", True, False) == ["\u2260a"]


def test_a_new_line_is_a_word_where_it_is_wanted():
    assert words("a\n\nb", True, True, True) == ["a", "\n", "\n", "b"]
    assert words("a\n\nb") == ["a", "b"]


def test_spans_of_what_cannot_be_composed_are_those_of_its_characters():
    """Beside what can: a letter with an accent is one character of two, or stays two."""
    composed = compose("e\u0301x\u0301")
    assert composed.text == "\u00e9x\u0301"
    assert composed.spans.tolist() == [[0, 2], [2, 3], [3, 4]]
