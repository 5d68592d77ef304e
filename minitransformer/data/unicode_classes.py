"""Unicode classes that Python's regular expressions lack: marks, ideographs, punctuation, widths.

A class is written as the inside of a regular expression's brackets.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

# ranges that hold the characters that extend a word; the large blocks of ideographs and Hangul have none
EXTENDING_WITHIN = (
    *(range(0x00AD, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x17000), range(0x1BC00, 0x20000)),
    range(0xE0000, 0xE0200),
)
MARKS = ("Mn", "Mc", "Me")
EMOJI_MODIFIERS = range(0x1F3FB, 0x1F400)
NOT_EXTENDING = {0x200B, 0x8E2, 0x6DD, 0x70F, 0x110BD, 0x110CD, *range(0x600, 0x606)}  # a space; signs before a number

ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
# what BERT sets apart (`_is_chinese_char`; `tokenizers` has a typo, 2B920, in the third from last)
IDEOGRAPHS = (
    "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\uf900-\ufaff\U0002f800-\U0002fa1f"
)
VARIATION_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"


def as_class(code_points: Iterable[int]) -> str:
    """Ascending code points as ranges."""
    ranges: list[list[int]] = []
    for code_point in code_points:
        if ranges and code_point == ranges[-1][1] + 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)


def extending() -> Iterator[int]:
    code_points = [code_point for part in EXTENDING_WITHIN for code_point in part]
    for code_point, category in zip(code_points, map(unicodedata.category, map(chr, code_points)), strict=True):
        format_sign = category == "Cf" and code_point not in NOT_EXTENDING
        if category in MARKS or format_sign or code_point in EMOJI_MODIFIERS:
            yield code_point


# characters that extend the one before (UAX 29, WB4: Extend, Format and ZWJ): vowel signs, accents, joiners
EXTENDING = as_class(extending())


def is_ideograph(c: str) -> bool:
    """Whether BERT sets it apart."""
    return IDEOGRAPH.match(c) is not None


IDEOGRAPH = re.compile(f"[{IDEOGRAPHS}]")


def is_punctuation(c: str) -> bool:
    """For BERT: also the symbols of ASCII, such as $ and ^."""
    return unicodedata.category(c)[0] == "P" or (c.isascii() and c.isprintable() and not c.isalnum() and c != " ")


# Scripts without spaces between words, such as Thai, and Korean, whose spaces separate phrases; composed or not
WITHOUT_SPACES = re.compile(
    f"[{IDEOGRAPHS}\U0002ebf0-\U0002ee5d\U00030000-\U000323af"  # the later ones, too
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # kana, Bopomofo
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc"  # Hangul
    "\ua000-\ua4cf\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"  # Yi, Thai, Lao, Burmese, Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf]"  # the scripts of the Tai
)


def columns_of(text: str) -> int:
    """Its width in a terminal: two columns for wide characters, such as Chinese ones, none for marks."""
    return sum(0 if is_mark(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def is_mark(c: str) -> bool:
    """Whether it has no width of its own: a non-spacing mark or a format character."""
    return unicodedata.category(c) in ("Mn", "Me", "Cf")
