"""Train once and print the time of each stage, and the highest memory in it.

    python experiments/training_stages.py DATA [--out RUN] [--steps 1000] [--tuning 3000]
    python experiments/training_stages.py --demo [--out DEMO]    # excision demo as a whole

Processor time is that of all threads, so that it depends less than wall-clock time on what else the machine
does. Batches are drawn in a thread of their own: the time of a stage that trains includes it. Memory is the
resident memory of the process, asked a hundred times a second; only Linux tells it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from excision import Settings
from excision.cli import demo
from excision.progress import Bars
from excision.settings import AttentionSettings, TrainingSettings
from excision.system.usage import own_peak_memory_mb
from excision.system.waiting import wait_asleep

_EVERY = 0.01  # seconds between two looks at the memory


@dataclass
class _Cost:
    wall: float = 0.0
    processor: float = 0.0
    memory: float = 0.0


class Stages:
    """Adds up the time between reports, by stage, and keeps the highest memory of each."""

    def __init__(self) -> None:
        self.costs: dict[str, _Cost] = {}
        self._stage, self._since = "start", (time.perf_counter(), time.process_time())

    def reach(self, stage: str) -> None:
        """Say that the stage has begun or goes on."""
        now = time.perf_counter(), time.process_time()
        cost = self.costs.setdefault(self._stage, _Cost())
        cost.wall += now[0] - self._since[0]
        cost.processor += now[1] - self._since[1]
        cost.memory = max(cost.memory, _resident_mb())
        self._stage, self._since = stage, now

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the memory during a block."""
        end = threading.Event()

        def look() -> None:
            while not end.wait(_EVERY):
                cost = self.costs.setdefault(self._stage, _Cost())
                cost.memory = max(cost.memory, _resident_mb())

        threading.Thread(target=look, daemon=True).start()
        try:
            yield
        finally:
            end.set()
            self.reach("end")

    def print(self) -> None:
        """Print the table."""
        total = sum(cost.processor for cost in self.costs.values())
        print("| stage | wall clock, s | processor time, s | share | memory, MB |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for stage, cost in self.costs.items():
            share = f"{cost.processor / total:.0%}"
            print(f"| {stage} | {cost.wall:.1f} | {cost.processor:.1f} | {share} | {cost.memory:.0f} |")
        wall = sum(cost.wall for cost in self.costs.values())
        print(f"| all | {wall:.1f} | {total:.1f} | | {own_peak_memory_mb():.0f} |")


def _resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _demonstrate(out: Path, stages: Stages) -> None:
    """Run the demonstration, and reach each stage that it shows."""

    class Shown(Bars):
        def stage(self, what: str, done: int, total: int, figures: str = "") -> None:
            stages.reach("recovery" if what == "training" else what)
            super().stage(what, done, total, figures)

    with patch.object(demo, "Bars", Shown):
        demo.demo(out=out)


def main(words: Sequence[str] | None = None) -> Stages:
    """Train, print the table, and return what it shows."""
    # Before torch is imported, as the command line does.
    wait_asleep()
    from excision import Detector, load_dataset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--demo", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=TrainingSettings().steps)
    parser.add_argument("--tuning", type=int, default=AttentionSettings().tuning)
    chosen = parser.parse_args(words)
    if chosen.demo == (chosen.data is not None):
        parser.error("give either DATA or --demo")
    settings = Settings(
        attention=AttentionSettings(tuning=chosen.tuning), training=TrainingSettings(steps=chosen.steps)
    )
    stages = Stages()
    with tempfile.TemporaryDirectory() as scratch, stages.watched():
        out = chosen.out or Path(scratch) / "run"
        if chosen.demo:
            _demonstrate(out, stages)
        else:
            Detector(settings, device="cpu").fit(
                load_dataset(chosen.data),
                out,
                progress=lambda *_: stages.reach("recovery"),
                stage=lambda stage, *_: stages.reach(stage),
            )
    stages.print()
    return stages


if __name__ == "__main__":
    main()
