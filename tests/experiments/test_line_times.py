"""The scripts that measure and draw the signals of a line run, and their figures are ordered."""

from __future__ import annotations

import re
from pathlib import Path

from tests import nursery
from tests.signals.broker import needs_mosquitto

ROOT = Path(__file__).parents[2]
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"
"""A tiny exported model, and images for it."""


@needs_mosquitto
def test_every_wire_is_measured() -> None:
    words = ("--triggers", 6, "--rate", 20, "--deadline", "20 s")
    told = nursery.printed(ROOT / "experiments" / "line_times.py", FORMAT_1 / "exported", FORMAT_1, *words)
    rows = [line.split("|")[1:-1] for line in told.splitlines() if re.match(r"\| .*\| 6 \|", line)]
    wires = [row[0].split(",")[0].strip() for row in rows]
    assert wires == ["Modbus", "Modbus", "OPC UA", "whole line", *["20 triggers a second"] * 6]
    for row in rows:
        figures = [float(one) for one in row[-4:]]
        assert figures == sorted(figures) and figures[0] > 0
    assert "20 triggers a second, 2 busy clients: 0 of 6 reports missed the deadline of 20 s." in told


def test_the_timing_diagram_is_drawn(tmp_path: Path) -> None:
    out = tmp_path / "signals.svg"
    told = nursery.printed(
        ROOT / "experiments" / "signal_diagram.py",
        FORMAT_1 / "exported",
        FORMAT_1,
        "--out",
        out,
        "--parts",
        5,
    )
    assert "no_verdict at the deadline" in told and "<svg" in out.read_text("utf-8")
