"""Trials of a whole line, in their short forms: it is killed, and its signals are timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import nursery
from tests.signals.broker import needs_mosquitto

pytestmark = needs_mosquitto

ROOT = Path(__file__).parents[2]
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"
"""A tiny exported model, and images for it."""


@pytest.mark.parametrize(("script", "what"), [("kill_line.py", "line, MQTT"), ("kill_plc.py", "line, PLC")])
def test_kills_leave_no_trigger_without_a_report(script: str, what: str) -> None:
    told = nursery.printed(ROOT / "experiments" / script, FORMAT_1 / "exported", FORMAT_1, "--kills", 2)
    assert f"| {what} | 2 |" in told


def test_times_are_measured() -> None:
    words = ["--triggers", 20, "--rate", 20, "--deadline", "20 s"]
    told = nursery.printed(ROOT / "experiments" / "signal_times.py", FORMAT_1 / "exported", FORMAT_1, *words)
    assert "(webhook) | 20 |" in told
