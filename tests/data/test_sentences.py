"""Where sentences end: also in Chinese, and after what closes a quotation or a bracket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.sentences import sentences_of

Q, Z = "\u201c\u201d", "\u6211\u4eec\u53bb"  # quotation marks; "we go"


@given(st.text(st.sampled_from("aB. !?:\n\"')\u3002\uff01\u201c\u201d\u2026\uff0c"), max_size=30) | st.text())
def test_sentences_are_the_text(text):
    assert "".join(sentences_of(text)) == text


@pytest.mark.parametrize(
    "right",
    [
        ["He came. ", "She left! ", "Why? ", "So: ", "it is."],
        ['He said "go." ', "Then he left. ", "End."],
        ["(It rained.) ", "We stayed. ", "End."],
        ["He said \u201cGo!\u201d\n", "She went."],
        ["'Why?' ", "Yes."],
        ['He said "Go." and left. ', "End."],
        ["(See above.) or below. ", "End."],
        ['He said "Go." iPads ring. ', "End."],
        ["Why?! ", "No... ", "Wait\u2026 ", "Yes."],
        ["Er sagte: ", "\u201eGeh.\u201c ", "\u00bbJa.\u00ab ", "Gut."],
        ["Il dit \u00ab Va.\u00a0\u00bb ", "Fin."],
        ["version 3.5 of f(x.y) is a.b"],
        ["\u0935\u0939\u0964 ", "\u0935\u0939\u0965 ", "\u0935\u0939"],
        ["one\n\n", "two\n \n\n", "three\nfour"],
    ],
)
def test_sentences_before_white_space(right):
    """The closing mark stays with its sentence; where a small letter follows, the sentence goes on."""
    assert sentences_of("".join(right)) == right


@pytest.mark.parametrize(
    "right",
    [
        [f"{Z}\u3002", f"{Z}\uff1f", Z],
        [f"{Z}\uff1a{Q[0]}{Z}\u3002{Q[1]}", f"{Z}\u3002", Z],
        [f"\uff08{Z}\uff01\uff09", f"{Z}\u3002\n", Z],
        [f"\u300c{Z}\u3002\u300d", Z],
        [f"{Z}\uff1f\uff01", f"{Z}\u2026\u2026", f"{Q[0]}{Z}\u2026\u2026{Q[1]}", Z],
        [f"{Q[0]}{Z}\uff01{Q[1]}\uff0c{Z}\u3002", Z],
        [f'{Z}\uff1a"{Z}\u3002"', f"{Z}\u3002", f'"{Z}\u3002"', Z],
        [f"{Z}\u3002", f'"{Z}\u3002"', f"{Z}\u3002 ", f'"{Z}'],
        [f"\uff08{Z}\u3002\uff09", f'"{Z}\u3002"', Z],  # the bracket closes, the straight mark opens
        [f'"{Z}"{Z}\u3002', f'"{Z}\u3002"', Z],  # what was opened before is closed
        [f'{Z}"{Z}\u3002', f"{Z}\u3002", f'"{Z}\u3002"', Z],  # what an earlier sentence left open is not counted
        [f"{Z}\u3002", f'""{Z}\u3002', Z],  # the first of two marks opens
    ],
)
def test_sentences_without_white_space(right):
    """Chinese: closing marks stay, opening ones do not; a straight mark closes where one is open."""
    assert sentences_of("".join(right)) == right
