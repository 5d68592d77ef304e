"""What the terminal shows: the same facts with and without colours, on any console."""

import io
import sys

import pytest

from minitransformer.terminal import PlainScreen, SilentScreen, make_screen

COLUMNS = ("function", "error")
ROWS = [("softmax", "1e-17"), ("layer_norm_with_a_long_name", "[2e-16]")]


def show_everything(screen):
    screen.heading("A heading")
    screen.say("plain [words] in brackets", style="green")
    screen.code("alpha = exps / row_sum(exps)  # comment")
    screen.table(COLUMNS, ROWS, ["green", "red"])
    with screen.progress(20) as progress:
        for step in range(1, 21):
            progress.update(step, f"loss {1 / step:.2f}")


def test_the_plain_screen_aligns_columns_and_keeps_every_word(capsys):
    """Nothing is lost: brackets are no markup."""
    show_everything(PlainScreen())
    out = capsys.readouterr().out
    assert "== A heading ==" in out
    assert "plain [words] in brackets" in out
    assert "function                     error\n" in out
    assert "layer_norm_with_a_long_name  [2e-16]\n" in out


def test_progress_in_a_log_file_is_ten_lines(capsys):
    """Without a terminal, each tenth of the way is one line."""
    with PlainScreen().progress(1000) as progress:
        for step in range(1, 1001):
            progress.update(step, "training")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  100%  training"


def test_the_silent_screen_says_nothing(capsys):
    """`--json` owns standard output."""
    show_everything(SilentScreen())
    assert capsys.readouterr() == ("", "")


def test_without_rich_one_line_says_what_to_install(capsys, monkeypatch):
    """The hint goes to standard error, and the plain screen is used."""
    monkeypatch.setitem(sys.modules, "rich", None)
    assert isinstance(make_screen(), PlainScreen)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "for colours and a live progress bar: pip install 'minitransformer[cli]'\n"


@pytest.fixture
def rich_output(monkeypatch):
    """Run with rich on a console of some encoding and width; return what it wrote."""
    pytest.importorskip("rich", reason="the extra `cli` is not installed")

    def run(encoding: str = "utf-8", columns: int = 80) -> str:
        raw = io.BytesIO()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        show_everything(make_screen())
        sys.stdout.flush()
        return raw.getvalue().decode(encoding)

    return run


def test_rich_writes_ascii_where_the_console_knows_nothing_else(rich_output):
    """A console that is not UTF-8 gets plain rules and table borders instead of an exception."""
    out = rich_output("ascii")
    assert out.isascii()
    assert "A heading" in out
    assert "softmax" in out


def test_rich_keeps_words_in_brackets(rich_output):
    """Numbers in brackets are not taken for markup."""
    out = rich_output()
    assert "[2e-16]" in out
    assert "plain [words] in brackets" in out


def test_rich_fits_a_narrow_terminal(rich_output):
    """No line is wider than the terminal."""
    assert max(map(len, rich_output(columns=30).splitlines())) <= 30


def test_rich_writes_no_colours_into_a_pipe(rich_output):
    """Without a terminal there are no escape sequences."""
    assert "\x1b" not in rich_output()
