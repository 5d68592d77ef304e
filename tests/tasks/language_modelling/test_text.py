"""A corpus as ids: three sides, the part of them that models are judged by, and memory that does not grow with them."""

import tracemalloc

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal
from small_language import small_text

from minitransformer.data.corpus import Document, text_files, with_elsewhere
from minitransformer.models import ngram
from minitransformer.tasks.language_modelling import text as module
from minitransformer.tasks.language_modelling.evaluation import unseen_contexts
from minitransformer.tasks.language_modelling.text import check_long_enough, judged, prepare


def test_the_vocabulary_knows_the_training_side_alone():
    """What occurs elsewhere only is unknown: nothing of the test text leaks into the model."""
    documents = [Document("training", "aab"), Document("validation", "abc"), Document("test", "da")]
    text = prepare(with_elsewhere("", (), lambda: documents))
    assert text.vocabulary.words == ("\ufffd", "\n", "a", "b")
    assert text.validation.tolist() == [2, 3, 0, 1, 1]
    assert text.test.tolist() == [0, 2, 1, 1]


def test_a_side_is_judged_whole_or_by_its_first_documents(monkeypatch):
    """Enough of them for the wanted length, and whole ones."""
    documents = [Document(side, f"{side} {i}") for side in ("training", "validation", "test") for i in range(9)]
    text = prepare(with_elsewhere("", (), lambda: documents))
    whole = judged(text, "test")
    assert whole.text == "".join(f"test {i}\n\n" for i in range(9))
    assert_array_equal(whole.ids, text.test)
    monkeypatch.setattr(module, "MOST", 10)
    part = judged(text, "test")
    assert part.text == "test 0\n\ntest 1\n\n"
    assert_array_equal(part.ids, text.test[: len(part.text)])


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_memory_does_not_grow_with_the_text(tmp_path, monkeypatch, kind):
    """Four times the text takes about the same memory: what is kept is 8 bytes for each paragraph, and the words."""
    monkeypatch.setattr(ngram, "PIECE", 1 << 16)
    monkeypatch.setattr(module, "MOST", 20_000)

    def peak(n):
        path = tmp_path / f"{n}.txt"
        rng = np.random.default_rng(0)
        with open(path, "w", encoding="utf-8") as file:
            for _ in range(n):
                file.write(" ".join(map(str, rng.integers(0, 100, 100))) + "\n\n")
        tracemalloc.start()
        text = prepare(text_files([path]), kind=kind, size=100)
        unseen_contexts(text, judged(text, "test").ids)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size, path.stat().st_size

    small, size = peak(2000)
    large, large_size = peak(8000)
    assert large_size > 3.9 * size
    assert large < 1.25 * small


def test_a_text_that_is_too_short_is_refused():
    """With the side that is short, and how long it must be."""
    documents = [Document("training", "a"), Document("validation", "b"), Document("test", "a")]
    with refuses(ValueError, "text: got nothing for test that does not also occur before, expected a longer text"):
        prepare(with_elsewhere("", (), lambda: documents))
    text = small_text()
    check_long_enough(text, len(text.validation) - 1)
    n = len(text.validation)
    message = f"text: got {n} words for validation, expected more than {n}: a longer text"
    with refuses(ValueError, message):
        check_long_enough(text, n)
