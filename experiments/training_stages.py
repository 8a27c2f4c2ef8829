"""Train once and print the processor time of each stage, and the peak memory at its end.

    python experiments/training_stages.py DATA [--out RUN] [--steps 1000] [--tuning 3000]

Processor time is that of all threads, so that it hardly depends on what else the machine does. Batches are
drawn in a thread of their own: the time of a stage that trains includes it. Memory is the peak resident
memory of the process, which never falls.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from excision import Detector, Settings, load_dataset
from excision.settings import AttentionSettings, TrainingSettings
from excision.system.usage import own_peak_memory_mb


class Stages:
    """Adds up the processor time between reports, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}
        self._stage, self._since = "reading", time.process_time()

    def reach(self, stage: str) -> None:
        """Say that the stage has begun or goes on."""
        now = time.process_time()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self.memory[self._stage] = own_peak_memory_mb()
        self._stage, self._since = stage, now


def main(words: Sequence[str] | None = None) -> Stages:
    """Train, print the table, and return what it shows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=TrainingSettings().steps)
    parser.add_argument("--tuning", type=int, default=AttentionSettings().tuning)
    chosen = parser.parse_args(words)
    settings = Settings(
        attention=AttentionSettings(tuning=chosen.tuning), training=TrainingSettings(steps=chosen.steps)
    )
    start, stages = own_peak_memory_mb(), Stages()
    with tempfile.TemporaryDirectory() as scratch:
        Detector(settings, device="cpu").fit(
            load_dataset(chosen.data),
            chosen.out or Path(scratch) / "run",
            progress=lambda *_: stages.reach("recovery"),
            stage=lambda stage, *_: stages.reach(stage),
        )
    stages.reach("end")
    print("| stage | processor time, s | share | peak memory, MB |\n| --- | ---: | ---: | ---: |")
    print(f"| imports | | | {start:.0f} |")
    total = sum(stages.seconds.values())
    for stage, seconds in stages.seconds.items():
        print(f"| {stage} | {seconds:.1f} | {seconds / total:.0%} | {stages.memory[stage]:.0f} |")
    print(f"| all | {total:.1f} | | {max(stages.memory.values()):.0f} |")
    return stages


if __name__ == "__main__":
    main()
