"""The command line as a whole: what holds of every command."""

import os
import signal
import subprocess
import sys

import pytest

from minitransformer import __version__
from minitransformer.tasks.language_modelling.run import load_run
from minitransformer.verify import gradient_table


def run_process(*argv, **environment):
    """The real thing, as a reader starts it."""
    return subprocess.run(
        [sys.executable, "-m", "minitransformer", *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=120,
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["check", "nothing"], "minitransformer: error: NAME: got 'nothing', expected one of "),
        (["trian"], "minitransformer: error: argument : invalid choice: 'trian'"),
        (["train"], "minitransformer train: error: the following arguments are required: MODEL"),
        (["--seed", "-1"], "minitransformer: error: argument --seed: got '-1', expected an integer, 0 or more"),
        (
            ["pretrain", "bert", "--resume", ""],
            "minitransformer pretrain bert: error: argument --resume: got '', expected the name of a file",
        ),
        (["check", "--seed", "x"], "minitransformer check: error: argument --seed: got 'x', expected an integer"),
        (["--what"], "minitransformer: error: unrecognized arguments: --what"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_code_2(run, argv, message):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_version_and_help(run):
    assert run("--version") == (0, f"minitransformer {__version__}\n", "")
    code, out, _ = run("--help")
    assert code == 0
    assert "check" in out
    assert "--text" in out


def test_ctrl_c_is_one_line_and_exit_code_130(run, monkeypatch):
    """No traceback."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gradient_table, "check", interrupted)
    assert run("check", "linear") == (130, "", "minitransformer: interrupted\n")


def test_ctrl_c_while_numpy_is_imported_is_one_line_and_exit_code_130():
    """Of half a second the larger part of what every command begins with."""
    code = """
import os, signal, sys

class Press:
    def find_spec(self, name, *_):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
from minitransformer.__main__ import main
sys.exit(main(["index"]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "minitransformer: interrupted\n")


def test_starting_leaves_ctrl_c_as_it_was(run):
    before = signal.getsignal(signal.SIGINT)
    run("--version")
    assert signal.getsignal(signal.SIGINT) is before


def test_too_little_memory_is_one_line_and_exit_code_2(run, monkeypatch):
    """In any command, and also where Python does not say for what."""
    for error, text in (
        (MemoryError("Unable to allocate 1 GiB"), "Unable to allocate 1 GiB"),
        (MemoryError(), "not enough"),
    ):

        def fails(*_, error=error):
            raise error

        monkeypatch.setattr(gradient_table, "check", fails)
        line = f"minitransformer: error: memory: {text}, expected something smaller\n"
        assert run("check", "linear") == (2, "", line)


def test_a_reader_who_closes_the_pipe_sees_no_traceback():
    """`minitransformer index | head`, where the reader has gone before all is written."""
    command = f"{sys.executable} -m minitransformer index --markdown | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert result.stderr == ""


def test_a_console_that_is_not_utf_8():
    """What it cannot show becomes a question mark, and nothing breaks."""
    result = run_process("check", "linear", PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "linear_backward" in result.stdout


@pytest.mark.parametrize("argv", ["index --json", "check softmax", "--help", "train --help", "--version"])
def test_a_closed_output_is_one_line_and_exit_code_74(argv):
    """What was asked for cannot be shown. With standard error closed as well, the code alone says so."""
    command = f"{sys.executable} -m minitransformer {argv} >&-"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert found.returncode == 74
    assert found.stderr == "minitransformer: error: output: standard output is closed, expected an open one\n"
    assert subprocess.run(["bash", "-c", f"{command} 2>&-"], timeout=120).returncode == 74


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("--help >/dev/full", "minitransformer: error: output: No space left on device\n"),
        ("--version >/dev/full", "minitransformer: error: output: No space left on device\n"),
        ("trian 2>/dev/full", ""),
        ("mistakes nothing 2>/dev/full", ""),
    ],
)
def test_a_full_output_or_error_is_exit_code_74(argv, expected):
    """Also where the output is argparse's own, which would keep silent, with exit code 0."""
    command = f"{sys.executable} -m minitransformer {argv}"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert (found.returncode, found.stdout, found.stderr) == (74, "", expected)


def test_a_training_without_any_stream_trains_and_saves(tmp_path):
    """Its file is whole: it is not in the place of a closed stream, where anything might be written into it."""
    (tmp_path / "text.txt").write_text("".join(f"The cat sat on mat {i}.\n" for i in range(300)), encoding="utf-8")
    command = f"{sys.executable} -m minitransformer train ngram --text text.txt --set n=2 --out x.run <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, timeout=120).returncode == 74
    assert load_run(tmp_path / "x.run").weights.n == 2
