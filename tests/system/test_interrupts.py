"""Ctrl-C, held back until the work is whole."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from excision.system.interrupts import deferred_interrupt


@pytest.fixture(autouse=True)
def usual_handler() -> Iterator[None]:
    """Whatever the test runner does with Ctrl-C, these tests start from Python's own handling."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_is_held_back_until_the_block_looks() -> None:
    with pytest.raises(KeyboardInterrupt), deferred_interrupt() as interrupt:
        assert not interrupt.asked
        press()
        assert interrupt.asked
        raise KeyboardInterrupt


def test_one_that_the_block_never_looked_at_comes_at_its_end() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        done = True
    assert done


def test_the_second_interrupts_at_once() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        press()
        press()
        done = True
    assert not done


def test_an_error_of_the_block_wins() -> None:
    with pytest.raises(RuntimeError), deferred_interrupt():
        press()
        raise RuntimeError


def test_other_threads_leave_the_handling_alone() -> None:
    seen = []

    def work() -> None:
        with deferred_interrupt() as interrupt:
            seen.append((interrupt.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]


def test_a_program_that_handles_it_by_itself_keeps_its_handling() -> None:
    calls = []
    signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    with deferred_interrupt() as interrupt:
        press()
        assert calls == [1] and not interrupt.asked
    signal.signal(signal.SIGINT, signal.default_int_handler)
