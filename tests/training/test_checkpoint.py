"""Checkpoints: what is kept comes back, and what is none is refused."""

import pickle
import zipfile

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import seeds

from minitransformer.training import checkpoint
from minitransformer.training.adam import Adam
from minitransformer.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    put_state,
    put_tree,
    save_checkpoint,
    take_state,
    take_tree,
)
from minitransformer.training.loop import State

ARRAYS = {"a": np.arange(3), "deep.er": np.ones((2, 3), np.float32), "nothing": np.zeros((0, 2))}
DESCRIPTION = {"kind": "test", "numbers": [1, 2.5, None], "words": ["ä", "世", "\ufffd"]}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.run"
    save_checkpoint(path, DESCRIPTION, ARRAYS)
    return path


def test_what_was_kept_comes_back(path):
    """Arrays to the last bit, with their types; and all that JSON can hold."""
    description, arrays = load_checkpoint(path)
    assert description == DESCRIPTION
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert_array_equal(arrays[name], array, strict=True)


def test_it_is_a_file_of_numpy_without_pickle(path):
    """That other programs can read; as nothing in it is an object, nothing in it is executed."""
    with np.load(path, allow_pickle=False) as archive:
        assert_array_equal(archive["deep.er"], ARRAYS["deep.er"])
        assert all(archive[name].dtype != object for name in archive.files)


def damaged(path):
    return f"checkpoint: {str(path)!r} is damaged, or another kind of file, expected a checkpoint of minitransformer"


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)


@given(place=st.floats(0, 0.999), seed=seeds)
def test_a_changed_byte_never_goes_unnoticed(tmp_path_factory, place, seed):
    """Each part of the archive has its checksum: the file is refused, or the byte was one that says nothing."""
    path = tmp_path_factory.mktemp("x") / "model.run"
    save_checkpoint(path, DESCRIPTION, ARRAYS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 + seed % 255
    path.write_bytes(content)
    try:
        description, arrays = load_checkpoint(path)
    except ValueError as error:
        assert str(error).startswith("checkpoint: ")
        return
    assert description == DESCRIPTION
    assert all(array.tobytes() == ARRAYS[name].tobytes() for name, array in arrays.items() if name in ARRAYS)


def test_a_changed_header_of_an_array_is_not_even_read(path):
    """Each bit of its text: NumPy takes it for Python, and what it cannot read ends in many kinds of errors.

    (Of a small array it reads all at once, and with it the checksum; so this one is large.)
    """
    save_checkpoint(path, DESCRIPTION, {"large": np.arange(5000)})
    content = bytearray(path.read_bytes())
    start = content.index(b"\x93NUMPY", content.index(b"large"))
    for bit in range(8 * 10, 8 * 70):
        content[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with refuses(ValueError, damaged(path)):
            load_checkpoint(path)
        content[start + bit // 8] ^= 1 << bit % 8


def test_a_file_that_does_not_fit_into_memory_is_not_called_damaged(path, monkeypatch):
    def read(archive, entry):
        raise MemoryError

    monkeypatch.setattr(zipfile.ZipFile, "read", read)
    message = f"checkpoint: cannot read {str(path)!r} (Cannot allocate memory), expected a checkpoint"
    with refuses(ValueError, message):
        load_checkpoint(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(path, method):
    """It has errors of its own; that of `savez_compressed` is read."""
    _, arrays = load_checkpoint(path)
    header = checkpoint.read_arrays(path)[checkpoint.HEADER]
    with open(path, "wb") as file:
        np.savez_compressed(file, **{checkpoint.HEADER: header}, **arrays)
    assert load_checkpoint(path).description == DESCRIPTION
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("header.json.npy", b"")
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"some text", pickle.dumps({"weights": 1}), b"\x93NUMPY", bytes(100)],
    ids=["empty", "text", "pickle", "npy", "zeros"],
)
def test_a_foreign_file_is_refused(path, content):
    path.write_bytes(content)
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)


def test_an_archive_of_something_else_is_refused(path):
    """A zip file, arrays without a header, arrays that hold Python objects."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "text")
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)
    with open(path, "wb") as file:
        np.savez(file, weights=np.ones(3))
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)
    with open(path, "wb") as file:
        np.savez(file, weights=np.array([{}], dtype=object))
    with refuses(ValueError, damaged(path)):
        load_checkpoint(path)


def test_a_later_version_is_refused(path, monkeypatch):
    """With the version that it has, and the one that is expected."""
    monkeypatch.setattr(checkpoint, "VERSION", 3)
    save_checkpoint(path, DESCRIPTION, ARRAYS)
    monkeypatch.undo()
    name = "'minitransformer checkpoint'"
    with refuses(ValueError, f"checkpoint: {str(path)!r} has the format {name}, version 3, expected {name}, version 2"):
        load_checkpoint(path)


def test_a_missing_file_is_named(tmp_path):
    path = str(tmp_path / "no.run")
    with refuses(ValueError, f"checkpoint: cannot read {path!r} (No such file or directory), expected a checkpoint"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match=r"^checkpoint: cannot read .*, expected a checkpoint$"):
        load_checkpoint(tmp_path)


@given(seeds)
def test_a_state_comes_back_and_draws_the_same_numbers(seed):
    """Weights, moments, carry, step, seconds, and the generator as it stood."""
    rng = np.random.default_rng(seed)
    rng.standard_normal(3)
    rng.integers(0, 2**16, dtype=np.uint16)  # leaves half a word behind
    optimizer = Adam(rng.standard_normal(4), rng.random(4), 7)
    carry = (rng.standard_normal((2, 3)), None, rng.standard_normal(2))
    state = State(rng.standard_normal(4), optimizer, rng, carry, 7, 1.25)
    numbers, arrays = put_state(state)
    again = take_state(Checkpoint({}, arrays), numbers, state.weights, carry)
    assert (again.step, again.seconds, again.optimizer.step) == (7, 1.25, 7)
    for ours, theirs in zip(again.optimizer[:2] + again.carry, optimizer[:2] + carry, strict=True):
        assert_array_equal(ours, theirs)
    assert_array_equal(again.rng.integers(0, 2**16, 9, np.uint16), state.rng.integers(0, 2**16, 9, np.uint16))
    assert_array_equal(again.rng.standard_normal(9), state.rng.standard_normal(9))


def test_what_does_not_fit_is_refused():
    """An array that is missing, of another shape, of another type; a generator that is none."""
    tree = (np.zeros(3), (np.zeros((2, 2)),))
    arrays = put_tree(tree, "weights")
    assert list(arrays) == ["weights.0", "weights.1.0"]
    with refuses(ValueError, "checkpoint: got nothing for weights.1.0, expected (2, 2) float64"):
        take_tree({"weights.0": arrays["weights.0"]}, tree, "weights")
    with refuses(ValueError, "checkpoint: got (3,) float64 for weights.0, expected (4,) float64"):
        take_tree(arrays, (np.zeros(4), tree[1]), "weights")
    with refuses(ValueError, "checkpoint: got (3,) float64 for weights.0, expected (3,) float32"):
        take_tree(arrays, (np.zeros(3, np.float32), tree[1]), "weights")
    moments = {"optimizer.m": np.zeros(3), "optimizer.v": np.zeros(3)}
    with pytest.raises(ValueError, match=r"^checkpoint: its training state is damaged"):
        take_state(
            Checkpoint({}, moments), {"step": 1, "seconds": 1.0, "rng": {"bit_generator": "?"}}, np.zeros(3), None
        )
