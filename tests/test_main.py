"""The command line as a whole: what holds of every command."""

import os
import subprocess
import sys

import pytest

from minitransformer import __version__
from minitransformer.learn import gradient_table


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
