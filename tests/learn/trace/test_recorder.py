"""The recorder: every executed line once, its values as they were, and the code undisturbed."""

import sys

import awkward
import numpy as np
import pytest
from assertions import refuses

from minitransformer.learn.trace import recorder
from minitransformer.learn.trace.examples import forward_and_backward, record_example, traceable
from minitransformer.learn.trace.recorder import record
from minitransformer.learn.trace.source import read_source
from minitransformer.learn.trace.values import ArrayValue, PlainValue, TreeValue
from minitransformer.tree import leaves
from minitransformer.verify.cases import CASES

A = np.array([[1.0, -2.0], [3.0, 4.0]])
BACKENDS = ["settrace", "monitoring"] if sys.version_info >= (3, 12) else ["settrace"]
both_backends = pytest.mark.parametrize("backend", BACKENDS)


def trace(function, *args, backend="auto"):
    return record(lambda: function(*args), files=(awkward.__file__,), backend=backend)


def lines(recorded):
    """What each step executed, as text."""
    return [read_source(step.file).lines[step.first - 1].strip() for step in recorded.steps]


def made(step):
    return {name: value.numbers.tolist() if isinstance(value, ArrayValue) else value for name, value in step.made}


def essence(recorded):
    """Everything that a step is, comparable."""

    def comparable(value):
        if isinstance(value, ArrayValue):
            return value._replace(numbers=(value.numbers.tobytes(), value.numbers.shape))
        if isinstance(value, TreeValue):
            return value._replace(arrays=tuple((path, comparable(array)) for path, array in value.arrays))
        return value

    def named(values):
        return [(name, comparable(value)) for name, value in values]

    return [step._replace(made=named(step.made), read=named(step.read)) for step in recorded.steps]


@both_backends
@pytest.mark.parametrize("name", CASES)
def test_traced_results_are_bit_identical(name, backend):
    """The recorder copies and never touches."""
    plain, traced = forward_and_backward(name, 0)(), record(forward_and_backward(name, 0), backend=backend)
    assert traced.steps
    for a, b in zip(leaves(plain), leaves(traced.result), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("name", traceable())
def test_both_back_ends_give_the_same_steps(name):
    """sys.settrace and sys.monitoring see the same lines with the same values."""
    if len(BACKENDS) == 1:
        pytest.skip("sys.monitoring is there from Python 3.12 on")
    first, second = (record_example(name, backend=backend).trace for backend in BACKENDS)
    assert essence(first) == essence(second)
    assert first.mates == second.mates


@pytest.mark.parametrize("name", traceable())
def test_a_trace_is_the_same_each_time(name):
    assert essence(record_example(name).trace) == essence(record_example(name).trace)


@both_backends
def test_an_assignment_of_equal_numbers_is_a_step(backend):
    """Not differences are recorded but assignments: `a * 1` makes b."""
    call, statement, result = trace(awkward.same_numbers, A, backend=backend).steps
    assert (call.kind, statement.kind, result.kind) == ("call", "statement", "return")
    assert made(call) == {"a": A.tolist()}
    assert made(statement) == {"b": A.tolist()}
    assert [name for name, _ in statement.read] == ["a"]
    assert made(result) == {"return": A.tolist()}


@both_backends
def test_arrays_changed_in_place_or_through_a_view_are_seen(backend):
    """`view[:] = 7` changes a, and so does `out=a`; each step shows the numbers as they were after it."""
    _, view, through_view, out, item, _ = trace(awkward.in_place, A.copy(), backend=backend).steps
    assert view.changed == ()
    assert through_view.changed == ("a",)
    assert made(through_view) == {"view": [7, 7], "a": [[7, 7], [3, 4]]}
    assert set(out.changed) == {"a", "view"}
    assert made(out)["a"] == [[8, 8], [4, 5]]
    assert made(item) == {"a": [[8, 8], [99, 5]]}


@both_backends
def test_what_a_line_read_is_as_it_was_before(backend):
    """A copy, taken before the line changed it."""
    steps = trace(awkward.in_place, A.copy(), backend=backend).steps
    assert dict(steps[3].read)["a"].numbers.tolist() == [[7, 7], [3, 4]]


@both_backends
def test_a_statement_over_several_lines_is_one_step(backend):
    recorded = trace(awkward.multiline, A, backend=backend)
    assert [step.kind for step in recorded.steps] == ["call", "statement", "return"]
    assert recorded.steps[1].last - recorded.steps[1].first == 6


@both_backends
def test_headers_visited_at_their_end_are_no_steps(backend):
    """A loop's header is a step for each item, a `with` one when it is entered."""
    recorded = trace(awkward.loops, [10, 20], backend=backend)
    assert lines(recorded)[1:] == [
        "total = 0",
        "for x in xs:",
        "total = total + x",
        "for x in xs:",
        "total = total + x",
        "with contextlib.nullcontext(total) as t:",
        "u = t + 1",
        "return u",
    ]
    assert [made(step) for step in recorded.steps[2:4]] == [
        {"x": PlainValue("10", 10.0)},
        {"total": PlainValue("10", 10.0)},
    ]


@both_backends
def test_comprehensions_lambdas_and_generators_are_part_of_their_line(backend):
    recorded = trace(awkward.inner_frames, A, backend=backend)
    assert len(recorded.steps) == 5
    assert {step.function for step in recorded.steps} == {"inner_frames"}


@both_backends
def test_decorated_functions_are_found_by_their_file(backend):
    """The call of the function behind the wrapper stands in it."""
    recorded = trace(awkward.decorated, A, backend=backend)
    assert [(step.function, step.depth) for step in recorded.steps if step.kind == "call"] == [
        ("wrapper", 0),
        ("decorated", 1),
    ]


@both_backends
def test_an_exception_ends_its_line_with_an_error(backend):
    """The line that raised made nothing; the caller that catches it goes on."""
    recorded = trace(awkward.catches, A, backend=backend)
    kinds = [(step.function, step.kind) for step in recorded.steps]
    assert ("raises", "error") in kinds
    assert ("raises", "return") not in kinds
    assert kinds[-1] == ("catches", "return")
    error = next(step for step in recorded.steps if step.kind == "error")
    assert error.made == ()
    assert made(recorded.steps[-1]) == {"return": PlainValue("None")}


@both_backends
def test_recursion_has_a_depth_and_a_frame_for_each_call(backend):
    recorded = trace(awkward.recursive, 2, backend=backend)
    calls = [step for step in recorded.steps if step.kind == "call"]
    assert [step.depth for step in calls] == [0, 1, 2]
    assert len({step.frame for step in calls}) == 3


@both_backends
def test_unpacking_assigns_each_name(backend):
    recorded = trace(awkward.unpacks, ((1, 2, 3), 4), backend=backend)
    assert [name for name, _ in recorded.steps[1].made] == ["first", "rest", "last"]


@both_backends
def test_the_call_within_a_line_is_known(backend):
    """Two calls on one line stand at different columns."""
    calls = [step for step in trace(awkward.two_calls, A, backend=backend).steps if step.function == "same_numbers"]
    sites = [step.call_site for step in calls if step.kind == "call"]
    text = read_source(awkward.__file__).lines[sites[0][0] - 1]
    assert [text[site[2] : site[3]] for site in sites] == ["same_numbers(a)", "same_numbers(a + 1)"]


@both_backends
def test_the_rest_of_a_very_long_run_is_left_out_and_said_to_be(backend, monkeypatch):
    monkeypatch.setattr(recorder, "MOST_STEPS", 50)
    recorded = record(lambda: [awkward.same_numbers(A) for _ in range(100)], (awkward.__file__,), backend)
    assert len(recorded.steps) < 60
    assert not recorded.complete
    assert trace(awkward.same_numbers, A).complete


@both_backends
def test_only_the_librarys_mathematics_is_traced(backend):
    """No argument checks, no tests, and nothing of NumPy."""
    recorded = record(forward_and_backward("attention", 0), backend=backend)
    assert {step.file.rsplit("/", 2)[-2] for step in recorded.steps} <= {"equations", "layers"}


@both_backends
def test_a_backward_is_linked_to_its_forward_by_its_cache(backend):
    """Not by its name alone: of two forwards, the second backward here belongs to the first."""

    def run():
        case = CASES["softmax"](np.random.default_rng(0))
        y1, cache1 = case.forward(*case.inputs)
        y2, cache2 = case.forward(*case.inputs)
        case.backward(y2, cache2)
        case.backward(y1, cache1)

    recorded = record(run, backend=backend)
    frames = [step.frame for step in recorded.steps if step.kind == "call"]
    assert recorded.mates == {frames[2]: frames[1], frames[3]: frames[0]}


def test_another_tracer_is_refused():
    """Clearly, and without disturbing it."""

    def other(*_):
        return None

    before = sys.gettrace()
    sys.settrace(other)
    try:
        for backend in BACKENDS:
            with refuses(
                RuntimeError, "trace: another tracer is active (a debugger or a coverage tool), expected none"
            ):
                trace(awkward.same_numbers, A, backend=backend)
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)


def test_tracing_ends_with_the_run():
    """Also after an exception."""
    for backend in BACKENDS:
        with pytest.raises(ValueError, match="matmul"):
            trace(awkward.raises, A, backend=backend)
        assert sys.gettrace() is None
        assert trace(awkward.same_numbers, A, backend=backend).steps


def test_an_unknown_back_end_is_refused():
    with refuses(ValueError, "backend: got 'ptrace', expected 'auto', 'settrace' or 'monitoring'"):
        record(lambda: None, backend="ptrace")
    if sys.version_info < (3, 12):
        with refuses(ValueError, "backend: got 'monitoring', expected 'settrace' or 'auto' before Python 3.12"):
            record(lambda: None, backend="monitoring")


def test_large_arrays_are_kept_in_part():
    """Their shape, the range of their numbers, and a corner."""
    large = np.arange(30_000.0).reshape(3, 100, 100)
    call = trace(awkward.same_numbers, large).steps[0]
    ((_, value),) = call.made
    assert (value.shape, value.whole, value.greatest) == ((3, 100, 100), False, 29_999.0)
    assert value.numbers.shape == (1, 8, 8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_only_makes_ready_is_not_recorded(backend):
    """No random weights, and nothing of the words before the one of interest: its own step is all there is."""
    steps = record_example("decoding_step", backend=backend).trace.steps
    functions = {step.function for step in steps}
    assert "decode_step" in functions
    assert not any(name.startswith(("init_", "prepare_")) for name in functions)
    assert not functions & {"transformer", "prefill", "encoder"}
