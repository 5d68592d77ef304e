"""Corpora: what comes with every Python, or the reader's files; a fixed split, and nothing on two sides."""

import itertools
import tracemalloc

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data import corpus as corpora
from minitransformer.data import text_file
from minitransformer.data.corpus import SIDES, code, load_corpus, paragraphs, python_reference, stretches, texts


def side(corpus, name):
    return "".join(texts(corpus, name))


def numbered(n, start=0):
    """n different paragraphs."""
    return "".join(f"Paragraph {i} of the text,\nwith two lines.\n\n" for i in range(start, start + n))


def test_the_python_reference_is_real_text_in_a_fixed_split():
    """Some hundred thousand characters, the same at each call; about a tenth for validation, and for the test."""
    corpus = load_corpus()
    sides = {name: side(corpus, name) for name in SIDES}
    assert sides == {name: side(python_reference(), name) for name in SIDES}
    assert len(sides["training"]) > 200_000
    assert "statement" in sides["training"]
    for name in ("validation", "test"):
        assert 0.02 < len(sides[name]) / len(sides["training"]) < 0.25
    assert "pydoc_data.topics" in corpus.source
    assert corpus.paths == ()


def test_no_paragraph_stands_on_two_sides():
    """Topics quote one another; what a model has seen does not count as unseen, however it is indented."""
    corpus = python_reference()
    codes = [{code(p) for p in paragraphs(side(corpus, name))} for name in SIDES]
    assert not codes[0] & codes[1]
    assert not (codes[0] | codes[1]) & codes[2]
    assert code("  a  b\n c") == code("a b c") != code("a b d")


def test_what_several_sides_share_stays_on_the_first(tmp_path):
    """Training before validation before test."""
    common = "This stands in every document.\n\n"
    path = tmp_path / "text.txt"
    path.write_text("".join(common + numbered(5, 5 * i) for i in range(60)), encoding="utf-8")
    corpus = load_corpus([path])
    assert common.strip() in side(corpus, "training")
    assert common.strip() not in side(corpus, "validation") + side(corpus, "test")


def test_files_are_split_by_document(tmp_path):
    """Of every ten documents one is for validation, one for the test; nothing is lost; several files count as one."""
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for i, path in enumerate(paths):
        path.write_text(numbered(300, 300 * i), encoding="utf-8")
    corpus = load_corpus(paths)
    assert corpus.source == f"{paths[0]}, {paths[1]}"
    assert corpus.paths == tuple(map(str, paths))
    sides = [paragraphs(side(corpus, name)) for name in SIDES]
    assert sorted(itertools.chain(*sides)) == sorted(paragraphs(numbered(600)))
    for held_out in sides[1:]:
        assert 0.07 < len(held_out) / 600 < 0.13
    assert [side(load_corpus(paths), name) for name in SIDES] == [side(corpus, name) for name in SIDES]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_how_lines_end_makes_no_difference(tmp_path, end):
    """The same documents on the same sides: their length is counted in characters of the text."""
    found = []
    for line_end in ("\n", end):
        path = tmp_path / "text.txt"
        path.write_bytes(numbered(300).replace("\n", line_end).encode())
        found.append([list(texts(load_corpus([path]), name)) for name in SIDES])
    assert found[0] == found[1]
    assert len(found[0][0]) > 10


def test_a_text_of_any_script_is_cut_into_as_many_documents(tmp_path):
    """Some 40 of a short one, though its characters have one byte each, or three."""
    counts = []
    for number, letter in enumerate("a\u4e2d"):
        path = tmp_path / f"{number}.txt"
        path.write_text("".join(f"{letter * 20}{i}\n\n" for i in range(400)), encoding="utf-8")
        counts.append(len(list(load_corpus([path]).documents())))
    assert counts[0] == counts[1]
    assert 30 < counts[0] <= 41


def test_a_paragraph_is_the_same_composed_or_not():
    """One that is learned from is not tested on, in whatever form its accents are."""
    assert code("cafe\u0301 a") == code("caf\u00e9\na") != code("cafe a")


@given(st.lists(st.text("ab \n", max_size=30), max_size=8), st.integers(1, 10))
def test_stretches_lose_nothing(pieces, length):
    """Each is as long as wanted or longer, but for the last, and at most twice as long."""
    cut = list(stretches(pieces, length))
    assert "".join(cut) == "".join(pieces)
    assert all(length <= len(text) <= 2 * length for text in cut[:-1])
    assert all(0 < len(text) <= 2 * length for text in cut[-1:])


def test_stretches_end_at_a_blank_line_or_a_line_or_anywhere():
    """The best of them that is near."""
    assert list(stretches(["aaaa\n\nbbbbb"], 4)) == ["aaaa\n\n", "bbbbb"]
    assert list(stretches(["aaaaa\nbbbbb"], 4)) == ["aaaaa\n", "bbbbb"]
    assert list(stretches(["aaaaaaaaaa"], 4)) == ["aaaa", "aaaaaa"]


def test_a_large_file_takes_little_memory(tmp_path):
    """What is held is a few pieces of the file, and eight bytes for each paragraph."""
    path = tmp_path / "large.txt"
    paragraph = "word " * 200 + "\n\n"
    with open(path, "w", encoding="utf-8") as file:
        for i in range(6000):
            file.write(f"{i} {paragraph}")
    tracemalloc.start()
    corpus = load_corpus([path])
    n_characters = sum(len(text) for name in SIDES for text in texts(corpus, name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_characters > 6_000_000
    assert peak < 2_000_000


def test_codes_are_found_among_sorted_codes():
    codes = np.array([3, 7, 2**64 - 1], np.uint64)
    assert [corpora.contains(codes, n) for n in (3, 7, 2**64 - 1, 0, 5, 8)] == [True, True, True, False, False, False]
    assert not corpora.contains(np.zeros(0, np.uint64), 3)


def test_a_missing_file_is_named(tmp_path):
    missing = str(tmp_path / "no.txt")
    with refuses(ValueError, f"text: cannot read {missing!r} (No such file or directory), expected a UTF-8 text file"):
        load_corpus([missing])
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"")
    with pytest.raises(ValueError, match=r"is empty, expected a UTF-8 text file$"):
        load_corpus([empty])


@pytest.mark.parametrize(
    ("length", "runs"),
    [
        (5, ["aaaa\n\n", "b\n\ncc"]),  # the first blank line from `length` on, which this one just reaches
        (4, ["aaaa", "aaaaa\n\n", "bbbb"]),  # none that is farther than twice the length
        (4, ["aaaa", "aaaa"]),  # what is just twice as long is cut
        (1, ["\n\n", "a", "b"]),
    ],
)
def test_where_a_stretch_ends(length, runs):
    assert list(stretches(["".join(runs)], length)) == runs


def test_of_every_ten_documents_the_tenth_is_for_validation_and_the_first_for_the_test(tmp_path):
    """Counted through all files; a text of a few characters has a document for each."""
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text("a" * 20, encoding="utf-8")
    documents = list(load_corpus(paths).documents())
    assert [document.text for document in documents] == ["a"] * 40
    assert [document.side for document in documents] == ["test", *["training"] * 8, "validation"] * 4


def test_documents_of_a_long_text_are_no_longer_than_a_stretch(tmp_path):
    """40 documents, however long they are, up to 8192 characters each; of a longer text there are more of them."""
    path = tmp_path / "a.txt"
    lengths = {}
    for n in (39, 40, 41, 60):
        path.write_text("a" * (n * corpora.STRETCH), encoding="utf-8")
        lengths[n] = [len(document.text) for document in load_corpus([path]).documents()]
    assert lengths == {39: [39 * 8192 // 40] * 39 + [39 * 8192 - 39 * (39 * 8192 // 40)]} | {
        n: [8192] * n for n in (40, 41, 60)
    }


def test_paragraphs_stand_between_blank_lines():
    """With their indentation, and as many line ends between as there may be."""
    assert paragraphs("\n\n  a\nb\n \n\nXc X\n\n") == ["  a\nb", "Xc X"]
    assert paragraphs("X\n\nb") == ["X", "b"]
    assert paragraphs(" \n") == []


def test_a_long_text_has_long_documents_however_little_of_it_is_read_at_once(tmp_path, monkeypatch):
    """It is counted piece by piece, and no farther than the length of its documents depends on it."""
    monkeypatch.setattr(text_file, "PIECE", 8)
    monkeypatch.setattr(corpora, "STRETCH", 10)
    monkeypatch.setattr(corpora, "LEAST_DOCUMENTS", 4)
    path = tmp_path / "a.txt"
    path.write_text("a" * 100, encoding="utf-8")
    assert [document.text for document in load_corpus([path]).documents()] == ["a" * 10] * 10
    assert corpora.n_characters([path, path], 10**6) == 200
    assert corpora.n_characters([path, path], 16) == 16
