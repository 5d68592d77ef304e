"""Sentences with their translations: the number phrases in both directions, and the reader's file."""

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
