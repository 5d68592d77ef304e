"""Word pieces: BERT's tokens. Every piece has its position, and equal texts are equal, however they are written."""

import unicodedata

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.piece_learning import INSIDE
from minitransformer.data.vocabularies import vocabulary_from
from minitransformer.data.word_pieces import MOST_LETTERS, N_SPECIAL, SPECIAL, UNK, WordPieces, word_piece_vocabulary

TEXTS = ["low low low lower lowest\n", "new newer newest, wide wider_widest"]
texts = st.text(st.sampled_from("lowernstid_ ,\nLWN"), max_size=30)
any_texts = st.text(max_size=30)
accented = st.text(
    st.sampled_from("aeIoc \u0301\u0323\u0338\u00e9\u0130\ud55c\u1112\u1161\u11ab=\u4e2d\u0915\u093c"), max_size=20
)
options = st.tuples(st.booleans(), st.booleans())


def vocabulary(size=80, **rules):
    return word_piece_vocabulary(TEXTS, size, **rules)


def with_letters(letters, *options):
    """Every word of these letters can be spelt."""
    return WordPieces((*SPECIAL, *letters, *(INSIDE + letter for letter in letters)), *options)


@given(texts)
def test_the_pieces_of_a_word_are_the_word(text):
    """Joined, without the marks of continuation, the pieces are the text without its white space."""
    v = vocabulary()
    pieces = [v.pieces[i] for i in v.encode(text)]
    assert "".join(piece.removeprefix(INSIDE) for piece in pieces) == "".join(text.lower().split())


@given(any_texts, options)
def test_each_token_has_its_position_in_the_text(text, options):
    """The spans lie in the text, in its order; what stands there is encoded as the same token, where it is known."""
    v = with_letters(sorted(set(unicodedata.normalize("NFD", text.lower() + text)) - set(SPECIAL)), *options)
    tokens = v.tokens(text)
    assert tokens.ids.tolist() == v.encode(text).tolist()
    assert (np.diff(tokens.spans, axis=0) >= 0).all()
    for i, (start, end) in zip(tokens.ids, tokens.spans, strict=True):
        assert 0 <= start < end <= len(text)
        if i != UNK:
            letters = [v.pieces[j].removeprefix(INSIDE) for j in v.encode(text[start:end])]
            assert v.pieces[i].removeprefix(INSIDE) in letters


def spans(text, *options):
    v = with_letters("abcdefghijklmnopqrstuvwxyz\u00e9\u1112\u1161\u11ab\u4e2d=\u0307", *options)
    tokens = v.tokens(text)
    return [(v.pieces[i].removeprefix(INSIDE), text[a:b]) for i, (a, b) in zip(tokens.ids, tokens.spans, strict=True)]


def test_spans_where_a_letter_has_another_length():
    """By hand: a dropped mark belongs to its letter, the parts of one character share it, and so do composed ones."""
    assert spans("e\u0301a") == [("e", "e\u0301"), ("a", "a")]
    assert spans("\u0130b") == [("i", "\u0130"), ("b", "b")]
    assert spans("\u0130b", True, False) == [("i", "\u0130"), ("\u0307", "\u0130"), ("b", "b")]
    assert spans("e\u0301abc") == [("e", "e\u0301"), ("a", "a"), ("b", "b"), ("c", "c")]
    assert spans("ce\u0301", True, False) == [("c", "c"), ("\u00e9", "e\u0301")]
    assert spans("\ud55ca") == [("\u1112", "\ud55c"), ("\u1161", "\ud55c"), ("\u11ab", "\ud55c"), ("a", "a")]
    assert spans("\u4e2d\U000e0100 a") == [("\u4e2d", "\u4e2d\U000e0100"), ("a", "a")]
    assert spans("a\u0338\u2260") == [("a", "a\u0338"), ("=", "\u2260")]
    assert spans("\0a\u00adb\x0c c") == [("a", "a"), ("b", "b"), ("c", "c")]
    assert spans(" \t\u3000a\n") == [("a", "a")]


@given(accented, options)
def test_composed_or_not_is_the_same_text(text, options):
    """Whatever is stripped: NFC and NFD are the same text (Unicode, TR 15), and so are the tokens."""
    v = with_letters("aeioc=\u00e9\u4e2d\u1112\u1161\u11ab\ud55c\u0915\u0301", *options)
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert v.encode(text).tolist() == v.encode(forms[0]).tolist() == v.encode(forms[1]).tolist()


def test_what_its_options_keep_apart():
    """Upper case where it is kept, accents where they are kept, new lines where they are tokens."""
    v = [word_piece_vocabulary(["Caf\u00e9 cafe\n"] * 2, 60, *rules) for rules in ((), (False,), (True, False))]
    same = [
        [x.encode(text).tolist() == x.encode("cafe").tolist() for text in ("Cafe", "caf\u00e9", "cafe\n")] for x in v
    ]
    assert same == [[True, True, True], [False, True, True], [True, False, True]]
    lines = word_piece_vocabulary(["cafe\n"] * 2, 60, lines=True)
    assert [lines.pieces[i] for i in lines.encode("cafe\n\ncafe")] == ["cafe", "\n", "\n", "cafe"]
    assert lines.tokens("a\n").spans.tolist() == [[0, 1], [1, 2]]
    assert "\n" not in v[0].pieces
    without = WordPieces(v[0].pieces, lines=True)
    assert without.encode("cafe\ncafe").tolist() == v[0].encode("cafe cafe").tolist()


def test_an_unknown_ideograph_is_one_token():
    """Each is set apart, so that its neighbours stay known; kana and Hangul are not (BERT's `_is_chinese_char`)."""
    v = with_letters("\u4f60\u597d\u4e16\u754c\u304b\u306a")
    assert [v.pieces[i] for i in v.encode("\u4f60\u597d\u9f98\u4e16\u754c")] == [
        "\u4f60",
        "\u597d",
        "[UNK]",
        "\u4e16",
        "\u754c",
    ]
    assert v.unknown("\u4f60\u9f98 \u304b?Z") == ["\u9f98", "?", "Z"]
    assert [v.pieces[i] for i in v.encode("\u304b\u306a")] == ["\u304b", INSIDE + "\u306a"]


def test_a_long_word_is_unknown():
    """Of more than 100 letters after normalization, as for BERT; so are its parts never asked for."""
    v = with_letters("ab\u1112\u1161\u11ab")
    assert MOST_LETTERS == 100
    assert len(v.encode("ab" * 50)) == 100
    assert v.encode("ab" * 50 + "a").tolist() == [UNK]
    assert len(v.encode("a\u0301" * 100)) == 100
    assert len(v.encode("\ud55c" * 33)) == 99
    assert v.encode("\ud55c" * 34).tolist() == [UNK]
    assert v.tokens("a" + " b" + "ab" * 300).spans.tolist() == [[0, 1], [2, 603]]


class Counted(dict):
    asked = 0

    def __contains__(self, key):
        self.asked += 1
        return super().__contains__(key)


def test_no_piece_longer_than_the_longest_is_looked_for():
    """The search is linear in the word: n letters, at most `longest` questions each."""
    v = with_letters("ab")
    v.__dict__["id_of"] = counted = Counted(v.id_of)
    assert v.longest == len("[MASK]")
    v.encode("ab" * 50)
    assert counted.asked <= 100 * v.longest + 1


def test_special_tokens_cannot_be_written():
    """Their names in a text are words like others; brackets part words."""
    for rules in ((True, True), (False, False)):
        v = word_piece_vocabulary(["[MASK] [mask] [UNK] [CLS] ##a"], 100, *rules)
        assert v.encode("[MASK][CLS] [SEP]").min() >= UNK
        assert not set(v.encode("[MASK] [CLS] ##a").tolist()) & set(range(N_SPECIAL))


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
    """As many pieces as were asked for, the special ones first, and none twice."""
    assert vocabulary(36).size == 36 == len(set(vocabulary(36).pieces))
    assert vocabulary(36).pieces[:N_SPECIAL] == SPECIAL
    with refuses(ValueError, "size: got 5, expected 6 or more"):
        vocabulary(5)
    with refuses(ValueError, f"pieces: got ('a', 'b') first, expected {SPECIAL!r}"):
        WordPieces(("a", "b"))


def test_unknown_characters_and_decoding():
    v = vocabulary(lines=True)
    assert v.encode("z").tolist() == [UNK]
    assert len(v.encode("low \t low")) == 2
    assert v.decode(v.encode("Lower\nwidest")) == "lower \n widest"


@pytest.mark.parametrize("rules", [(), (False, False, True), (np.False_, np.True_, np.False_)])
def test_a_checkpoint_keeps_it(rules):
    v = WordPieces(vocabulary(lines=True).pieces, *rules)
    again = vocabulary_from(v.as_dict())
    assert isinstance(again, WordPieces)
    assert again == v
    assert all(type(value) in (str, list, bool) for value in v.as_dict().values())


def test_older_checkpoints_have_new_lines_where_the_vocabulary_has_them():
    """They say nothing of options: then upper case made no difference, accents did, and new lines were tokens."""
    for lines in (True, False):
        v = vocabulary(lines=lines, strip_accents=False)
        assert vocabulary_from({"kind": "word-pieces", "pieces": list(v.pieces)}) == v


def test_options_are_truth_values():
    for name in ("lowercase", "strip_accents", "lines"):
        with refuses(TypeError, f"{name}: got 'no', expected True or False"):
            vocabulary(**{name: "no"})
        with refuses(TypeError, f"{name}: got 1, expected True or False"):
            WordPieces(SPECIAL, **{name: 1})


def test_no_text_has_no_tokens():
    """Of the same type and as many axes as others."""
    for text in ("", " \n", "\u0301"):
        tokens = vocabulary().tokens(text)
        assert (tokens.ids.shape, tokens.spans.shape) == ((0,), (0, 2))
        assert tokens.ids.dtype == tokens.spans.dtype == vocabulary().encode(text).dtype == np.int64


def test_ids_that_are_no_pieces_are_refused():
    v = vocabulary()
    for wrong in (-1, v.size):
        with pytest.raises(ValueError, match=r"^ids: "):
            v.decode(np.array([wrong]))


def test_what_is_learned_is_counted_as_it_is_read():
    """By the same rules, whatever stands around a word; of up to 100 letters, for longer words are unknown."""
    assert word_piece_vocabulary(["zy ZY Zy\tab"], 9).pieces[N_SPECIAL:] == ("y", "##y", "z", "##z")
    assert word_piece_vocabulary(["\u00e9"], 9).pieces[N_SPECIAL:] == ("e", "##e")
    assert word_piece_vocabulary(["z" * MOST_LETTERS], 7).pieces[N_SPECIAL:] == ("z", "##z")
    assert word_piece_vocabulary(["z" * (MOST_LETTERS + 1)], 7).pieces == SPECIAL
