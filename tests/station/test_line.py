"""Trials of a whole line that is killed again and again, in their short forms."""

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
