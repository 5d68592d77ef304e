"""Corpora: what comes with every Python, or the reader's file; a fixed split, and nothing on both sides."""

import pytest
from assertions import refuses

from minitransformer.data.corpus import load_corpus, paragraphs, python_reference, text_corpus


def test_the_python_reference_is_real_text_in_a_fixed_split():
    """Some hundred thousand characters; the same at each call; about a tenth held out."""
    corpus = python_reference()
    assert corpus == python_reference() == load_corpus()
    assert len(corpus.training) > 200_000
    assert 0.03 < len(corpus.validation) / len(corpus.training) < 0.25
    assert "statement" in corpus.training
    assert "pydoc_data.topics" in corpus.source


def test_no_paragraph_stands_on_both_sides():
    """Topics quote one another; what the model has seen does not count as unseen."""
    corpus = python_reference()
    assert not set(paragraphs(corpus.training)) & set(paragraphs(corpus.validation))


def test_a_file_is_split_at_a_line(tmp_path):
    """About the last tenth is held out, and nothing is lost."""
    path = tmp_path / "text.txt"
    lines = [f"line {i} of the text\n" for i in range(200)]
    path.write_text("".join(lines), encoding="utf-8")
    corpus = text_corpus(path)
    assert corpus == load_corpus(path)
    assert corpus.source == str(path)
    assert corpus.training + corpus.validation == "".join(lines)
    assert corpus.training.endswith("\n")
    assert len(corpus.validation) == pytest.approx(len("".join(lines)) / 10, abs=20)


def test_a_file_of_one_line_is_split_all_the_same(tmp_path):
    """No line's start is near: the cut is at nine tenths."""
    path = tmp_path / "text.txt"
    path.write_text("title\n" + "x" * 994, encoding="utf-8")
    corpus = text_corpus(path)
    assert len(corpus.training) == 900
    assert len(corpus.validation) == 100


def test_a_missing_file_is_named(tmp_path):
    missing = str(tmp_path / "no.txt")
    with refuses(ValueError, f"text: cannot read {missing!r} (No such file or directory), expected a UTF-8 text file"):
        load_corpus(missing)
