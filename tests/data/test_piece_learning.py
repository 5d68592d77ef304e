"""Which pieces a vocabulary has: characters by frequency, room for what is joined, and nothing twice."""

import collections
import itertools

from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.piece_learning import INSIDE, alphabet_within, joined, learn_pieces

words = st.dictionaries(st.text(st.sampled_from("abcd\u4e00\u4e01\u4e02,"), min_size=1, max_size=1), st.integers(1, 9))


def ideographs(n):
    """Character i occurs n - i times. The order of their code points is the opposite one."""
    return collections.Counter({chr(0x4E00 + n - i): n - i for i in range(n)})


@given(words, st.integers(1, 20))
def test_the_most_frequent_characters_stay(counts, size):
    """No character that is left out occurs more often than one that is kept."""
    pieces = learn_pieces(collections.Counter(counts), size)
    assert len(pieces) == len(set(pieces)) <= size
    kept = {piece.removeprefix(INSIDE) for piece in pieces}
    lost = set(counts) - kept
    assert not lost or max(counts[c] for c in lost) <= min(counts[c] for c in kept)


def test_characters_take_all_the_room_where_nothing_can_be_joined():
    """Ideographs stand alone: 20 pieces for the 20 most frequent of 30."""
    counts = ideographs(30)
    assert learn_pieces(counts, 20) == [c for c, _ in counts.most_common(20)]


def test_half_of_the_room_is_for_joined_pieces_where_rare_characters_would_fill_it():
    """20 rare characters beside two frequent words: of 20 pieces the frequent letters, then words, then the rest."""
    rare = {chr(0x4E00 + i): 1 for i in range(20)}
    pieces = learn_pieces(collections.Counter({"abc": 60_000, "dbc": 50_000, **rare}), 20)
    assert pieces[:8] == ["b", "##b", "c", "##c", "a", "##a", "d", "##d"]
    assert pieces[8:10] == ["\u4e00", "\u4e01"]  # up to a half
    assert {"abc", "dbc", "##bc"} <= set(pieces[10:13])
    assert pieces[13:] == [chr(0x4E02 + i) for i in range(7)]


def test_what_the_text_is_made_of_is_spelt_before_anything_is_joined():
    """More than half of the room where it takes that to cover the text: here all 8 forms of 9 pieces."""
    pieces = learn_pieces(collections.Counter({"ab": 5, "cd": 5}), 9)
    assert pieces[:8] == [form for c in "abcd" for form in (c, INSIDE + c)]
    assert pieces[8:] == ["ab"]


def test_a_character_is_spelt_in_both_forms_or_comes_last():
    """Ten times as frequent a mark has one form; with an odd room the last letter waits."""
    assert alphabet_within([(",", 10), ("a", 5), ("b", 5)], 4) == ([",", "a", "##a"], ["b", "##b"])
    assert learn_pieces(collections.Counter({",": 10, "a": 5, "b": 5}), 4) == [",", "a", "##a", "b"]


def test_words_with_a_character_that_is_left_out_are_not_joined():
    """What cannot be spelt needs no pieces: 'xy' is joined, though "zq" is in more words, none of which has its z."""
    alphabet = [(c, 100_000) for c in "xy"] + [("q", 3), ("z", 3)]
    counts = collections.Counter({"xy": 100_000, "zq": 3})
    assert alphabet_within(alphabet, 5)[0] == ["x", "##x", "y", "##y"]
    assert learn_pieces(counts, 5) == ["x", "##x", "y", "##y", "xy"]
    assert "zq" not in learn_pieces(counts, 8)


def test_no_piece_is_there_twice():
    """'abc' comes of 'ab' with 'c' in one word, of 'a' with 'bc' in another."""
    split = [["ab", "##c"], ["a", "##bc"], ["x", "##y"]]
    assert joined(split, [9, 8, 2], ["a"], 5) == ["a", "abc", "xy"]


def joined_by_hand(split, counts, alphabet, size):
    """Every pair of every word is counted again after each joining."""
    pieces = list(alphabet)
    while len(pieces) < size:
        times = collections.Counter()
        for word, n in zip(split, counts, strict=True):
            for pair in itertools.pairwise(word):
                times[pair] += n
        pair, n = min(times.items(), key=lambda row: (-row[1], row[0]), default=(None, 0))
        if n < 2:
            break
        whole = pair[0] + pair[1].removeprefix(INSIDE)
        pieces += [] if whole in pieces else [whole]
        for i, word in enumerate(split):
            new = []
            for piece in word:
                if new and (new[-1], piece) == pair:
                    new[-1] = whole
                else:
                    new.append(piece)
            split[i] = new
    return pieces


@given(st.dictionaries(st.text("ab", min_size=1, max_size=7), st.integers(1, 3), max_size=6), st.integers(4, 16))
def test_joining_is_counting_all_pairs_again_and_again(words, size):
    """The most frequent pair first, of equally frequent ones the first in the alphabet, down to two occurrences."""
    alphabet = ["a", "b", "##a", "##b"]
    split = [[word[0], *(INSIDE + c for c in word[1:])] for word in words]
    counts = list(words.values())
    expected = joined_by_hand([*split], counts, alphabet, size)
    assert joined(split, counts, alphabet, size) == expected


def test_how_much_room_characters_take():
    """All of it, where it takes that to spell the text; half of it from where 99.95% of the text is spelt."""
    assert alphabet_within([("a", 1)], 2) == alphabet_within([("a", 1)], 3) == (["a", "##a"], [])
    assert alphabet_within([("\n", 1)], 3) == (["\n"], [])
    almost_all, rest = ("a", 1999), ("b", 1)
    assert alphabet_within([almost_all, rest], 4) == (["a", "##a"], ["b", "##b"])
    assert alphabet_within([("a", 1998), rest], 4) == (["a", "##a", "b", "##b"], [])


def test_of_equally_frequent_characters_the_first_in_unicode_comes_first():
    assert learn_pieces(collections.Counter({"ba": 5}), 4) == ["a", "##a", "b", "##b"]
