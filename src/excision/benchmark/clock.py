"""What a training cost, also where it was stopped and gone on with: seconds and peak memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from excision.errors import ModelError
from excision.files import write_json
from excision.run_folder import read_json
from excision.usage import peak_memory_mb

CLOCK = "clock.json"

_WRITE_EVERY = 2.0  # seconds


class Clock:
    """Counts the seconds of a training, and keeps the count in a file.

    A stopped training goes on from a checkpoint, which may lie before its last step; the time is then taken
    to be that of the steps kept, at the pace measured so far, so that no step is counted twice.

    Args:
        folder: of the cell.
        identity: of the cell; the count of another one is forgotten.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._file = folder / CLOCK
        self._identity = identity
        kept = _kept(self._file, identity)
        self.finished: bool = kept.get("finished", False)
        self.seconds: float = kept.get("seconds", 0.0)
        self._step: int = kept.get("step", 0)
        self._memory: float = kept.get("peak_memory_mb", 0.0)
        self._last = self._written = time.monotonic()
        self._running = False

    @property
    def peak_memory_mb(self) -> float:
        """The largest memory of any process that worked on the cell."""
        return max(self._memory, own_peak_memory_mb())

    def start(self) -> None:
        """Forget what has passed since the last count: training begins only now."""
        if not self._running:
            self._last = time.monotonic()

    def step(self, step: int) -> None:
        """Count up to the end of a step."""
        if not self._running:
            # The first step after a stop: `step - 1` are those that the checkpoint kept.
            self.seconds *= (step - 1) / self._step if self._step else 0
            self._running = True
        self._step = step
        self.tick()
        if self._last - self._written > _WRITE_EVERY:
            self.write()

    def tick(self) -> None:
        """Count up to now."""
        now = time.monotonic()
        self.seconds += now - self._last
        self._last = now

    def finish(self) -> None:
        """Say that the training is over; its model has been written."""
        self.finished = True
        self.write()

    def write(self) -> None:
        """Keep the count."""
        self._written = time.monotonic()
        content = {
            "identity": self._identity,
            "finished": self.finished,
            "step": self._step,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
        }
        write_json(self._file, content)


def own_peak_memory_mb() -> float:
    """Peak resident memory in MiB of this program alone.

    Linux lets a new program inherit the peak of the process that started it in `getrusage`, but not here.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as stream:  # noqa: PTH123  no path, a kernel table
            peaks = [line.split()[1] for line in stream if line.startswith("VmHWM:")]
    except OSError:
        peaks = []
    return int(peaks[0]) / 2**10 if peaks else peak_memory_mb()


def _kept(file: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        content = read_json(file)
    except ModelError:
        return {}
    ours = isinstance(content, dict) and content.get("identity") == identity
    return content if ours else {}
