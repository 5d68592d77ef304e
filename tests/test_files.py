"""Files written whole or not at all."""

import os

import pytest
from assertions import refuses

from minitransformer import files
from minitransformer.files import check_writable, write_whole


def test_a_file_gets_its_content(tmp_path):
    """A new one, and one that was there; with the permissions that a new file has."""
    path = tmp_path / "file"
    write_whole(path, b"first")
    write_whole(str(path), b"second")
    assert path.read_bytes() == b"second"
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert path.stat().st_mode == plain.stat().st_mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "plain"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_what_fails_on_the_way_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, moment):
    """A full disk, or Ctrl-C, while writing or just before the exchange."""
    path = tmp_path / "file"
    write_whole(path, b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """A directory that is not there, or one in the file's place."""
    path = tmp_path / "no" / "file"
    with refuses(
        ValueError, f"file: cannot write {str(path)!r} (No such file or directory), expected a writable place"
    ):
        write_whole(path, b"")
    with refuses(ValueError, f"file: cannot write {str(tmp_path)!r} (Is a directory), expected a writable place"):
        write_whole(tmp_path, b"")
    with refuses(ValueError, f"plot: cannot write {str(tmp_path)!r} (Is a directory), expected a writable place"):
        check_writable("plot", tmp_path)
    assert os.listdir(tmp_path) == []
