"""What belongs together in a trace: gradient and value, backward line and forward line, array and axes."""

import pytest

from minitransformer.learn.trace.examples import record_example, traceable
from minitransformer.learn.trace.links import axes_by_step, fit, gradients, in_scope, jumps, masked_cells
from minitransformer.learn.trace.values import ArrayValue
from minitransformer.verify.cases import CASES

every_pair = pytest.mark.parametrize("name", CASES)


def array_named(step, name):
    return dict(step.made)[name]


@every_pair
def test_a_gradient_has_the_shape_of_its_value(name):
    """dX stands beside the X that the forward of the same cache had."""
    trace = record_example(name).trace
    for i, pairs in gradients(trace).items():
        for pair in pairs:
            gradient = array_named(trace.steps[i], pair.name)
            if trace.steps[i].function != "linear_backward":  # its dx is that of the rows, all axes in one
                assert gradient.shape == pair.value.shape
            assert trace.steps[pair.forward_step].frame == trace.mates[trace.steps[i].frame]


def test_the_gradients_of_attention_have_their_values():
    """dQ, dK, dV, dA and dalpha, each beside what it is the gradient of; a return line's by its formula."""
    trace = record_example("attention").trace
    named = {pair.name: pair.value_name for pairs in gradients(trace).values() for pair in pairs}
    assert {"dO": "O", "dV": "V", "dA": "A", "dalpha": "alpha", "dQ": "Q", "dK": "K"}.items() <= named.items()
    assert named["return"] == "a"


@every_pair
def test_jumps_lead_there_and_back(name):
    """From a backward line to the forward line that it differentiates, and from that to a backward line."""
    trace = record_example(name).trace
    there = jumps(trace)
    for i, j in there.items():
        assert trace.steps[i].frame != trace.steps[j].frame
        assert j in there


def test_axes_are_named_by_comments_and_docstrings():
    """Arguments as the docstring has them, what a line makes as its comment has it, and so where it is read later."""
    trace = record_example("multi_head").trace
    axes = axes_by_step(trace)
    call = axes[0]
    assert call["x_q"] == ("", "L_q", "d_query")
    for i, step in enumerate(trace.steps):
        if step.function == "multi_head" and any(name == "Q_heads" for name, _ in step.made):
            assert axes[i]["Q_heads"] == ("", "h", "L_q", "d_k")
        if step.function == "multi_head" and any(name == "Q_heads" for name, _ in step.read):
            assert axes[i]["Q_heads"] == ("", "h", "L_q", "d_k")


def test_axes_that_do_not_fit_are_left_out():
    assert fit(("...", "L", "d"), 4) == ("", "", "L", "d")
    assert fit(("L", "d"), 2) == ("L", "d")
    assert fit(("L", "d"), 3) is None
    assert fit(("...", "L", "d"), 1) is None


def test_masked_cells_are_those_that_the_mask_forbids():
    """Scores and weights under a mask in scope; not the mask itself, nor what has other axes."""
    trace = record_example("masked_softmax").trace
    for i, step in enumerate(trace.steps):
        scope = in_scope(trace, i)
        for name, value in step.made:
            if isinstance(value, ArrayValue) and step.function == "masked_softmax":
                cells = masked_cells(scope, value)
                if name in ("a", "masked", "exps", "alpha"):
                    assert (cells == ~scope["mask"]).all()
                if name in ("mask", "top", "total"):
                    assert cells is None


def test_a_module_stands_for_its_first_pair():
    """`trace encoder_layer` and `trace positional_encoding` mean what a reader expects."""
    assert record_example("encoder_layer").name == "post_norm_encoder_layer"
    assert "positional_encoding" in {step.function for step in record_example("positional_encoding").trace.steps}


@pytest.mark.parametrize("name", traceable())
def test_everything_can_be_traced(name):
    """Each pair and each worked example: steps, complete, the gradient's error with a pair."""
    recording = record_example(name)
    assert recording.trace.steps
    assert recording.trace.complete
    assert (recording.error is not None) == (name in CASES)
