"""Formulas that cannot lie: each is evaluated, by loops over its indices, against what its line really made."""

import numpy as np
import pytest
from runs import RUNS

from minitransformer.learn.trace.formulas import FORMULAS, formula_at
from minitransformer.learn.trace.links import in_scope
from minitransformer.learn.trace.notation import base_name, error, is_symbolic, latex, names, parse
from minitransformer.learn.trace.recorder import record
from minitransformer.learn.trace.source import read_source
from minitransformer.learn.trace.values import ArrayValue


def formulas_of(trace):
    """(step, index, name, value, formula) for each formula that a trace meets."""
    for i, step in enumerate(trace.steps):
        for name, value in step.made:
            formula = formula_at(step, name)
            if formula:
                yield step, i, name, value, formula


@pytest.mark.parametrize("name", RUNS)
def test_formulas_are_what_their_lines_make(name):
    """left = right to 1e-9, at random entries; a formula that calls another function names what its line has."""
    trace = record(RUNS[name])
    rng = np.random.default_rng(0)
    for step, i, made, value, formula in formulas_of(trace):
        scope = in_scope(trace, i)
        if is_symbolic(formula):
            statement = read_source(step.file).statements[step.first]
            assert base_name(formula.left) in statement.targets
            assert names(formula) <= set(statement.reads)
        elif names(formula) <= scope.keys():  # no mask, no bias, no dropout: the formula is not shown there
            numbers = value.numbers if isinstance(value, ArrayValue) else np.array(value.number)
            assert error(formula, numbers, scope, rng) < 1e-9, f"{step.function}, {made}: {formula.text}"


def test_every_formula_is_evaluated_somewhere():
    """No formula, of the table, goes unverified."""
    evaluated = set()
    for run in RUNS.values():
        trace = record(run)
        for step, i, _, _, formula in formulas_of(trace):
            if is_symbolic(formula) or names(formula) <= in_scope(trace, i).keys():
                evaluated.add((step.function, formula.text))
    wanted = set()
    for function, lines in FORMULAS.items():
        for texts in lines.values():
            wanted |= {(function, text) for text in ([texts] if isinstance(texts, str) else texts) if text}
    assert wanted == evaluated


def test_a_wrong_formula_is_found():
    """The gain outside the mean; a sum over the wrong index; sqrt of another width."""
    trace = record(RUNS["scaled_dot_product"])
    (found,) = [f for f in formulas_of(trace) if f[4].text.startswith("A[i, j]")]
    _, i, _, value, _ = found
    scope = in_scope(trace, i)
    rng = np.random.default_rng(0)
    for wrong in (
        "A[i, j] = sum(c, Q[i, c] * K[j, c])",
        "A[i, j] = sum(c, Q[i, c] * K[i, c]) / sqrt(d_k)",
        "A[i, j] = sum(c, Q[i, c] * K[j, c]) / d_k",
    ):
        assert error(parse(wrong), value.numbers, scope, rng) > 1e-3


@pytest.mark.parametrize("function", FORMULAS)
def test_every_formula_becomes_mathml(function):
    """Without a macro that the library leaves as it is."""
    convert = pytest.importorskip("latex2mathml.converter", reason="the extra `page` is not installed").convert
    for texts in FORMULAS[function].values():
        for text in [texts] if isinstance(texts, str) else texts:
            if text:
                mathml = convert(latex(parse(text)))
                assert mathml.startswith("<math")
                assert "\\" not in mathml
