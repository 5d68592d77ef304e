"""The trace in the terminal."""

import pytest

from minitransformer.learn.trace import terminal
from minitransformer.learn.trace.examples import record_example, traceable
from minitransformer.terminal import PlainScreen


def shown(name, capsys):
    terminal.show(PlainScreen(), record_example(name))
    return capsys.readouterr().out


def test_lines_names_shapes_and_values_indented_by_depth(capsys):
    """`attention` calls `scaled_dot_product`: its lines stand one rail further in."""
    out = shown("attention", capsys)
    assert "2.2.1  attention: Attention(Q, K, V) = softmax(Q K^T / sqrt(d_k)) V" in out
    (line,) = (line for line in out.splitlines() if line.endswith("A = Q @ K.mT / math.sqrt(d_k)"))
    assert line.count("│") == 1
    assert "│         A (2, 5, 7) float64" in out
    assert "dQ (2, 5, 4) float64   the gradient of Q, step " in out
    assert "relative error" in out


def test_infinities_booleans_and_large_arrays(capsys):
    """-inf is shown as such; of a large array a part, and how much of it."""
    out = shown("masked_softmax", capsys)
    assert "-inf" in out
    assert "yes" in out
    assert "(40 of 512 numbers)" in shown("section_5", capsys) or "of 163840 numbers)" in shown("section_5", capsys)


@pytest.mark.parametrize("name", traceable())
def test_every_step_is_shown(name, capsys):
    recording = record_example(name)
    terminal.show(PlainScreen(), recording)
    lines = capsys.readouterr().out.splitlines()
    numbered = [line for line in lines if line[:4].strip().isdigit()]
    assert len(numbered) == len(recording.trace.steps)
