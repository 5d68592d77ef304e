"""What Unicode says of characters: the classes are complete, and punctuation and widths are as it has them."""

import re
import unicodedata

from minitransformer.data.unicode_classes import (
    ASCII_PUNCTUATION,
    EXTENDING,
    NOT_EXTENDING,
    WITHOUT_SPACES,
    as_class,
    columns_of,
    extending,
    is_ideograph,
    is_punctuation,
)


def test_all_marks_and_joiners_extend_a_word():
    """Wherever they are in Unicode, and no letter, digit, space or punctuation does; U+00AD is the first."""
    assert as_class(extending()) == EXTENDING
    extends = re.compile(f"[{as_class(extending())}]")
    for code_point in range(0x110000):
        category = unicodedata.category(chr(code_point))
        if category[0] == "M" or (category == "Cf" and code_point not in NOT_EXTENDING):
            assert extends.match(chr(code_point)) and code_point >= 0xAD
        elif category[0] in "LNZP":
            assert not extends.match(chr(code_point))


def test_ranges():
    """By hand: neighbours are one range, and what has a meaning in brackets has none."""
    assert as_class([97, 98, 99, 101]) == "a-ce-e"
    assert re.findall(f"[{as_class([45, 92, 93, 94])}]", "a-\\]^[b") == ["-", "\\", "]", "^"]


def test_punctuation_is_that_of_bert():
    """All of ASCII that is neither letter, digit, space nor control character; elsewhere the category P."""
    ascii_marks = "".join(c for c in map(chr, range(128)) if is_punctuation(c))
    assert ascii_marks == "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
    assert re.findall(f"[{ASCII_PUNCTUATION}]", "".join(map(chr, range(128)))) == list(ascii_marks)
    assert [is_punctuation(c) for c in "\u3002\u201c\u2014\u00d7\u20ac\u2192\u00b0"] == [True] * 3 + [False] * 4


def test_ideographs_are_those_of_bert():
    """The first and the last of each range, and what lies beside it."""
    ranges = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF)]
    ranges += [(0x2F800, 0x2FA1F)]
    for first, last in ranges:
        assert [is_ideograph(chr(c)) for c in (first - 1, first, last, last + 1)] == [False, True, True, False]
    assert not any(map(is_ideograph, "\u3005\u3007\u304b\u30ab\uac00\uff21"))


def test_columns():
    """Two for what is wide, none for marks: as a terminal shows them, composed or not."""
    assert [columns_of(text) for text in ("abc", "\u4e2d\u6587", "\uff21", "\u304b\u3099", "\ud55c")] == [3, 4, 2, 2, 2]
    assert [columns_of(text) for text in ("e\u0301", "\u00e9", "\u200d", "\ufb01", "\u0905")] == [1, 1, 0, 1, 1]
    assert columns_of("a\u20dd") == 1  # a circle around it
    assert columns_of("\ufe70") == 1  # Arabic, beyond all ideographs


def test_scripts_without_spaces():
    """Letters of Chinese, Japanese, Korean (composed or not), Thai and Khmer; not of those beside them."""
    assert all(
        map(WITHOUT_SPACES.match, "\u4e2d\U00020000\u3005\u304b\u30ab\uff76\ud55c\u1112\u1161\u0e01\u1780\ua000")
    )
    assert not any(
        map(WITHOUT_SPACES.match, "a\u0905\u0b95\u0f40\u1200\ua722\uab30\ufb01\ufe8d\uff21\U0001d400\U0001e900")
    )
