"""Ctrl-C in a training."""

import os
import signal
import threading

import pytest

from minitransformer.training.interrupt import stop_on_interrupt


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_press_is_noted():
    """What runs goes on."""
    with stop_on_interrupt() as stopped:
        assert not stopped()
        press()
        assert stopped()


def test_the_second_interrupts():
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt():
        press()
        press()
        signal.pause()


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with stop_on_interrupt():
        press()
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_changed():
    """Only the main thread gets signals."""
    seen = []

    def work():
        with stop_on_interrupt() as stopped:
            seen.append(stopped())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
