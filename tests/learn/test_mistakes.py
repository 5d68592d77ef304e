"""The gallery of mistakes: each is really wrong, and the test that it names really catches it."""

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
from assertions import refuses

from minitransformer.learn.mistakes import show, wrong_code
from minitransformer.learn.mistakes.answers import ANSWERS
from minitransformer.learn.mistakes.gallery import GALLERY, difference, find
from minitransformer.terminal import PlainScreen

ROOT = Path(__file__).parents[2]
every_mistake = pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)


def fresh_test(path):
    """A new copy of a test module, which imports what now stands in the library."""
    spec = importlib.util.spec_from_file_location(f"fresh_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_mistake
def test_the_named_test_catches_the_mistake(entry, monkeypatch):
    """With the wrong function in the right one's place it fails; with the right one it passes."""
    path, _, name = entry.test.partition("::")
    getattr(fresh_test(ROOT / path), name)(**entry.parameters)
    monkeypatch.setattr(sys.modules[entry.right.__module__], entry.right.__name__, entry.wrong)
    test = getattr(fresh_test(ROOT / path), name)
    with pytest.raises((AssertionError, ValueError)):
        test(**entry.parameters)


@every_mistake
def test_the_mistake_makes_a_difference(entry):
    """Far above rounding, where the gallery shows it; and it has a name like the right function's, and an answer."""
    assert difference(entry) > 1e-3
    assert entry.wrong.__name__.rpartition("_")[0] == entry.right.__name__
    assert len(ANSWERS[entry.name]) > 40


def test_every_wrong_function_is_in_the_gallery_once():
    """At least twelve, numbered from 1, each with its answer."""
    wrong = [f for _, f in inspect.getmembers(wrong_code, inspect.isfunction) if f.__module__ == wrong_code.__name__]
    assert sorted(f.__name__ for f in wrong) == sorted(entry.name for entry in GALLERY) == sorted(ANSWERS)
    assert [int(entry.name.rpartition("_")[2]) for entry in GALLERY] == list(range(1, len(GALLERY) + 1))
    assert len(GALLERY) >= 12


def test_the_exercise_keeps_the_answer_apart(capsys):
    """The code has no comment that tells, and the screen shows the code alone."""
    for entry in GALLERY:
        show.show_exercise(PlainScreen(), entry)
        out = capsys.readouterr().out
        assert f"def {entry.name}(" in out
        assert ANSWERS[entry.name][:30] not in out
        assert entry.test not in out
        assert "#" not in inspect.getsource(entry.wrong)


@every_mistake
def test_the_answer_comes_with_both_traces(entry, capsys):
    show.show_answer(PlainScreen(), entry, seed=0)
    out = capsys.readouterr().out
    assert ANSWERS[entry.name] in out
    assert entry.test in out
    assert f"== right  {entry.right.__name__}" in out
    assert f"== wrong  {entry.name}" in out


def test_the_list_names_all(capsys):
    show.show_list(PlainScreen())
    out = capsys.readouterr().out
    assert all(entry.name in out and entry.test in out for entry in GALLERY)
    assert [entry["name"] for entry in show.as_dicts()] == [entry.name for entry in GALLERY]


def test_right_and_wrong_make_one_page():
    """First the one, then the other."""
    page = pytest.importorskip("minitransformer.learn.trace.page")
    pytest.importorskip("latex2mathml", reason="the extra `page` is not installed")
    recording = show.both(find("layer_norm_backward_11"), seed=0)
    called = [step.function for step in recording.trace.steps if step.depth == 0 and step.kind == "call"]
    assert called == ["layer_norm_backward", "layer_norm_backward_11"]
    assert "layer_norm_backward_11" in page.build(recording)


def test_an_unknown_name_is_refused():
    with refuses(ValueError, f"NAME: got 'x', expected one of {', '.join(entry.name for entry in GALLERY)}"):
        find("x")
