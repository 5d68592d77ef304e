"""Commands for whoever learns: what they print where, and their exit codes."""

import json
import math
import subprocess
import sys

import pytest
from clock import Clock

from minitransformer.commands import learning
from minitransformer.learn import language_model, tour
from minitransformer.learn.mistakes.answers import ANSWERS
from minitransformer.learn.mistakes.gallery import GALLERY
from minitransformer.learn.worked_examples import EXAMPLES
from minitransformer.terminal import PlainScreen
from minitransformer.verify.cases import CASES
from minitransformer.verify.index import INDEX, as_dicts, as_markdown

QUICK = language_model.SETTINGS._replace(n_layers=1, d_model=16, h=2, d_ff=32, context=16, steps=30, warmup=5)


@pytest.fixture
def quick(monkeypatch):
    """The tour with a language model that takes less than a second."""
    monkeypatch.setattr(language_model, "SETTINGS", QUICK)
    monkeypatch.setattr(language_model, "MOST_SECONDS", math.inf)
    monkeypatch.setattr(learning, "make_screen", PlainScreen)


TOUR = """
import sys
from minitransformer.__main__ import main
from minitransformer.learn import language_model
language_model.MOST_SECONDS = float("inf")
sys.exit(main(["--json"]))
"""


def test_the_tour_as_a_reader_runs_it():
    """Exit code 0; every example holds, every gradient passes; the Transformer is better than the bigram model.

    It may take as long as it takes: a machine that is busy would end the training early.
    """
    command = [sys.executable, "-c", TOUR]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["passed"] is True
    assert [example["name"] for example in facts["examples"]] == [example.__name__ for example in EXAMPLES]
    assert all(example["holds"] for example in facts["examples"])
    assert len(facts["gradients"]) == len(CASES)
    assert all(check["error"] < 1e-12 for check in facts["gradients"])
    losses = facts["language_model"]["validation_loss"]
    assert losses["Transformer"] < losses["bigram"] < losses["ln V"]
    assert len(facts["language_model"]["sample"]) == 300


def test_the_tour_shows_its_four_parts(run, quick):
    """Formula, code, shapes and numbers; the gradient table; training; what to do next."""
    code, out, _ = run()
    assert code == 0
    for heading in ("1. The equations", "2. Is that really the gradient?", "3. A causal", "4. What to do next"):
        assert heading in out
    assert "softmax_backward" in out
    assert "100%" in out
    assert "knows nothing (ln V)" in out
    assert "Every check passed" in out


def test_a_slow_machine_ends_the_training_early_and_says_so(run, quick, monkeypatch):
    """After so many seconds: here those of a clock that goes on by one tick a step."""
    monkeypatch.setattr(language_model, "time", Clock())
    monkeypatch.setattr(language_model, "MOST_SECONDS", 10 * Clock.TICK)
    code, out, _ = run()
    assert code == 0
    assert "Stopped after 0 s, at step 11 of 30." in out


def test_the_seed_decides_everything(run, quick):
    """Two tours with one seed differ in their times alone."""

    def facts(seed):
        result = json.loads(run("--json", "--seed", seed)[1])
        del result["seconds"], result["language_model"]["seconds"]
        return result

    assert facts("3") == facts("3")
    assert facts("3") != facts("4")


def test_the_tour_on_the_readers_text(run, quick, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"The cat sat on mat {i}.\n\n" for i in range(300)), encoding="utf-8")
    code, out, _ = run("--json", "--text", str(path))
    assert code == 0
    assert json.loads(out)["language_model"]["source"] == str(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read '{path}' (No such file or directory), expected a UTF-8 text file"),
        (b"", "'{path}' is empty, expected a UTF-8 text file"),
        (b"\xff\xfe", "'{path}' is not UTF-8 (at byte 0: invalid start byte), expected a UTF-8 text file"),
        (b"too short", "got nothing for validation that does not also occur before, expected a longer text"),
    ],
    ids=["missing", "empty", "not UTF-8", "too short"],
)
def test_a_bad_text_is_one_line_and_exit_code_2(run, tmp_path, content, message):
    """Before anything else is shown."""
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    expected = f"minitransformer: error: text: {message.format(path=path)}\n"
    assert run("--text", str(path)) == (2, "", expected)
    assert run("--text", str(path), "--json") == (2, "", expected)


def test_check_shows_the_gradient_table(run, monkeypatch):
    """All pairs, or those of a name; as a table or as JSON."""
    monkeypatch.setattr(learning, "make_screen", PlainScreen)
    code, out, _ = run("check", "linear")
    assert code == 0
    assert "linear_backward" in out
    assert "softmax_backward" not in out
    code, out, _ = run("check", "--json")
    assert code == 0
    assert [check["function"] for check in json.loads(out)] == [row.function for row in INDEX if row.backward]


def test_a_failed_check_is_exit_code_1(run, quick, monkeypatch):
    """Of `check` and of the tour; and the table says which."""
    right = CASES["linear"]

    def wrong(rng):
        case = right(rng)
        return case._replace(backward=lambda dy, cache: (2 * (d := case.backward(dy, cache))[0], d[1]))

    monkeypatch.setitem(CASES, "linear", wrong)
    code, out, _ = run("check", "linear")
    assert code == 1
    assert "FAIL" in out
    assert run("check", "softmax")[0] == 0
    code, out, _ = run()
    assert code == 1
    assert "A check FAILED" in out


def test_an_example_that_does_not_hold_fails_the_tour(run, quick, monkeypatch):
    def broken(rng):
        """4.1  1 = 2"""
        holds = False
        return locals()

    monkeypatch.setattr(tour, "EXAMPLES", (broken,))
    code, out, _ = run()
    assert code == 1
    assert "DOES NOT HOLD" in out


def test_a_model_that_does_not_learn_fails_the_tour(run, monkeypatch):
    """At a learning rate of next to 0 the loss does not fall."""
    monkeypatch.setattr(language_model, "SETTINGS", QUICK._replace(peak=1e-30, steps=1))
    assert run("--json")[0] == 1


def test_trace_shows_the_steps_or_writes_a_page(run, monkeypatch, tmp_path):
    """In the terminal; as a file, written whole; and an unknown name, or a place that is none, in one line."""
    monkeypatch.setattr(learning, "make_screen", PlainScreen)
    code, out, _ = run("trace", "softmax")
    assert code == 0
    assert "alpha = exps / row_sum(exps)" in out
    code, _, err = run("trace", "sofmax")
    assert code == 2
    assert err.startswith("minitransformer: error: NAME: got 'sofmax', expected one of ")
    pytest.importorskip("latex2mathml", reason="the extra `page` is not installed")
    path = tmp_path / "softmax.html"
    assert run("trace", "softmax", "--html", str(path)) == (0, f"8 steps in {path}\n", "")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    nowhere = tmp_path / "no" / "softmax.html"
    message = f"file: cannot write {str(nowhere)!r} (No such file or directory), expected a writable path"
    assert run("trace", "softmax", "--html", str(nowhere)) == (2, "", f"minitransformer: error: {message}\n")


def test_open_shows_the_page(run, monkeypatch, tmp_path):
    """In the reader's browser, from the file that was written; by default beside where the command runs."""
    pytest.importorskip("latex2mathml", reason="the extra `page` is not installed")
    shown = []
    monkeypatch.setattr(learning.webbrowser, "open", shown.append)
    monkeypatch.chdir(tmp_path)
    assert run("trace", "softmax", "--open")[0] == 0
    assert shown == [(tmp_path / "softmax.html").as_uri()]


def test_without_the_library_for_formulas_one_line_says_what_to_install(run, monkeypatch, tmp_path):
    """Only the page needs it."""
    monkeypatch.setitem(sys.modules, "latex2mathml", None)
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    learning.page.mathml.cache_clear()
    code, out, err = run("trace", "softmax", "--html", str(tmp_path / "x.html"))
    assert (code, out) == (2, "")
    assert err == "minitransformer: error: for the page: pip install 'minitransformer[page]'\n"
    assert not (tmp_path / "x.html").exists()


def test_mistakes_shows_all_one_or_its_exercise(run, monkeypatch):
    """As text, and as JSON, which has of a name that mistake alone."""
    monkeypatch.setattr(learning, "make_screen", PlainScreen)
    first, second = (entry.name for entry in GALLERY[:2])
    code, out, _ = run("mistakes")
    assert code == 0 and first in out and second in out
    assert first in run("mistakes", first)[1]
    assert ANSWERS[first] not in run("mistakes", first, "--exercise")[1]
    assert [facts["name"] for facts in json.loads(run("mistakes", "--json")[1])] == [entry.name for entry in GALLERY]
    assert [facts["name"] for facts in json.loads(run("mistakes", first, "--json")[1])] == [first]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["mistakes", "--exercise"], "NAME: got nothing, expected the name of a mistake beside --exercise"),
        (["mistakes", "--html", "x.html"], "NAME: got nothing, expected the name of a mistake beside --html"),
        (["mistakes", "--exercise", "--json"], "exercise: got --exercise and --json, expected one of them"),
        (["mistakes", "{}", "--html", "x.html", "--json"], "html: got --html and --json, expected one of them"),
        (["mistakes", "{}", "--exercise", "--html", "x"], "exercise: got --exercise and --html, expected one of them"),
        (["index", "--markdown", "--json"], "markdown: got --markdown and --json, expected one of them"),
    ],
    ids=" ".join,
)
def test_options_that_do_not_fit_are_refused(run, tmp_path, monkeypatch, argv, message):
    """None is ignored in silence; nothing is shown or written."""
    monkeypatch.chdir(tmp_path)
    given = [text.format(GALLERY[0].name) for text in argv]
    assert run(*given) == (2, "", f"minitransformer: error: {message}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [["--json"], ["--seed", "3"], ["--text", "index"]], ids=" ".join)
def test_options_before_a_command_are_refused(run, option):
    """There they are the tour's: the command would not have them."""
    code, out, err = run(*option, "index")
    message = f"index: got {option[0]} before the command, expected options after it"
    assert (code, out, err) == (2, "", f"minitransformer: error: {message}\n")


@pytest.mark.parametrize("options", [[], ["--json"], ["--exercise"], ["--html", "x.html"]], ids=" ".join)
def test_an_unknown_mistake_is_refused(run, options):
    """However it is to be shown."""
    code, out, err = run("mistakes", "nosuch", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("minitransformer: error: NAME: got 'nosuch', expected one of ")


@pytest.mark.parametrize("command", [["trace", "softmax"], ["mistakes", GALLERY[0].name]], ids=lambda argv: argv[0])
def test_a_page_needs_the_name_of_a_file(run, command):
    """An empty one is none."""
    code, out, err = run(*command, "--html", "")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.endswith("argument --html: got '', expected the name of a file\n")


def test_index_maps_the_text_to_the_code(run, monkeypatch):
    """As a table, as the README's table, as JSON."""
    monkeypatch.setattr(learning, "make_screen", PlainScreen)
    code, out, _ = run("index")
    assert code == 0
    assert all(row.function in out for row in INDEX)
    assert run("index", "--markdown") == (0, as_markdown() + "\n", "")
    assert json.loads(run("index", "--json")[1]) == as_dicts()


def test_the_index_has_no_seed(run):
    """Nothing in it is drawn."""
    assert run("index", "--seed", "3") == (2, "", "minitransformer: error: unrecognized arguments: --seed 3\n")
