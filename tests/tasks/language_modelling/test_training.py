"""A training that a person can trust: it is kept, it can be stopped, and looking at it changes nothing."""

import itertools
import os
import signal

import pytest
from numpy.testing import assert_array_equal
from small_language import SMALL, small_text

from minitransformer.tasks.language_modelling import training
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import load_run, new_run, steps
from minitransformer.tasks.language_modelling.training import carry_on
from minitransformer.training import session
from minitransformer.training.session import Goal

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture(scope="module")
def text():
    return small_text()


def run_for(text, n_steps, name="gpt"):
    return new_run(KINDS[name], SMALL[name], text)._replace(goal=Goal(n_steps))


def test_it_trains_to_the_goal_and_keeps_the_run(text, tmp_path):
    """The file has what the run has."""
    run, stopped = carry_on(run_for(text, 30), text, tmp_path / "x.run")
    assert not stopped
    assert run.state.step == 30
    assert_array_equal(load_run(tmp_path / "x.run").state.weights, run.state.weights)


def test_looking_and_saving_change_nothing(text, tmp_path, monkeypatch):
    """The weights are those of the steps alone."""
    monkeypatch.setattr(session, "SAVE_SECONDS", 0.0)
    run, _ = carry_on(run_for(text, 20), text, tmp_path / "x.run")
    alone = run_for(text, 20)
    list(steps(alone, text))
    assert_array_equal(run.state.weights, alone.state.weights)


def test_what_was_learned_is_kept_where_something_fails(text, tmp_path):
    """A report that cannot be written, an error of another kind: the run is saved, and the error goes on."""
    run = new_run(KINDS["fnn"], SMALL["fnn"], text)._replace(goal=Goal(steps=50))

    def fail(report):
        if report.step.step == 7:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        carry_on(run, text, tmp_path / "x.run", fail)
    assert load_run(tmp_path / "x.run").state.step == 7


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_what_was_learned_is_kept_where_a_look_fails(text, tmp_path, monkeypatch, error):
    """It takes time, and is the likeliest moment for a second Ctrl-C: the run as it was before it."""
    monkeypatch.setattr(session, "LOOKS", 5)
    looks = []

    def fail(run, text, loss):
        looks.append(run.state.step)
        if len(looks) == 2:
            raise error
        return run

    monkeypatch.setattr(training, "look", fail)
    with pytest.raises(error):
        carry_on(run_for(text, 50, "fnn"), text, tmp_path / "x.run")
    assert looks == [10, 20]
    kept = load_run(tmp_path / "x.run")
    assert kept.state.step == 20
    alone = run_for(text, 50, "fnn")
    list(itertools.islice(steps(alone, text), 20))
    assert_array_equal(kept.state.weights, alone.state.weights)


def test_what_was_learned_is_kept_before_the_last_look(text, tmp_path, monkeypatch):
    """Who presses Ctrl-C, and once more while the held-out text is read, has lost nothing."""
    kept = []

    def press(report):
        if report.step.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training, "look", lambda run, text, loss: kept.append(load_run(tmp_path / "x.run")) or run)
    monkeypatch.setattr(session, "LOOKS", 1)
    carry_on(run_for(text, 20), text, tmp_path / "x.run", press)
    assert [run.state.step for run in kept] == [7]


def test_the_held_out_text_is_looked_at_as_often_as_it_says(text, monkeypatch):
    """At equal distances, and at the end; each look knows step, time and both losses."""
    monkeypatch.setattr(session, "LOOKS", 4)
    run, _ = carry_on(run_for(text, 40), text)
    assert [entry.step for entry in run.looks] == [10, 20, 30, 40]
    assert all(entry.validation > 0 and entry.training > 0 for entry in run.looks)
    assert run.looks[-1].validation < run.looks[0].validation
    assert sorted(entry.seconds for entry in run.looks) == [entry.seconds for entry in run.looks]


def test_each_step_is_reported(text):
    """With a running mean of its loss, and the run as it then is."""
    reports = []
    carry_on(run_for(text, 12), text, report=reports.append)
    assert [r.step.step for r in reports] == [r.run.state.step for r in reports] == list(range(1, 13))
    assert reports[0].training == reports[0].step.loss
    mean = 0.98 * reports[0].step.loss + 0.02 * reports[1].step.loss
    assert reports[1].training == pytest.approx(mean, rel=1e-12)


def test_ctrl_c_ends_it_after_the_step_and_keeps_what_was_learned(text, tmp_path):
    """And what was kept goes on to the goal as if nothing had been."""

    def press(report):
        if report.step.step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    run, stopped = carry_on(run_for(text, 20), text, tmp_path / "x.run", press)
    assert stopped
    assert run.state.step == 7
    rest, stopped = carry_on(load_run(tmp_path / "x.run"), text, tmp_path / "x.run")
    assert not stopped
    alone = run_for(text, 20)
    list(steps(alone, text))
    assert_array_equal(rest.state.weights, alone.state.weights)
    assert [entry.step for entry in rest.looks][-1] == 20


def test_a_run_that_has_reached_its_goal_stays_as_it_is(text, tmp_path):
    run, _ = carry_on(run_for(text, 5), text, tmp_path / "x.run")
    again, stopped = carry_on(load_run(tmp_path / "x.run"), text)
    assert not stopped
    assert again.state.step == 5
    assert again.looks == run.looks
