"""How much memory something takes while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_growth(run: Callable[[], object]) -> int:
    """Run something and give the bytes by which the process was larger at its largest."""
    _RESET.write_text("5")
    before = _bytes("VmRSS")
    run()
    return _bytes("VmHWM") - before


def _bytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024
