"""The page as a file: self-contained, strict, and with everything in it that the trace has."""

import base64
import hashlib
import json
import re

import pytest

pytest.importorskip("latex2mathml", reason="the extra `page` is not installed")

from minitransformer.learn.trace import page
from minitransformer.learn.trace.examples import record_example, traceable
from minitransformer.learn.trace.formulas import FORMULAS


@pytest.fixture(scope="module")
def attention():
    return page.build(record_example("attention"))


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


@pytest.mark.parametrize("name", traceable())
def test_every_trace_becomes_a_page_of_less_than_2_MiB(name):
    """With each step, and nothing that JSON cannot hold."""
    recording = record_example(name)
    text = page.build(recording)
    assert len(text.encode()) < 2 * 2**20
    assert len(data_of(text)["steps"]) == len(recording.trace.steps)


def test_nothing_is_loaded(attention):
    """No address but those of XML's name spaces: no script, style, font or picture from elsewhere."""
    assert set(re.findall(r"https?://[^\"'\s<\\]+", attention)) <= {"http://www.w3.org/1998/Math/MathML"}
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=|@import|url\(", attention)


def test_the_policy_allows_just_the_style_and_the_script_of_the_page(attention):
    """By their hashes; everything else is forbidden."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', attention)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", attention, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_no_text_can_end_the_data_early():
    """A value that looks like the end of a script element stays data."""
    recording = record_example("softmax")._replace(equation="</script><script>alert(1)</script>")
    text = page.build(recording)
    assert "<script>alert" not in text
    assert data_of(text)["equation"] == "</script><script>alert(1)</script>"


def test_infinities_are_named(attention):
    """JSON has none: -inf of the masked scores is a word, and the page shows it as infinity."""
    values = data_of(attention)["values"]
    assert any("-inf" in value.get("numbers", ()) for value in values)


def test_a_line_has_its_formula_its_source_and_its_axes(attention):
    data = data_of(attention)
    step = next(s for s in data["steps"] if s["made"] and s["made"][0][0] == "dV" and s["formulas"])
    function = data["functions"][step["fn"]]
    assert function["file"] == "equations/attention.py"
    assert "cache.weights.mT @ dO" in function["lines"][step["first"] - function["first"]]
    assert data["formulas"][step["formulas"][0]].startswith("<math")
    assert step["gradients"][0][:2] == ["dV", "V"]
    assert step["made"][0][2] == ["", "L_k", "d_v"]


def test_a_call_shows_the_expression_that_called(attention):
    """Which of several on its line it is, also where it spans lines."""
    callers = {s["caller"] for s in data_of(attention)["steps"] if s["kind"] == "call"}
    assert None in callers
    assert "scaled_dot_product(Q_seen, K_seen)" in callers
    multi_head = data_of(page.build(record_example("multi_head")))
    callers = {s["caller"] for s in multi_head["steps"]}
    assert "form(Q_turned, K_shared, V_shared, mask_heads, drop)" in callers


def test_masked_cells_are_marked(attention):
    assert any(value.get("masked") for value in data_of(attention)["values"])


def test_a_formula_that_speaks_of_what_is_not_there_is_not_shown():
    """Without dropout there is no m, and no line says that it was multiplied by one."""
    data = data_of(page.build(record_example("all_queries")))
    assert FORMULAS["attend"]["weights"] == "weights[i, j] = m[i, j] * alpha[i, j]"
    steps = [s for s in data["steps"] if s["made"] and s["made"][0][0] == "weights"]
    assert steps
    assert all(not s["formulas"] for s in steps)


def test_a_macro_that_the_library_does_not_know_is_an_error(monkeypatch):
    monkeypatch.setattr(page, "latex", lambda formula: r"\nosuchmacro{x}")
    page.mathml.cache_clear()
    with pytest.raises(ValueError, match="a macro is unknown to latex2mathml"):
        page.build(record_example("softmax"))
    page.mathml.cache_clear()
