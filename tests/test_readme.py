"""The README's examples in Python run as they stand, and print what their comments say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = [
    code
    for code in re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    if "print(" in code
]


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.splitlines()[1])
def test_an_example_prints_what_it_says(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    said = re.findall(r"^print\(.*\)  # (.*?)(?: *\(seq.*)?$", code, re.MULTILINE)
    assert printed.getvalue().splitlines() == said


def test_there_are_examples():
    assert len(EXAMPLES) >= 2
