"""Ctrl-C in a training: the step that runs is finished, and what was learned is kept."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """`with stop_on_interrupt() as stopped`: `stopped()` is True once Ctrl-C has been pressed.

    A second Ctrl-C interrupts at once, as it always does. Outside the main thread, which alone gets signals, Ctrl-C
    stays as it is.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
