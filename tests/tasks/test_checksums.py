"""Checksums: other data have another one, the same data the same."""

import numpy as np
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.tasks.checksums import Passing, are_those_of, checksum, take_checksums

texts = st.lists(st.text(max_size=5), max_size=5)


@given(texts, texts)
def test_equal_texts_and_only_they_have_equal_checksums(a, b):
    """Also where their characters are the same, and they end elsewhere."""
    assert (checksum(a) == checksum(b)) == (a == b)
    joined = "".join(a)
    assert (checksum([joined]) == checksum(a)) == (a == [joined])


def test_arrays_have_them_too():
    """Whatever their memory looks like."""
    ids = np.arange(12).reshape(3, 4)
    assert checksum([ids[:, 1]]) == checksum([ids[:, 1].copy()]) != checksum([ids[:, 2]])
    assert checksum([ids[0, :2], ids[0, 2:]]) != checksum([ids[0]])


@given(texts)
def test_what_passes_is_counted(a):
    """And passes as it is."""
    passing = Passing(a)
    assert list(passing) == a
    assert passing.checksum == checksum(a)


def test_a_run_without_any_takes_all():
    assert are_those_of((), (1, 2)) and are_those_of((1, 2), (1, 2))
    assert not are_those_of((1, 3), (1, 2)) and not are_those_of((1,), (1, 2))


def test_they_come_back():
    assert take_checksums({}) == ()
    assert take_checksums({"checksums": [3, 2**32 - 1]}) == (3, 2**32 - 1)
    for wrong in (None, "12", [1.0], [True], ["1"]):
        with refuses(TypeError, f"checksums: got {wrong!r}, expected a list of integers"):
            take_checksums({"checksums": wrong})
