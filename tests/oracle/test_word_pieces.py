"""Word pieces beside `tokenizers`: BERT's normalizer, pre-tokenizer and longest match first, of one vocabulary."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.bert_words import CHUNK, Rules, words_in
from minitransformer.data.unicode_classes import is_ideograph
from minitransformer.data.word_pieces import MOST_LETTERS, UNK, WordPieces, word_piece_vocabulary

tokenizers = pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")

# `tokenizers` has the categories of an older Unicode. What 3.2 had is the same now, but for four characters.
CHANGED = "\u166d\u1734\u1885\u1886"
LEARNED = [
    "The caf\u00e9's na\u00efve r\u00e9sum\u00e9, 3.14 + x_1 = [MASK]! Stra\u00dfe \u0130stanbul \u03a3\u03af\u03c2",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u304b\u306a\u30ab\u30ca\u304c \ud55c\uad6d\uc5b4 \u2260 \u2192 \u00b1",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0643\u0650\u062a\u064e\u0627\u0628",
]
LONG = ("abab" * 25, "abab" * 25 + "a", "\ud55c" * 34)
NAMES = (*LONG, "[MASK]", "[UNK]", "##a", " ", "\n", "\r\n", "\u3000", "\u2028", "\0", "\ufeff")
OPTIONS = list(itertools.product((True, False), repeat=2))


def is_old(c):
    return unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") and c not in CHANGED


characters = st.characters(exclude_categories=("Cn", "Cs")).filter(is_old)
parts = st.sampled_from([*"".join(LEARNED), *NAMES]) | characters
texts = st.lists(parts, max_size=30).map(lambda found: unicodedata.normalize("NFC", "".join(found)))


def bert(vocabulary):
    """What BERT's tokenizer makes of a text: ids and positions."""
    ids = {piece: i for i, piece in enumerate(vocabulary.pieces)}
    made = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=MOST_LETTERS)
    )
    made.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        strip_accents=vocabulary.strip_accents,
        lowercase=vocabulary.lowercase,
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return made


def both(options):
    vocabulary = word_piece_vocabulary(LEARNED * 2, 400, *options)
    return vocabulary, bert(vocabulary)


BOTH = {options: both(options) for options in OPTIONS}
with_options = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"lowercase={o[0]}, strip_accents={o[1]}")


@with_options
@given(text=texts)
def test_tokens_are_those_of_bert(options, text):
    """The same ids, for any composed text. Spans begin at the same character, and end there, or after its marks."""
    ours, theirs = BOTH[options]
    tokens, expected = ours.tokens(text), theirs.encode(text)
    assert tokens.ids.tolist() == ours.encode(text).tolist() == expected.ids
    for (start, end), (expected_start, expected_end) in zip(tokens.spans.tolist(), expected.offsets, strict=True):
        assert start == expected_start
        assert end == expected_end or all(unicodedata.category(c) == "Mn" for c in text[expected_end:end])


@with_options
def test_the_texts_that_were_learned_are_spelt(options):
    """So that the comparison is not one of [UNK] with [UNK]."""
    ours, theirs = BOTH[options]
    for text in LEARNED:
        assert UNK not in ours.encode(text)
        assert ours.encode(text).tolist() == theirs.encode(text).ids


@with_options
def test_every_character_parts_words_or_does_not(options):
    """Between two letters, each alone; of the large blocks (ideographs, Hangul, private use) the ends."""
    blocks = [(0x3400, 0x4DB5), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0x20000, 0x2A6D6)]
    blocks += [(0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)]
    inner = {c for first, last in blocks for c in range(first + 9, last - 9)}
    tested = [c for code_point in range(0x110000) if code_point not in inner and is_old(c := chr(code_point))]
    assert len(tested) > 13_000
    _, theirs = BOTH[options]
    for c in tested:
        text = unicodedata.normalize("NFC", f"a{c}b")
        normalized = theirs.normalizer.normalize_str(text)
        expected = [word for word, _ in theirs.pre_tokenizer.pre_tokenize_str(normalized)]
        got = [word.text for chunk in CHUNK.findall(text) for word in words_in(chunk, Rules(*options))]
        assert got == expected, hex(ord(c))


def test_the_ideographs_that_are_set_apart():
    """Those of `_is_chinese_char` (Devlin et al. 2019); `tokenizers` leaves out 256, U+2B820 to U+2B91F."""
    normalize = BOTH[False, False][1].normalizer.normalize_str
    for c in map(chr, (*range(0x2E80, 0xD800), *range(0xF900, 0x10000), *range(0x20000, 0x32000))):
        assert is_ideograph(c) == (normalize(c) == f" {c} ") or 0x2B820 <= ord(c) < 0x2B920


def test_a_vocabulary_of_ones_own_with_new_lines_is_bert_between_them():
    """The option `lines` adds new lines and changes nothing else."""
    plain = BOTH[True, True][0]
    lines = WordPieces((*plain.pieces, "\n"), lines=True)
    text = "\n".join(LEARNED) + "\r\n\n"
    ids = lines.encode(text)
    assert (ids == plain.size).sum() == text.count("\n")
    assert ids[ids != plain.size].tolist() == plain.encode(text).tolist()
