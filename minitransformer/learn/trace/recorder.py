"""The recorder: runs a function and keeps every step of the library's code, with what each line read and made.

Python reports events (a function starts, a line is about to run, a function returns) to `sys.settrace` and, from 3.12
on, to `sys.monitoring`, which is faster. Both are turned into the same steps here. The code itself runs unmodified, and
its results are the same to the last bit: the recorder copies, and never touches.
"""

import contextlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from minitransformer.learn.trace.source import SourceFile, Statement, read_source
from minitransformer.learn.trace.values import Value, digest, snapshot

PACKAGE = Path(__file__).parents[2]
TRACED = ("equations", "layers", "models", "decoding")  # what is mathematics: no argument checks, no machinery
PLUMBING = ("rows.py",)  # a sum is one operation to the reader, however BLAS is made to take it
MOST_STEPS = 20_000

Named = tuple[tuple[str, Value], ...]


class Step(NamedTuple):
    """One executed statement, or the call of a function."""

    frame: int  # which call this step belongs to
    function: str
    start: int  # the function's first line
    file: str
    depth: int  # 0: called from outside the traced code
    first: int  # line
    last: int
    kind: str  # "call", "statement", "return", or "error" for a statement that raised an exception
    made: Named  # what it assigned; for a call the arguments, for a return the value, named "return"
    read: Named  # arrays and trees that it read, as they were before it ran
    changed: tuple[str, ...]  # names among `made` whose arrays were changed in place
    call_site: tuple[int, int, int, int] | None  # of a call: the calling expression's lines and columns


class Trace(NamedTuple):
    steps: tuple[Step, ...]
    mates: dict[int, int]  # from the frame of a backward to that of the forward whose cache it got
    result: Any  # what the function returned
    complete: bool  # False: MOST_STEPS were reached, and what came after them is missing


def record(function: Callable[[], Any], files: tuple[str, ...] = (), backend: str = "auto") -> Trace:
    """Run `function()` and record the steps of the library's mathematics, and of `files` besides.

    backend: "settrace", "monitoring" (Python 3.12 or later), or "auto": monitoring where there is one.

    Raises RuntimeError where another tracer (a debugger, a coverage tool) is active, for only one can be.
    """
    recorder = Recorder(files)
    with listening(recorder, backend):
        result = function()
    return Trace(tuple(recorder.steps), recorder.mates, result, recorder.complete)


PREPARATION = ("init_", "prepare_")  # how functions begin that make what a formula starts from


def prepares(frame: FrameType | None) -> bool:
    """Whether this call, or one around it, only makes ready: random weights, what came before the step of interest."""
    while frame is not None:
        if frame.f_code.co_name.startswith(PREPARATION):
            return True
        frame = frame.f_back
    return False


class Pending(NamedTuple):
    """A statement that has begun, and will be a step once it is known what it made."""

    statement: Statement
    instruction: int  # at which it began
    read: Named


class Call:
    """A running call of a traced function."""

    def __init__(self, number: int, name: str, depth: int, source: SourceFile):
        self.number = number
        self.name = name
        self.depth = depth
        self.source = source
        self.pending: Pending | None = None
        self.digests: dict[str, tuple[int, bytes]] = {}  # of local arrays: identity, and digest of the numbers
        self.entered: set[int] = set()  # lines of `with` statements that have been entered
        self.raised = False


class Recorder:
    def __init__(self, files: tuple[str, ...]):
        self.files = files
        self.steps: list[Step] = []
        self.mates: dict[int, int] = {}
        self.complete = True
        self.calls: dict[FrameType, Call] = {}
        self.n_calls = 0
        self.makers: dict[int, int] = {}  # from the identity of a cache to the frame that returned it
        self.kept: list[Any] = []  # caches, kept alive so that their identities stay theirs

    def wants(self, code: CodeType) -> bool:
        """Functions of the traced files; no lambdas, comprehensions or generators, which are part of a line, no
        methods of Python's own, such as those that check an object when it is made, and none that only checks."""
        if code.co_name.startswith(("<", "__", "check")) or code.co_flags & inspect.CO_GENERATOR:
            return False
        path = Path(code.co_filename)
        mathematics = path.parent.parent == PACKAGE and path.parent.name in TRACED and path.name not in PLUMBING
        return mathematics or code.co_filename in self.files

    def start(self, frame: FrameType) -> bool:
        """A function starts. -> whether its lines are of interest"""
        if not self.wants(frame.f_code):
            return False
        if prepares(frame):
            return False
        if len(self.steps) >= MOST_STEPS:
            self.complete = False
            return False
        code = frame.f_code
        caller = self.calls.get(frame.f_back)
        call = Call(self.n_calls, code.co_name, self.depth_of(frame), read_source(code.co_filename))
        self.n_calls += 1
        self.calls[frame] = call
        arguments = [name for name in inspect.getargvalues(frame).args if name in frame.f_locals]
        self.find_mate(call, [frame.f_locals[name] for name in arguments])
        self.changed_arrays(call, frame.f_locals)
        line = code.co_firstlineno
        made = tuple((name, snapshot(frame.f_locals[name])) for name in arguments)
        site = position(frame.f_back) if caller else None
        self.add(call, frame, (line, line), "call", made, (), (), site)
        return True

    def depth_of(self, frame: FrameType) -> int:
        """How many traced calls are around this one."""
        depth, outer = 0, frame.f_back
        while outer is not None:
            depth += outer in self.calls
            outer = outer.f_back
        return depth

    def find_mate(self, call: Call, arguments: list[Any]) -> None:
        """A backward's forward is the one that returned this very cache."""
        if call.name.endswith("_backward"):
            mates = [self.makers[id(argument)] for argument in arguments if id(argument) in self.makers]
            if mates:
                self.mates[call.number] = mates[-1]

    def line(self, frame: FrameType, number: int) -> None:
        """A line is about to run: the statement before it is over."""
        call = self.calls.get(frame)
        if call is None:
            return
        statement = call.source.statements.get(number)
        pending = call.pending
        if pending and pending.statement == statement and frame.f_lasti > pending.instruction:
            return  # another line of one statement
        self.finish(frame, call, next_line=number)
        if statement is not None:
            read = tuple(arrays_read(statement.reads, frame.f_locals))
            call.pending = Pending(statement, frame.f_lasti, read)

    def finish(
        self, frame: FrameType, call: Call, kind: str = "statement", made: Named = (), next_line: int | None = None
    ) -> None:
        """The pending statement becomes a step, unless it was only a loop's or a block's header, visited at its end."""
        pending, call.pending = call.pending, None
        if pending is None or is_revisited(pending.statement, call, next_line):
            return
        if pending.statement.kind == "Check" and kind != "error":
            return
        statement = pending.statement
        assigned = tuple(
            (name, snapshot(value))
            for name in statement.targets
            for value in look_up(name, frame.f_locals)
            if name != "_"
        )
        changed = [name for name in self.changed_arrays(call, frame.f_locals) if name not in statement.targets]
        also = tuple((name, snapshot(frame.f_locals[name])) for name in changed)
        lines = (statement.first, statement.last)
        self.add(call, frame, lines, kind, assigned + made + also, pending.read, tuple(changed))

    def changed_arrays(self, call: Call, local: dict[str, Any]) -> list[str]:
        """Names of arrays that are the same objects as at the last step and hold other numbers."""
        changed = []
        for name, value in local.items():
            if isinstance(value, np.ndarray):
                now = (id(value), digest(value))
                before = call.digests.get(name, now)
                if before[0] == now[0] and before[1] != now[1]:
                    changed.append(name)
                call.digests[name] = now
        return changed

    def end(self, frame: FrameType, result: Any, error: bool = False) -> None:
        """A function returns, or an exception leaves it."""
        call = self.calls.pop(frame, None)
        if call is None:
            return
        returns = call.pending is not None and call.pending.statement.kind == "Return" and not error
        made = named_results(result) if returns else ()
        self.finish(frame, call, "error" if error else "return" if returns else "statement", made)
        cache = result[-1] if isinstance(result, tuple) and result else None
        if cache is not None:
            self.makers[id(cache)] = call.number
            self.kept.append(cache)

    def add(
        self,
        call: Call,
        frame: FrameType,
        lines: tuple[int, int],
        kind: str,
        made: Named,
        read: Named,
        changed: tuple[str, ...],
        site: tuple[int, int, int, int] | None = None,
    ) -> None:
        code = frame.f_code
        self.steps.append(
            Step(
                call.number,
                call.name,
                code.co_firstlineno,
                code.co_filename,
                call.depth,
                *lines,
                kind,
                made,
                read,
                changed,
                site,
            )
        )


def is_revisited(statement: Statement, call: Call, next_line: int | None) -> bool:
    """A `for` whose items are used up, or a `with` that is left, assigns nothing: that is no step."""
    if statement.kind == "For":
        return next_line is None or not statement.body[0] <= next_line <= statement.body[1]
    if statement.kind == "With":
        again = statement.first in call.entered
        call.entered ^= {statement.first}
        return again
    return False


def named_results(result: Any) -> Named:
    """What was returned: `return`, or `return[0]`, `return[1]`, ... of a tuple that has no name."""
    if type(result) is tuple:
        return tuple((f"return[{i}]", snapshot(part)) for i, part in enumerate(result))
    return (("return", snapshot(result)),)


def arrays_read(names: tuple[str, ...], local: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """Arrays and trees by the names that the line has for them: `cache.K` of `cache.K.mT`, `weights` of `weights`."""
    values = {}
    for chain in names:
        parts = chain.split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            value = next(look_up(name, local), None)
            is_last = length == len(parts)
            if isinstance(value, np.ndarray) or (is_last and isinstance(value, tuple) and value):
                values.setdefault(name, value)
                break
    for name, value in values.items():
        yield name, snapshot(value)


def look_up(name: str, local: dict[str, Any]) -> Iterator[Any]:
    """The value of a name or of a chain of fields, if there is one; nothing is called on the way."""
    first, *fields = name.split(".")
    if first not in local:
        return
    value = local[first]
    for field in fields:
        if field not in getattr(value, "_fields", ()):
            return
        value = getattr(value, field)
    yield value


def position(frame: FrameType) -> tuple[int, int, int, int] | None:
    """First line, last line, first and last column of the expression that is being evaluated."""
    at = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
    return at if at and None not in at else None


def listening(recorder: Recorder, backend: str) -> contextlib.AbstractContextManager:
    """While this is active, the recorder hears what runs."""
    has_monitoring = sys.version_info >= (3, 12)
    if backend not in ("auto", "settrace", "monitoring"):
        raise ValueError(f"backend: got {backend!r}, expected 'auto', 'settrace' or 'monitoring'")
    if backend == "monitoring" and not has_monitoring:
        raise ValueError("backend: got 'monitoring', expected 'settrace' or 'auto' before Python 3.12")
    use_monitoring = has_monitoring and backend != "settrace"
    return monitoring(recorder) if use_monitoring else settrace(recorder)


@contextlib.contextmanager
def settrace(recorder: Recorder) -> Iterator[None]:
    if sys.gettrace() is not None:
        raise RuntimeError("trace: another tracer is active (a debugger or a coverage tool), expected none")

    def on_start(frame: FrameType, event: str, _: Any) -> Callable | None:
        return on_event if event == "call" and recorder.start(frame) else None

    def on_event(frame: FrameType, event: str, argument: Any) -> Callable:
        call = recorder.calls.get(frame)
        if event == "line":
            if call is not None:
                call.raised = False
            recorder.line(frame, frame.f_lineno)
        elif event == "exception" and call is not None:
            call.raised = True
        elif event == "return":
            recorder.end(frame, argument, error=argument is None and call is not None and call.raised)
        return on_event

    sys.settrace(on_start)
    try:
        yield
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def monitoring(recorder: Recorder) -> Iterator[None]:
    monitor = sys.monitoring
    events = monitor.events
    if sys.gettrace() is not None or monitor.get_tool(monitor.DEBUGGER_ID) is not None:
        raise RuntimeError("trace: another tracer is active (a debugger or a coverage tool), expected none")
    tool = monitor.DEBUGGER_ID
    codes = set()

    def on_start(code: CodeType, _: int) -> Any:
        if not recorder.wants(code):
            return monitor.DISABLE
        if recorder.start(sys._getframe(1)):
            codes.add(code)
            monitor.set_local_events(tool, code, events.LINE | events.PY_RETURN)
        return None

    def on_line(_: CodeType, number: int) -> None:
        recorder.line(sys._getframe(1), number)

    def on_return(_: CodeType, __: int, result: Any) -> None:
        recorder.end(sys._getframe(1), result)

    def on_unwind(_: CodeType, __: int, ___: BaseException) -> None:
        recorder.end(sys._getframe(1), None, error=True)

    monitor.use_tool_id(tool, "minitransformer trace")
    callbacks = {
        events.PY_START: on_start,
        events.LINE: on_line,
        events.PY_RETURN: on_return,
        events.PY_UNWIND: on_unwind,
    }
    for event, callback in callbacks.items():
        monitor.register_callback(tool, event, callback)
    monitor.set_events(tool, events.PY_START | events.PY_UNWIND)
    monitor.restart_events()
    try:
        yield
    finally:
        monitor.set_events(tool, 0)
        for code in codes:
            monitor.set_local_events(tool, code, 0)
        for event in callbacks:
            monitor.register_callback(tool, event, None)
        monitor.free_tool_id(tool)
