"""Files written whole or not at all."""

import os
import subprocess
import sys

import pytest
from assertions import refuses

from minitransformer import files
from minitransformer.files import check_writable, hold, hold_new, open_to_read, write_whole


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


def test_content_may_be_written_piece_by_piece(tmp_path):
    """By a function; one that fails leaves the old file and no other."""

    def fails(file):
        file.write(b"half")
        raise ZeroDivisionError

    path = tmp_path / "file"
    write_whole(path, lambda file: [file.write(b"a"), file.seek(0), file.write(b"bc")])
    with pytest.raises(ZeroDivisionError):
        write_whole(path, fails)
    assert path.read_bytes() == b"bc"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_killed_process_left_is_used_again(tmp_path):
    """Killed while it was writing: its file is gone after the next time that somebody writes."""
    code = """
import os, signal, sys
from minitransformer.files import write_whole
write_whole(sys.argv[1], lambda file: os.kill(os.getpid(), signal.SIGKILL))
"""
    path = tmp_path / "file"
    subprocess.run([sys.executable, "-c", code, path])
    assert os.listdir(tmp_path) == [".file.saving"]
    write_whole(path, b"content")
    assert os.listdir(tmp_path) == ["file"]


def test_two_who_write_the_same_file_do_not_meet(tmp_path):
    """Each writes its own; the one who is done last is read, and nothing else is left."""
    path = tmp_path / "file"

    def while_another_writes(file):
        file.write(b"one")
        write_whole(path, b"two")
        assert path.read_bytes() == b"two"

    write_whole(path, while_another_writes)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_followed(tmp_path):
    """And stays: to a file that is there, and to one that is not there yet. One that leads nowhere is refused."""
    for name in ("there", "missing"):
        target, link = tmp_path / "folder" / name, tmp_path / f"to-{name}"
        target.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
    (tmp_path / "folder" / "there").write_bytes(b"old")
    for name in ("there", "missing"):
        write_whole(tmp_path / f"to-{name}", b"new")
        assert (tmp_path / f"to-{name}").is_symlink()
        assert (tmp_path / "folder" / name).read_bytes() == b"new"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ValueError, match=r"^file: cannot write .*\(Too many levels of symbolic links\)"):
        write_whole(tmp_path / "loop", b"")
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop", "to-missing", "to-there"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_keeps_its_permissions(tmp_path, mode):
    """Nobody else may read it even while it is written."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_whole(path, lambda file: file.write(b"new" if os.fstat(file.fileno()).st_mode & 0o777 & ~mode == 0 else b""))
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == mode


def test_what_is_no_file_is_not_replaced(tmp_path):
    """A pipe or a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/null"):
        message = f"cannot write {path!r} (it is a pipe or a device), expected a writable path"
        with refuses(ValueError, f"file: {message}"):
            write_whole(path, b"")
        with refuses(ValueError, f"out: {message}"):
            check_writable("out", path)
        with pytest.raises(OSError, match="it is a pipe or a device"):
            open_to_read(path)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_name_is_held_by_one(tmp_path):
    """Before there is a file, once it is written, and written again; then another one can have it."""
    path = tmp_path / "file"
    with hold_new(path) as held:
        assert not path.exists()
        with pytest.raises(BlockingIOError):
            hold_new(path)
        for content in (b"first", b"second"):
            write_whole(held, content)
            assert path.read_bytes() == content
            assert os.listdir(tmp_path) == ["file"]
            with pytest.raises(FileExistsError):
                hold_new(path)
            with pytest.raises(BlockingIOError):
                hold(path)
    with hold(path) as held:
        with pytest.raises(BlockingIOError):
            hold(path)
        write_whole(held, b"third")
        with pytest.raises(BlockingIOError):
            hold(path)
    hold(path).release()
    assert path.read_bytes() == b"third"
    assert os.listdir(tmp_path) == ["file"]


def test_a_name_that_nothing_was_written_to_is_free_again(tmp_path):
    """Given back, or left by a process that was killed: what is held is a name and no file, so none is in the way."""
    path = tmp_path / "file"
    hold_new(path).release()
    assert os.listdir(tmp_path) == []
    code = """
import os, signal, sys
from minitransformer.files import hold_new
held = hold_new(sys.argv[1])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, path])
    assert os.listdir(tmp_path) == [".file.reserved"]
    with hold_new(path) as held:
        write_whole(held, b"content")
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_and_its_target_are_one_name(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with hold_new(tmp_path / "link"), pytest.raises(BlockingIOError):
        hold_new(tmp_path / "file")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    """A directory that is not there, or one in the file's place."""
    path = tmp_path / "no" / "file"
    with refuses(ValueError, f"file: cannot write {str(path)!r} (No such file or directory), expected a writable path"):
        write_whole(path, b"")
    with refuses(ValueError, f"file: cannot write {str(tmp_path)!r} (Is a directory), expected a writable path"):
        write_whole(tmp_path, b"")
    with refuses(ValueError, f"plot: cannot write {str(tmp_path)!r} (Is a directory), expected a writable path"):
        check_writable("plot", tmp_path)
    assert os.listdir(tmp_path) == []
