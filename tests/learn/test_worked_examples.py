"""The worked examples of the text hold, for any random numbers in them, and show the code that ran."""

import ast
import inspect

import numpy as np
import pytest

from minitransformer.learn.worked_examples import EXAMPLES, code_lines, section_and_formula

examples = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)


@examples
def test_every_example_holds(example):
    """What the last line of an example claims is true, whatever its random numbers."""
    for seed in range(3):
        assert example(np.random.default_rng(seed))["holds"]


@examples
def test_the_lines_shown_are_the_lines_run(example):
    """Each line shown is one whole statement, its names get values, and together they are the function's body."""
    values = example(np.random.default_rng(0))
    lines = code_lines(example)
    (function,) = ast.parse(inspect.getsource(example)).body
    statements = function.body[1:-1]  # between docstring and return
    assert [ast.unparse(ast.parse(line)) for line, _ in lines] == [ast.unparse(s) for s in statements]
    assert {name for _, names in lines for name in names} <= values.keys()


@examples
def test_every_example_names_its_section(example):
    """The docstring starts with the section of the text, and a formula follows."""
    section, formula = section_and_formula(example)
    assert section.replace(".", "").isdecimal()
    assert formula
