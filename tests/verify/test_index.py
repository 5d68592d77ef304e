"""The index of the text: every row names what exists, and everything that has a backward has a row."""

import importlib
import inspect
from pathlib import Path

import pytest

from minitransformer.verify.cases import CASES
from minitransformer.verify.index import INDEX, as_dicts, as_markdown

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("row", INDEX, ids=lambda row: row.name)
def test_every_row_names_what_exists(row):
    """Function, backward, tests and notebook are there, and the tests mention the function."""
    module = importlib.import_module(row.module)
    assert callable(getattr(module, row.name))
    assert row.backward is None or callable(getattr(module, row.backward))
    tests = ROOT / row.tests
    files = tests.glob("test_*.py") if tests.is_dir() else [tests]
    assert any(row.name in file.read_text(encoding="utf-8") for file in files)
    assert row.notebook is None or (ROOT / row.notebook).is_file()


def test_every_op_of_the_package_has_a_row():
    """Whoever adds `f` and `f_backward` to equations, layers or models says which equation of the text they are."""
    rows = {row.function for row in INDEX}
    # each calls one of two pairs that have rows
    wrappers = {
        "layers.encoder_layer.encoder_layer",
        "layers.decoder_layer.decoder_layer",
        "layers.stack.last_norm",
    }
    for package in ("equations", "layers", "models"):
        for path in (ROOT / "minitransformer" / package).glob("[!_]*.py"):
            name = f"{package}.{path.stem}"
            functions = dict(inspect.getmembers(importlib.import_module(f"minitransformer.{name}"), inspect.isfunction))
            own = {f for f, function in functions.items() if function.__module__ == f"minitransformer.{name}"}
            pairs = {f"{name}.{f}" for f in own if f"{f}_backward" in own}
            assert pairs - wrappers <= rows


def test_every_op_of_the_index_has_a_gradient_check():
    """And the other way round: no case without a row."""
    assert {row.name for row in INDEX if row.backward} == CASES.keys()


def test_rows_follow_the_text():
    """Sections stand in the order of the text."""
    sections = [[int(part) for part in row.section.split(".")] for row in INDEX]
    assert sections == sorted(sections)


def test_the_readme_has_the_generated_table():
    """The table in the README is what `minitransformer index --markdown` prints."""
    assert as_markdown() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_json_rows_name_the_tests():
    """A consumer of `index --json` gets every field of the table."""
    assert all(row.keys() == {"section", "equation", "function", "backward", "tests", "notebook"} for row in as_dicts())


@pytest.mark.parametrize("module", sorted({row.module for row in INDEX}))
def test_the_first_line_of_each_module_names_its_section(module):
    """Who opens a file that the index names sees at once where in the text it belongs."""
    first_line = importlib.import_module(module).__doc__.splitlines()[0]
    assert "ection" in first_line
