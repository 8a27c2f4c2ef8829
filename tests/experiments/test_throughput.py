"""The measurements of `inspect` and of the service on all cores, as short as can be, with real processes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.nursery import printed

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"


def test_every_way_to_inspect_is_compared_with_one_thread() -> None:
    shown = printed(
        EXPERIMENTS / "parts_scaling.py", FORMAT_1 / "exported", FORMAT_1, "--images", 12, "--rounds", 1
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", shown, re.MULTILINE))
    for way in ("runtime, 1 thread", "inspect, 1 at once", f"inspect, {cores} at once", f"--workers {cores}"):
        speed, _, ideal, processor = re.findall(r"[\d.]+", rows[way])[:4]
        assert float(speed) > 0 and float(processor) > 0, shown
        assert 0 < float(ideal) < 300, shown


def test_the_service_is_compared_with_all_cores_and_loses_nothing() -> None:
    options = ("--count", 16, "--rounds", 1, "--overload", 0.5)
    shown = printed(EXPERIMENTS / "load_service.py", FORMAT_1 / "exported", FORMAT_1, *options)
    assert re.search(r"processor time an image: [\d.]+ ms, of the runtime with one thread [\d.]+ ms", shown)
    assert re.search(r"(\d+) images answered, \1 results stored", shown)
    assert "stored exactly once: True" in shown
