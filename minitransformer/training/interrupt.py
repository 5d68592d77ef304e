"""Ctrl-C in a training: the step that runs is finished, and what was learned is kept."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Presses:
    """The presses of Ctrl-C during the current training."""

    def __init__(self) -> None:
        self.first = False
        self.second = False
        self.updating = False  # some arrays already belong to the next state


_presses: Presses | None = None  # None: no training runs in the main thread


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """`with stop_on_interrupt() as stopped`: `stopped()` is True once Ctrl-C has been pressed.

    A second Ctrl-C interrupts at once, except during an update, for whose end it waits. Outside the main thread, the
    only one that can handle signals, Ctrl-C works as before.
    """
    global _presses
    presses = Presses()

    def note(number: int, frame: FrameType | None) -> None:
        if not presses.first:
            presses.first = True
        elif presses.updating:
            presses.second = True
        else:
            raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread
        yield lambda: False
        return
    outer, _presses = _presses, presses
    try:
        yield lambda: presses.first
    finally:
        _presses = outer
        signal.signal(signal.SIGINT, before)


def begin_update() -> None:
    """Defer Ctrl-C until `end_update`, while weights, moments and counters change one after the other."""
    if _presses is not None and threading.current_thread() is threading.main_thread():
        _presses.updating = True


def end_update() -> None:
    """The new state is complete. Raises the KeyboardInterrupt that was deferred, if any."""
    if _presses is None or threading.current_thread() is not threading.main_thread():
        return
    _presses.updating = False
    if _presses.second:
        _presses.second = False
        raise KeyboardInterrupt
