"""Work in a thread of its own."""

from __future__ import annotations

import threading

import pytest

from excision.system.aside import begin_aside


def test_the_work_goes_on_while_the_caller_does_something_else() -> None:
    told = threading.Event()
    future = begin_aside(lambda: (told.wait(10), threading.get_ident()))
    assert not future.done()
    told.set()
    heard, thread = future.result(10)
    assert heard
    assert thread != threading.get_ident()


def test_what_the_work_raises_is_raised_where_its_result_is_asked_for() -> None:
    def fails() -> None:
        raise ValueError("broken")

    future = begin_aside(fails)
    with pytest.raises(ValueError, match="broken"):
        future.result(10)
