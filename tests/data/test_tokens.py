"""A text as ids on disk."""

import io
import os
import tempfile

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.data.tokens import tokens_on_disk
from minitransformer.data.vocabulary import Characters, character_vocabulary


@given(st.lists(st.text(max_size=20), max_size=5))
def test_the_ids_are_those_of_all_texts_one_after_the_other(texts):
    vocabulary = character_vocabulary(texts)
    ids = tokens_on_disk(texts, vocabulary)
    assert ids.tolist() == vocabulary.encode("".join(texts)).tolist()


def test_no_text_has_no_ids_of_the_same_type():
    for size, dtype in ((256, np.uint8), (257, np.uint16)):
        vocabulary = Characters(tuple(chr(i) for i in range(size)))
        ids = tokens_on_disk([""], vocabulary)
        assert (ids.shape, ids.dtype) == ((0,), dtype)


def test_ids_are_as_small_as_the_vocabulary_allows():
    """8 bits for 256 words, 16 for one more; and they cannot be changed."""
    for size, dtype in ((256, np.uint8), (257, np.uint16), (65537, np.uint32)):
        vocabulary = Characters(tuple(chr(i) for i in range(size)))
        ids = tokens_on_disk([chr(size - 1)], vocabulary)
        assert ids.dtype == dtype
        assert ids.tolist() == [size - 1]
        assert not ids.flags.writeable


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk at hand is a file of Linux")
def test_a_full_temporary_folder_is_named(monkeypatch):
    """With what tells Python to use another one; and where there is none at all, what was tried."""
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda: io.FileIO("/dev/full", "r+"))
        expected = "expected room for the text's ids; the environment variable TMPDIR names another folder"
        full = f"temporary folder: cannot write to {tempfile.gettempdir()!r} (No space left on device), {expected}"
        with refuses(ValueError, full):
            tokens_on_disk(["text"], character_vocabulary(["text"]))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/no/such/folder"])
    message = "No usable temporary directory found in ['/no/such/folder']"
    with refuses(ValueError, f"temporary folder: cannot write to any ({message}), {expected}"):
        tokens_on_disk(["text"], character_vocabulary(["text"]))
