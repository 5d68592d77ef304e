"""Files that one process alone has. (`tests/test_files.py` has what they are for.)"""

import os

from minitransformer import locks
from minitransformer.locks import create_locked, is_at, lock


def test_only_the_file_itself_is_removed(tmp_path):
    """And not another one that has its name by now."""
    path, moved = tmp_path / "file", tmp_path / "moved"
    file = create_locked(path)
    os.replace(path, moved)
    path.write_bytes(b"another")
    assert not is_at(file.handle, path) and is_at(file.handle, moved)
    file.remove()
    assert (path.read_bytes(), moved.read_bytes()) == (b"another", b"")


def test_the_lock_goes_where_the_file_goes(tmp_path):
    path, target = tmp_path / "file", tmp_path / "target"
    target.write_bytes(b"old")
    file = create_locked(path)
    file.move(target)
    assert lock(target) is None
    assert os.listdir(tmp_path) == ["target"]
    file.close()
    lock(target).close()


def test_a_file_that_was_replaced_while_it_was_opened_is_not_taken_for_the_new_one(tmp_path, monkeypatch):
    """What is locked is the file that has the name now."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    opened = []

    def open_and_replace(name, *arguments):
        handle = real(name, *arguments)
        if not opened:
            (tmp_path / "new").write_bytes(b"new")
            os.replace(tmp_path / "new", path)
        opened.append(handle)
        return handle

    real = os.open
    monkeypatch.setattr(locks.os, "open", open_and_replace)
    file = lock(path)
    assert len(opened) == 2 and is_at(file.handle, path)
    file.close()


def test_without_locks_a_name_is_taken_while_its_file_is_there(tmp_path, monkeypatch):
    """As on Windows: nobody can tell whether a process was killed that had it."""
    monkeypatch.setattr(locks, "fcntl", None)
    path = tmp_path / "file"
    file = create_locked(path)
    assert create_locked(path) is None
    file.remove()
    assert os.listdir(tmp_path) == []
    file = create_locked(path)
    file.move(tmp_path / "target")
    file.remove()
    assert os.listdir(tmp_path) == ["target"]
    assert lock(tmp_path / "target").handle is None  # what is to be replaced is not kept open
