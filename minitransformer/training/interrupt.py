"""Ctrl-C in a training: the step that runs is finished, and what was learned is kept."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Presses:
    """Of Ctrl-C, in the training that runs."""

    def __init__(self) -> None:
        self.first = False
        self.second = False
        self.updating = False  # some arrays are those of the next state already


_presses: Presses | None = None  # None: no training of the main thread runs


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """`with stop_on_interrupt() as stopped`: `stopped()` is True once Ctrl-C has been pressed.

    A second Ctrl-C interrupts at once, as it always does, but for the moment of an update, which it waits for. Outside
    the main thread, which alone gets signals, Ctrl-C stays as it is.
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
    """Until `end_update` nothing interrupts: weights, moments and counters change one after the other."""
    if _presses is not None and threading.current_thread() is threading.main_thread():
        _presses.updating = True


def end_update() -> None:
    """All of the new state is where it is saved from. Raises KeyboardInterrupt if that was waited for."""
    if _presses is None or threading.current_thread() is not threading.main_thread():
        return
    _presses.updating = False
    if _presses.second:
        _presses.second = False
        raise KeyboardInterrupt
