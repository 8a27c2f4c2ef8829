"""What several kinds of signals share: a loop in a thread of its own, and the look at a port."""

from __future__ import annotations

import asyncio
import threading

import pytest

from excision.signals.event_loop import LoopThread
from excision.signals.listening import check_port
from excision.signals.signal import SignalError


def test_who_waits_while_the_loop_is_closed_gets_an_error_of_signals() -> None:
    thread = LoopThread("signals.plc")

    async def wait() -> None:
        threading.Thread(target=thread.close).start()
        await asyncio.sleep(60)

    with pytest.raises(SignalError, match=r"signals\.plc: was closed"):
        thread.run(wait(), 60)
    with pytest.raises(SignalError, match=r"signals\.plc: is closed"):
        thread.run(asyncio.sleep(0), 60)


def test_a_name_that_cannot_be_looked_up_is_said() -> None:
    with pytest.raises(SignalError, match=r"x{70}:502: this is no name of a machine"):
        check_port("x" * 70, 502)  # a part of a name has 63 letters at most
