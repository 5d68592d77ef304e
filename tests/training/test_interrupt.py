"""Ctrl-C in a training."""

import os
import signal
import threading

import pytest

from minitransformer.training.interrupt import begin_update, end_update, stop_on_interrupt


def press():
    """Python handles a signal that a process sends itself before it goes on."""
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
        pytest.fail("goes on")


def test_the_second_waits_for_the_end_of_an_update():
    """Half of it would be kept else."""
    steps = []
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as stopped:
        press()
        begin_update()
        press()
        steps.append(stopped())
        end_update()
        steps.append("never")
    assert steps == [True]


def test_an_update_without_a_second_press_ends_as_it_began():
    """The first press is noted, before it or in it; and after it the second interrupts at once."""
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as stopped:
        begin_update()
        press()
        end_update()
        assert stopped()
        press()
        pytest.fail("goes on")


def test_what_an_update_waited_for_does_not_outlive_its_training():
    """Where it failed for another reason."""
    with pytest.raises(ZeroDivisionError), stop_on_interrupt():
        begin_update()
        press()
        press()
        raise ZeroDivisionError
    end_update()
    with stop_on_interrupt() as stopped:
        end_update()
        assert not stopped()


def test_an_update_of_another_thread_holds_nothing_off():
    """Only the main thread is interrupted, and its own updates are what it must not be interrupted in."""
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt():
        thread = threading.Thread(target=begin_update)
        thread.start()
        thread.join()
        press()
        press()
        pytest.fail("goes on")


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
