"""Docstrings: every machine has them, each text once, and a name is on one side only."""

from collections import Counter

import pytest

from minitransformer.data.corpus import SIDES, TEST, TRAINING, texts
from minitransformer.data.docstrings import Docstring, library_docstrings, numpy_docstrings
from minitransformer.data.documentation import documentation


@pytest.mark.parametrize("load", [numpy_docstrings, library_docstrings])
def test_there_are_enough_and_each_once(load):
    docstrings = load()
    assert len(docstrings) > 800
    assert len({docstring.text for docstring in docstrings}) == len(docstrings)
    sides = Counter(docstring.side for docstring in docstrings)
    assert set(sides) == set(SIDES)
    assert 0.6 < sides[TRAINING] / len(docstrings) < 0.8
    assert 0.1 < sides[TEST] / len(docstrings) < 0.3


def test_a_name_is_on_one_side_whatever_its_module():
    """`numpy.sort` and `numpy.ndarray.sort` say much the same."""
    assert Docstring("numpy.sort", "a").side == Docstring("numpy.ndarray.sort", "b").side


def test_the_same_twice():
    assert numpy_docstrings() == numpy_docstrings()


def test_documentation_keeps_the_docstrings_of_the_test_out_of_the_training():
    """No paragraph of a test docstring is in the training text unless a training docstring has it, too."""
    corpus = documentation()
    training = "".join(texts(corpus, TRAINING))
    theirs = {d.text for d in numpy_docstrings() if d.side == TRAINING}
    test = [d for d in numpy_docstrings() if d.side == TEST and len(d.text) > 2000]
    assert len(test) > 20
    assert not any(d.text in training and d.text not in theirs for d in test)
