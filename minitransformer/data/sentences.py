"""Where the sentences of a text end: in English and the like, in Chinese and Japanese, and at the end of a paragraph.

Based on rules SB8 to SB11 of Unicode's UAX 29, where they help and a regular expression can express them.
"""

import itertools
import re

from minitransformer.checks import check_text

# What closes a quotation or a bracket belongs to the sentence that ends within it. Where white space follows, a mark
# that opens in one language closes in another (German).
CLOSING = (
    "\"')\\]}\u2019\u201d\u00bb\u203a\u3009\u300b\u300d\u300f\u3011\u3015\u3017\u3019\u301b"
    "\uff02\uff07\uff09\uff3d\uff5d\uff60\uff63"
)
OPENING = "\u2018\u201c\u00ab\u2039"
STOP = ".!?:\u2026\u203c\u2047-\u2049\u0589\u061f\u06d4\u0964\u0965\u104b\u1362\u17d4"  # white space follows
WIDE_STOP = "\u3002\uff01\uff1f\uff61"  # Chinese and Japanese, and a double ellipsis: no white space needed
WIDE_COMMA = "\uff0c\u3001\uff1b\uff1a,;:"  # the sentence goes on
BOUNDARY = re.compile(
    rf"(?<=[{STOP}])(?P<closed>(?:[\xa0\u202f]?[{CLOSING}{OPENING}])*+)\s+"
    rf"|(?:(?<=[{WIDE_STOP}])|(?<=\u2026\u2026))(?![{WIDE_STOP}\u2026!?])(?P<wide>[{CLOSING}]*+)(?![{WIDE_COMMA}])\s*"
    r"|\n[ \t]*\n\s*"
)


def sentences_of(text: str) -> list[str]:
    """The sentences, each with the white space after it, so that nothing is lost."""
    check_text("text", text)
    ends = [0]
    for match in BOUNDARY.finditer(text):
        end = match.end()
        if match["closed"] and text[end : end + 1].islower():
            continue  # he said "Go." and left
        if match["wide"] and (quote := match["wide"].find('"')) >= 0:
            position = match.start("wide") + quote
            if text.count('"', ends[-1], position) % 2 == 0:
                end = position  # this mark both opens and closes; none is open here
        ends.append(end)
    return [text[a:b] for a, b in itertools.pairwise([*ends, len(text)])]
