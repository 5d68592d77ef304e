"""The gradient table: every forward/backward pair of the index with its error against the complex step."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from minitransformer.terminal import BAD, GOOD, Screen
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import TOLERANCE, gradient_error
from minitransformer.verify.index import INDEX, Row


class Check(NamedTuple):
    row: Row
    error: float

    @property
    def passed(self) -> bool:
        return self.error < TOLERANCE

    def as_dict(self) -> dict:
        row = self.row
        return {
            "section": row.section,
            "function": row.function,
            "backward": row.backward,
            "error": self.error if math.isfinite(self.error) else None,  # JSON has no infinity
            "tolerance": TOLERANCE,
            "passed": self.passed,
        }


def check(row: Row, seed: int) -> Check:
    """One pair at a random point; a backward that raises (a shape that differs, say) counts as wrong throughout."""
    rng = np.random.default_rng(seed)
    case = CASES[row.name](rng)
    try:
        return Check(row, gradient_error(case, rng))
    except AssertionError:
        return Check(row, float("inf"))


def rows_named(name: str | None) -> list[Row]:
    """The pairs of the functions or modules called `name`, or all of them.

    Raises ValueError for a name that no pair has, with the names that there are.
    """
    pairs = [row for row in INDEX if row.backward]
    if name is None:
        return pairs
    rows = [row for row in pairs if name in (row.name, row.function, row.module.rpartition(".")[2])]
    if not rows:
        raise ValueError(f"NAME: got {name!r}, expected one of {', '.join(row.name for row in pairs)}")
    return rows


def show(screen: Screen, checks: Iterable[Check]) -> None:
    checks = list(checks)
    screen.table(
        ("text", "function", "backward", "error", ""),
        [(c.row.section, c.row.name, c.row.backward, f"{c.error:.1e}", "pass" if c.passed else "FAIL") for c in checks],
        [GOOD if c.passed else BAD for c in checks],
    )
