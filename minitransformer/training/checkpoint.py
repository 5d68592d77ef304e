"""Checkpoints: one file with all that a training needs to go on, and that a model needs to be used.

The file is NumPy's own `.npz`, arrays in a zip archive, whose checksums tell a damaged file from a whole one. Nothing
in it is ever executed (no pickle). What is not an array stands in one of them as JSON.
"""

import errno
import io
import json
import math
import os
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np

from minitransformer.files import StrPath, open_to_read, write_whole
from minitransformer.training.adam import Adam
from minitransformer.training.loop import State
from minitransformer.training.older_checkpoints import with_names_of_now
from minitransformer.tree import Tree, leaves, named_leaves, tree_map

Array = np.ndarray

FORMAT = "minitransformer checkpoint"
VERSION = 2
HEADER = "header.json"

# what a file that was changed can lead to, while it is read
DAMAGED = (
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)


class Checkpoint(NamedTuple):
    description: dict[str, Any]  # of the model: its kind, configuration and vocabulary, the history of its training
    arrays: dict[str, Array]


def save_checkpoint(path: StrPath, description: dict[str, Any], arrays: dict[str, Array]) -> None:
    """Write the whole file, or leave the old one. `description` must be serializable as JSON."""
    header = json.dumps({"format": FORMAT, "version": VERSION, "description": description})
    named = {HEADER: np.frombuffer(header.encode(), np.uint8)} | arrays
    write_whole(path, lambda file: np.savez(file, **named))  # straight to disk, without a copy in memory


def load_checkpoint(path: StrPath) -> Checkpoint:
    """Raises ValueError, naming the file, for one that is missing, damaged, foreign, or of another version."""
    try:
        arrays = read_arrays(path)
        header = json.loads(arrays.pop(HEADER).tobytes())
        version, description = header["version"], header["description"]
    except OSError as error:
        raise not_readable(path, error) from error
    except (zipfile.BadZipFile, EOFError, zlib.error, *DAMAGED) as error:
        raise damaged(path) from error
    if header.get("format") == FORMAT and version == 1:
        try:
            return Checkpoint(*with_names_of_now(description, arrays))
        except DAMAGED as error:
            raise damaged(path) from error
    if header.get("format") != FORMAT or version != VERSION:
        raise ValueError(
            f"checkpoint: {str(path)!r} has the format {header.get('format')!r}, version {version!r}, expected "
            f"{FORMAT!r}, version {VERSION}"
        )
    return Checkpoint(description, arrays)


def damaged(path: StrPath) -> ValueError:
    return ValueError(
        f"checkpoint: {str(path)!r} is damaged, or another kind of file, expected a checkpoint of minitransformer"
    )


def not_readable(path: StrPath, error: OSError) -> ValueError:
    reason = error.strerror or error
    return ValueError(f"checkpoint: cannot read {os.fspath(path)!r} ({reason}), expected a checkpoint")


def read_arrays(path: StrPath) -> dict[str, Array]:
    """Every array of the archive. Each is read to its end, which verifies its checksum, before it is parsed."""
    with open_to_read(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        return {entry.filename.removesuffix(".npy"): array_from(content(archive, entry)) for entry in entries}


def content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Raises BadZipFile for compression that NumPy does not use, which raises other errors."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{entry.filename} is compressed in a way that NumPy does not use")
    try:
        return archive.read(entry)
    except MemoryError as error:  # the file is not damaged
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error


def array_from(npy: bytes) -> Array:
    return np.lib.format.read_array(io.BytesIO(npy), allow_pickle=False)


def put_tree(tree: Tree, name: str) -> dict[str, Array]:
    """The leaves of a tree under their paths, such as `weights.embedding.E`."""
    return dict(named_leaves(tree, name))


def take_tree(arrays: dict[str, Array], template: Tree, name: str) -> Tree:
    """A tree like `template`, with the arrays that `put_tree` named.

    Raises ValueError for one that is missing, or has another shape or dtype.
    """
    paths = iter([path for path, _ in named_leaves(template, name)])

    def take(leaf: Array) -> Array:
        path = next(paths)
        given = arrays.get(path)
        if given is None or given.shape != leaf.shape or given.dtype != leaf.dtype:
            what = "nothing" if given is None else f"{given.shape} {given.dtype}"
            raise ValueError(f"checkpoint: got {what} for {path}, expected {leaf.shape} {leaf.dtype}")
        return given

    return tree_map(take, template)


def put_state(state: State) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a training needs to go on, but for the weights: numbers for the description, and arrays."""
    numbers = {
        "step": state.step,
        "seconds": state.seconds,
        "batches": state.batches,
        "rng": state.rng.bit_generator.state,
    }
    moments = {"optimizer.m": state.optimizer.m, "optimizer.v": state.optimizer.v}
    return numbers, moments | put_tree(state.carry, "carry")


def take_state(checkpoint: Checkpoint, numbers: dict[str, Any], weights: Array, carry: Tree) -> State:
    """The state again; `weights` is the flat array, `carry` a template for it.

    Raises ValueError for what does not fit.
    """
    moments = take_tree(checkpoint.arrays, Adam(weights, weights, 0)._replace(step=None), "optimizer")
    remembered = take_tree(checkpoint.arrays, carry, "carry")
    check_numbers("weights", weights)
    check_numbers("moments", (moments.m, moments.v, remembered))
    if moments.v.min(initial=0) < 0:
        raise ValueError(f"checkpoint: got {moments.v.min()} for optimizer.v, a mean of squares, expected 0 or more")
    rng = np.random.default_rng()
    try:
        rng.bit_generator.state = numbers["rng"]
        step, seconds, batches = int(numbers["step"]), float(numbers["seconds"]), int(numbers["batches"])
        if step < 0 or not 0 <= seconds < math.inf or batches < 0:
            raise ValueError(f"step {step} after {seconds} seconds and {batches} batches")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"checkpoint: its training state is damaged ({error!r}), expected that of a training"
        ) from error
    optimizer = Adam(moments.m, moments.v, step)
    return State(weights, optimizer, rng, remembered, step, seconds, batches)


def check_numbers(name: str, tree: Tree) -> None:
    """Raises ValueError for infinity and NaN."""
    if not all(map(is_finite, leaves(tree))):
        raise ValueError(f"checkpoint: got {name} with NaN or infinity, expected finite numbers")


def is_finite(x: Array) -> bool:
    """Whether all numbers are finite; testing only min and max needs no array of booleans."""
    return x.size == 0 or bool(np.isfinite(x.min()) and np.isfinite(x.max()))
