"""Sentences with their translations: the number phrases in both directions, and the reader's file."""

import unicodedata

import numpy as np
import pytest
from assertions import refuses

from minitransformer.tasks.translation.language import END, language_of
from minitransformer.tasks.translation.pairs import number_phrases, pairs_from_file


def test_the_two_directions_are_the_same_pairs():
    """With source and target exchanged."""
    there, back = number_phrases("zh-en"), number_phrases("en-zh")
    assert [(b, a) for a, b in there.test] == back.test
    assert there.source == back.target and there.target == back.source


def test_no_test_sentence_is_among_what_there_is_to_learn_from():
    pairs = number_phrases("zh-en")
    held_out = {source for source, _ in [*pairs.validation, *pairs.test]}
    assert not held_out & {source for source, _ in pairs.draw(3000, np.random.default_rng(1))}
    assert not {s for s, _ in pairs.validation} & {s for s, _ in pairs.test}


def test_an_unknown_direction_is_refused():
    with refuses(ValueError, "direction: got 'zh-fr', expected one of zh-en, en-zh"):
        number_phrases("zh-fr")


def test_a_language_without_spaces_is_split_into_characters():
    """Another one into words, each with the space before it; what is decoded is what was encoded."""
    chinese, english = language_of(["三百二十一"]), language_of(["three hundred twenty-one"])
    assert chinese.pieces("三百一") == ["三", "百", "一", END]
    assert english.pieces("three hundred") == ["three", " hundred", END]
    for language, text in ((chinese, "二十三"), (english, "three hundred-one")):
        assert language.decode(language.encode(text)) == text
        assert max(language.encode(text)) < language.start < language.end == language.size - 1


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"word {i}\tWort {i}\n\n" for i in range(300)), encoding="utf-8")
    return path


def test_a_file_of_pairs_is_split_by_sentence(file):
    """A tenth each for validation and test; one that occurs twice is on one side; blank lines do not count."""
    pairs = pairs_from_file(file)
    file.write_text(file.read_text(encoding="utf-8") * 2, encoding="utf-8")
    doubled = pairs_from_file(file)
    assert set(doubled.test) == set(pairs.test) and set(doubled.validation) == set(pairs.validation)
    drawn = set(pairs.draw(3000, np.random.default_rng(0)))
    sides = [drawn, set(pairs.validation), set(pairs.test)]
    assert all(not a & b for i, a in enumerate(sides) for b in sides[:i])
    assert len(set.union(*sides)) == 300
    assert 15 < len(pairs.test) < 45 and 15 < len(pairs.validation) < 45
    assert all(target == source.replace("word", "Wort") for source, target in drawn)


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_ends_where_a_file_says_so(file, mark, end):
    """At \\n, \\r\\n or \\r, and not within a sentence; a line's number counts those."""
    file.write_bytes("".join(f"a{mark}b {i}\tc{mark}d {i}{end}" for i in range(60)).encode())
    pairs = pairs_from_file(file)
    found = {*pairs.draw(2000, np.random.default_rng(0)), *pairs.validation, *pairs.test}
    assert found == {(f"a{mark}b {i}", f"c{mark}d {i}") for i in range(60)}
    file.write_bytes(f"a{mark}b\tc{end}{end}none{end}".encode())
    with refuses(ValueError, f"pairs: {str(file)!r}, line 3: got 'none', expected SOURCE<tab>TARGET"):
        pairs_from_file(file)


def test_a_sentence_is_on_one_side_composed_or_not(file):
    """Else one would be tested on what was learned, in another form of its accents."""
    file.write_text("".join(f"caf\u00e9 {i}\tx\ncafe\u0301 {i}\tx\n" for i in range(60)), encoding="utf-8")
    pairs = pairs_from_file(file)
    drawn = pairs.draw(2000, np.random.default_rng(0))
    sides = [{unicodedata.normalize("NFC", s) for s, _ in side} for side in (drawn, pairs.validation, pairs.test)]
    assert sum(map(len, sides)) == 60


def test_which_languages_are_read_by_characters():
    """Those without spaces between words, composed or not; not every script with large code points."""
    by_characters = (
        "\u6211\u4eec\u53bb",
        "\u304b\u306a\u30ab\u30ca",
        "\ud55c\uad6d\uc5b4",
        "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    )
    by_words = (
        "three words",
        "\ufee3\ufeae\ufea3\ufe92\ufe8e",
        "\U0001e900\U0001e901",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "\uff21\uff22",
        "1 2 3",
    )
    for texts, kind in ((by_characters, "characters"), (by_words, "words")):
        for text in texts:
            for form in ("NFC", "NFD"):
                assert language_of([unicodedata.normalize(form, text)]).vocabulary.kind == kind


def test_unknown_words_are_named_whole():
    """A word with its marks is one."""
    hindi = language_of(["\u0939\u093f\u0928\u094d\u0926\u0940"])
    assert hindi.unknown("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e") == [
        " \u092d\u093e\u0937\u093e"
    ]
    assert language_of(["ab"]).unknown("ab") == []


@pytest.mark.parametrize("line", ["no tab", "a\tb\tc", "\tb", "a\t "])
def test_a_line_that_is_no_pair_is_refused(file, line):
    """With file and line."""
    file.write_text(f"a\tb\n\n{line}\n", encoding="utf-8")
    with refuses(ValueError, f"pairs: {str(file)!r}, line 3: got {line!r}, expected SOURCE<tab>TARGET"):
        pairs_from_file(file)


def test_too_few_pairs_are_refused(file):
    file.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^pairs: got none for (training|validation|test) in .*, expected more pairs"):
        pairs_from_file(file)
