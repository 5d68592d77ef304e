"""`compare pretraining`: what it measures and in which order, how it goes on, what it says, and what it refuses.

The trainings run in this process, one after the other, and are as short as can be.
"""

import importlib.util
import json
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
from few_documents import SMALL, few_documents, small_run, write_texts

from minitransformer.commands import comparing_pretraining
from minitransformer.commands.comparing_pretraining import fill_in, pretrain
from minitransformer.data.corpus import text_files
from minitransformer.data.docstrings import Docstring
from minitransformer.tasks.classification import topics
from minitransformer.tasks.pretraining import bert, label_efficiency
from minitransformer.tasks.pretraining.label_efficiency import (
    CLASSIFY,
    PRETRAINED,
    QA,
    RNN,
    SCRATCH,
    Results,
    curve_cells,
    load_results,
    reader_cells,
)
from minitransformer.tasks.reading import reading
from minitransformer.tasks.run import load_run, save_run
from minitransformer.terminal import PlainScreen, SilentProgress
from minitransformer.training.session import Goal

pytestmark = pytest.mark.usefixtures("clock")

MINUTES = 0.002
COMPARE = ("compare", "pretraining", "--minutes", str(MINUTES), "--out", "d")


class Here:
    """Does at once, in this process, what it is given to do."""

    def submit(self, f, *arguments):
        future = Future()
        try:
            future.set_result(f(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future


def docstring(number):
    module = ("queue", "xml")[number % 2]
    text = f"Do {number}.\n\nParameters\n----------\nx{number} : int\n    The {module} to take, and to go on with.\n"
    return Docstring(f"{module}.f{number}", text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory to work in; few labels, few seeds, few texts, a small model, and no other process."""
    docstrings = [docstring(number) for number in range(40)]
    corpus = text_files(write_texts(tmp_path))

    @contextmanager
    def processes(say):
        yield Here()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(comparing_pretraining, "make_screen", PlainScreen)
    monkeypatch.setattr(comparing_pretraining, "documentation", lambda: corpus)
    monkeypatch.setattr(comparing_pretraining, "processes", processes)
    monkeypatch.setattr(bert, "BERT", bert.BERT._replace(settings=SMALL))
    monkeypatch.setattr(label_efficiency, "LABELS", (5, 10))
    monkeypatch.setattr(label_efficiency, "SEEDS", (0, 1))
    monkeypatch.setattr(reading, "numpy_docstrings", lambda: docstrings)
    monkeypatch.setattr(topics, "library_docstrings", lambda: docstrings)
    return tmp_path


@pytest.fixture
def asked(here, monkeypatch):
    """What is to be measured, in its order; it comes to half, and nothing is trained."""
    cells = []

    def measure(cell, path):
        cells.append(cell)
        return 0.5

    monkeypatch.setattr(comparing_pretraining, "measure", measure)
    monkeypatch.setattr(comparing_pretraining, "pretrain", lambda path: bool(cells.append("pretraining")) or True)
    return cells


def all_cells():
    of_readers = reader_cells(60 * MINUTES * comparing_pretraining.SHARES["readers"])
    return [*curve_cells(PRETRAINED, MINUTES), *curve_cells(SCRATCH, MINUTES), *of_readers], of_readers


def test_a_whole_comparison(run, here):
    """Every training is made and kept; a table for both tasks, and one for the readers."""
    code, out, err = run(*COMPARE)
    cells, _ = all_cells()
    assert (code, err) == (0, "")
    results = load_results(here / "d" / "results.json")
    assert results.missing(cells) == []
    assert all(0 <= accuracy <= 1 for accuracy in results.accuracies.values())
    assert len(results.accuracies) == len(cells) == 2 * 2 * 2 * 2 + 3 * 2
    kept = load_run(here / "d" / "bert.run", bert.BERT)
    assert kept.state.seconds >= kept.goal.seconds == 60 * MINUTES * comparing_pretraining.SHARES["pretraining"]
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("questions", "topics"))] == [
        [task, labels] for task in ("questions", "topics") for labels in ("5", "10") for _ in (PRETRAINED, SCRATCH)
    ]
    assert all(any(line.startswith(arm) for line in lines) for arm in (PRETRAINED, SCRATCH, RNN))


def test_the_same_again_measures_nothing(run, here, monkeypatch):
    """And says the same."""
    run(*COMPARE)
    monkeypatch.setattr(comparing_pretraining, "measure", None)
    code, out, err = run(*COMPARE, "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert set(facts["curves"]) == {QA, CLASSIFY}
    assert [point["labels"] for point in facts["curves"][QA][SCRATCH]] == [5, 10]
    assert set(facts["readers"]) == {PRETRAINED, SCRATCH, RNN}
    assert all(0 <= point["mean"] <= 1 for point in facts["readers"].values())
    assert run(*COMPARE)[1].startswith("Going on with what is in d.\n")


def test_what_needs_pretraining_waits_for_it(run, asked):
    """What starts from scratch does not; each once, the recurrent reader with the second kind."""
    assert run(*COMPARE)[0] == 0
    assert asked[0] == "pretraining"
    cells, _ = all_cells()
    assert sorted(asked[1:], key=str) == sorted(cells, key=str)
    arms = [cell.arm for cell in asked[1:]]
    assert PRETRAINED not in arms[: arms.index(PRETRAINED)] and set(arms[arms.index(PRETRAINED) :]) == {PRETRAINED}


def test_only_what_is_missing_is_measured(run, asked, here):
    """After an interruption, say."""
    cells, _ = all_cells()
    (here / "d").mkdir()
    results = Results(here / "d" / "results.json", {})
    for cell in cells[::2]:
        results = results.with_one(cell, 0.25)
    assert run(*COMPARE)[0] == 0
    assert sorted(asked[1:], key=str) == sorted(cells[1::2], key=str)
    again = load_results(results.path)
    assert [again.of(cell) for cell in cells] == [0.25 if i % 2 == 0 else 0.5 for i in range(len(cells))]


def test_more_seeds_measure_what_fewer_have_not(run, asked, here):
    """And the table shows mean, spread, median and range of all of them."""
    assert run(*COMPARE)[0] == 0
    del asked[:]
    code, out, _ = run(*COMPARE, "--seeds", "4")
    assert code == 0
    assert {cell.seed for cell in asked[1:]} == {2, 3}
    assert len(asked[1:]) == len(all_cells()[0])  # two seeds more, beside two
    rows = [line.split() for line in out.splitlines() if line.startswith("questions")]
    assert [row[-7:] for row in rows] == [["50.0%", "±", "0.0%", "50.0%", "50.0%", "to", "50.0%"]] * 4


@pytest.mark.parametrize("stopped", ["pretraining", "training"])
def test_stopped_by_ctrl_c_it_keeps_what_there_is(run, asked, here, monkeypatch, stopped):
    """And says how to go on, which then ends as if nothing had been."""
    if stopped == "pretraining":
        monkeypatch.setattr(comparing_pretraining, "pretrain", lambda path: False)
    else:
        monkeypatch.setattr(comparing_pretraining, "measure", lambda cell, path: None if cell.arm == RNN else 0.5)
    code, out, err = run(*COMPARE)
    assert (code, err) == (130, "")
    assert out.endswith("Stopped by Ctrl-C. The same command goes on from here.\n")
    monkeypatch.setattr(comparing_pretraining, "pretrain", lambda path: True)
    monkeypatch.setattr(comparing_pretraining, "measure", lambda cell, path: 0.5)
    assert run(*COMPARE)[0] == 0
    assert load_results(here / "d" / "results.json").missing(all_cells()[0]) == []


def test_the_progress_counts_trainings(asked, here):
    """From the first to the last."""

    seen = []

    class Watched(SilentProgress):
        def update(self, done, message):
            seen.append((done, message))

    (here / "d").mkdir()
    cells, of_readers = all_cells()
    results = fill_in(load_results(here / "d" / "results.json"), here / "d", MINUTES, of_readers, Watched())
    assert results.missing(cells) == []
    done, message = seen[-1]
    assert done == comparing_pretraining.WHOLE
    assert message.startswith(f"{len(cells)} of {len(cells)} trainings, ")


def test_pretraining_goes_on_to_its_goal(here):
    """A run that is there already is left as it is."""
    path = str(here / "b.run")
    run_ = small_run(few_documents(here))._replace(goal=Goal(seconds=0.05))
    save_run(path, run_)
    assert pretrain(path)
    kept = load_run(path, bert.BERT)
    assert kept.state.seconds >= 0.05 and kept.state.step > 0
    assert pretrain(path)
    assert load_run(path, bert.BERT).state.step == kept.state.step


def test_the_plot(run, asked, here):
    """One file, and nothing else of it."""
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("the extra `plots` is not installed")
    assert "Drawn in x.png." in run(*COMPARE, "--plot", "x.png")[1]
    assert (here / "x.png").read_bytes().startswith(b"\x89PNG")


def refused(run, *argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("minitransformer: error: ") and err.count("\n") == 1
    return err.removeprefix("minitransformer: error: ").rstrip("\n")


def test_what_it_refuses(run, asked, here):
    """One line, before anything is trained."""
    compare = ("compare", "pretraining", "--out", "d", "--minutes")
    for minutes in ("0", "-1", "nan", "inf"):
        assert refused(run, *compare, minutes) == f"minutes: got {float(minutes)}, expected a number above 0"
    assert not (here / "d").exists()
    assert refused(run, *COMPARE, "--seeds", "1") == "seeds: got 1, expected 2 or more"
    assert refused(run, *COMPARE[:-1], "no/d").startswith("out: cannot make 'no/d' (No such file or directory)")
    assert refused(run, *COMPARE[:-1], "text0.txt").startswith("out: cannot make 'text0.txt' (File exists)")
    if importlib.util.find_spec("matplotlib"):
        assert refused(run, *COMPARE, "--plot", "no/x.png").startswith("plot: cannot write 'no/x.png'")
    assert not (here / "d").exists()
    assert run(*COMPARE)[0] == 0
    del asked[:]
    message = "seed: got 7, expected the one that 'd' was begun with (0), or another --out"
    assert refused(run, *COMPARE, "--seed", "7") == message
    message = f"minutes: got 3.0, expected those that 'd' was begun with ({MINUTES:g}), or another --out"
    assert refused(run, *compare, "3") == message
    (here / "d" / "results.json").write_text("[]", encoding="utf-8")
    assert refused(run, *COMPARE).startswith("results: 'd/results.json' is damaged, or another kind of file")
    (here / "d" / "results.json").unlink()
    (here / "d" / "bert.run").write_text("text", encoding="utf-8")
    assert refused(run, *COMPARE).startswith("checkpoint: 'd/bert.run' is damaged")
    save_run(here / "d" / "bert.run", small_run(few_documents(here)))  # its goal are steps
    assert refused(run, *COMPARE).startswith(f"minutes: got {MINUTES}, expected those that 'd' was begun with")
    assert asked == []
