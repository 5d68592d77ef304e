"""The gradient table: a right backward passes, a wrong one fails, whatever is wrong with it."""

import json

import numpy as np
import pytest
from assertions import refuses

from minitransformer.terminal import PlainScreen
from minitransformer.verify import gradient_table
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import TOLERANCE
from minitransformer.verify.index import INDEX

PAIRS = [row for row in INDEX if row.backward]


def wrong(change):
    """The case of softmax with a backward that `change` spoils."""
    right = CASES["softmax"]

    def make(rng):
        case = right(rng)
        return case._replace(backward=lambda dy, cache: change(*case.backward(dy, cache)))

    return make


def test_names_select_rows():
    """A function, a function with its path, or all of a module; everything without a name."""
    assert gradient_table.rows_named(None) == PAIRS
    assert [row.name for row in gradient_table.rows_named("softmax")] == ["masked_softmax", "softmax", "log_softmax"]
    assert [row.name for row in gradient_table.rows_named("layers.linear.linear")] == ["linear"]
    assert "gelu" in [row.name for row in gradient_table.rows_named("activations")]
    for row in PAIRS:
        assert row in gradient_table.rows_named(row.name)


def test_an_unknown_name_is_refused():
    """With the names that there are; a function without a backward is not among them."""
    names = ", ".join(row.name for row in PAIRS)
    with refuses(ValueError, f"NAME: got 'causal_mask', expected one of {names}"):
        gradient_table.rows_named("causal_mask")


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: row.name)
def test_every_pair_passes(row):
    check = gradient_table.check(row, seed=7)
    assert check.passed
    assert check.error < TOLERANCE
    assert check.as_dict()["function"] == row.function


@pytest.mark.parametrize(
    "change",
    [lambda da: (da * (1 + 1e-9),), lambda da: (da.sum(axis=0, keepdims=True),), lambda da: (da * np.nan,)],
    ids=["a little too large", "another shape", "NaN"],
)
def test_a_wrong_backward_fails(monkeypatch, capsys, change):
    """A billionth too large, of another shape, or no number at all."""
    monkeypatch.setitem(CASES, "softmax", wrong(change))
    (row,) = (row for row in PAIRS if row.name == "softmax")
    check = gradient_table.check(row, seed=0)
    assert not check.passed
    assert check.as_dict()["passed"] is False
    json.loads(json.dumps(check.as_dict()), parse_constant=pytest.fail)
    gradient_table.show(PlainScreen(), [check])
    assert "FAIL" in capsys.readouterr().out
