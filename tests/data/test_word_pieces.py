"""Word pieces: every word can be spelt, every piece has its place, and what is frequent is one piece."""

from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.vocabularies import vocabulary_from
from minitransformer.data.word_pieces import (
    INSIDE,
    N_SPECIAL,
    SPECIAL,
    UNK,
    WORD,
    WordPieces,
    lower,
    word_piece_vocabulary,
)

TEXTS = ["low low low lower lowest\n", "new newer newest, wide wider_widest"]
texts = st.text(st.sampled_from("lowernstid_ ,\nLWN"), max_size=30)
any_texts = st.text(max_size=30)


def vocabulary(size=80):
    return word_piece_vocabulary(TEXTS, size)


@given(texts)
def test_the_pieces_of_a_word_are_the_word(text):
    """Joined, without the marks of continuation, the pieces are the text without its white space, but for new lines."""
    v = vocabulary()
    pieces = [v.pieces[i] for i in v.encode(text)]
    assert "".join(piece.removeprefix(INSIDE) for piece in pieces) == "".join(WORD.findall(lower(text)))


@given(any_texts)
def test_each_token_has_its_place_in_the_text(text):
    """The spans follow one another, and what stands there is the piece, in whatever case; also where it is unknown."""
    v = vocabulary()
    tokens = v.tokens(text)
    ends = 0
    for i, (start, end) in zip(tokens.ids, tokens.spans, strict=True):
        assert ends <= start < end <= len(text)
        ends = end
        if i != UNK:
            assert lower(text[start:end]) == v.pieces[i].removeprefix(INSIDE)


def test_the_most_frequent_pair_is_joined_first():
    """'lo' and 'ow' occur five times each: the first in the alphabet is joined, and the next pair is 'lo' with 'w'."""
    pieces = word_piece_vocabulary(["low low low lower lowest"], 1000).pieces[N_SPECIAL:]
    joined = [piece for piece in pieces if len(piece.removeprefix(INSIDE)) > 1]
    assert joined[:2] in (["##ow", "low"], ["lo", "low"])


def test_a_vocabulary_that_is_large_enough_has_every_repeated_word_whole():
    v = vocabulary(1000)
    assert [len(v.encode(word)) for word in ("low", "new", "wide")] == [1, 1, 1]
    assert len(v.encode("lowest")) > 1  # which occurs once


def test_size_and_special_tokens():
    """As many pieces as were asked for, the special ones first."""
    assert vocabulary(36).size == 36
    assert vocabulary(36).pieces[:N_SPECIAL] == SPECIAL
    with refuses(ValueError, "size: got 5, expected 6 or more"):
        vocabulary(5)


def test_unknown_characters_upper_case_and_new_lines():
    v = vocabulary()
    assert v.encode("z").tolist() == [UNK]
    assert v.encode("LOW").tolist() == v.encode("low").tolist()
    assert len(v.encode("low \t low")) == 2
    assert v.decode(v.encode("Lower\nwidest")) == "lower \n widest"
    assert "".join(map(lower, "İI")) == "İi"  # a lower case of two characters would move all that follows


def test_a_checkpoint_keeps_it():
    v = vocabulary()
    again = vocabulary_from(v.as_dict())
    assert isinstance(again, WordPieces)
    assert again == v
