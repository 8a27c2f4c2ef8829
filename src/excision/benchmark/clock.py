"""The cost of a training, across interruptions: seconds and peak memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from excision.benchmark.plan import stored_identity
from excision.errors import ModelError
from excision.method.run_folder import read_json
from excision.system.files import write_json
from excision.system.usage import own_peak_memory_mb

CLOCK = "clock.json"

_WRITE_EVERY = 2.0  # seconds


@dataclass(slots=True)
class _Part:
    step: int = 0
    seconds: float = 0.0


class Clock:
    """Counts the seconds of a training, and stores the count in a file.

    A training may have several parts, each with its own steps. An interrupted training continues from a
    checkpoint, which may be before its last step; the time of a part is then estimated for the steps up to
    the checkpoint, at the pace measured so far, so that no step is counted twice.

    Args:
        folder: folder of the cell.
        identity: identity of the cell; a stored count of a different cell is discarded.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._file = folder / CLOCK
        self._identity = identity
        kept = _kept(self._file, identity)
        self.finished: bool = kept.get("finished", False)
        self._parts: dict[str, _Part] = {name: _Part(*part) for name, part in kept.get("parts", {}).items()}
        self._memory: float = kept.get("peak_memory_mb", 0.0)
        self._last = self._written = time.monotonic()
        self._begun: set[str] = set()

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return sum(part.seconds for part in self._parts.values())

    @property
    def peak_memory_mb(self) -> float:
        """Largest peak memory in MiB of the processes that worked on the cell."""
        return max(self._memory, own_peak_memory_mb())

    def reset(self) -> None:
        """Reset the count, since training starts again from the beginning."""
        self._parts.clear()
        self._begun.clear()

    def start(self) -> None:
        """Start counting now; the time since the last count is ignored."""
        self._last = time.monotonic()

    def step(self, step: int, part: str = "training") -> None:
        """Count up to the end of a step of a part."""
        count = self._parts.setdefault(part, _Part())
        if part not in self._begun:
            # The first step after an interruption: the checkpoint holds the `step - 1` steps before it.
            count.seconds *= (step - 1) / count.step if count.step else 0
            self._begun.add(part)
        count.step = step
        self.tick(part)
        if self._last - self._written > _WRITE_EVERY:
            self.write()

    def tick(self, part: str = "training") -> None:
        """Count up to now."""
        now = time.monotonic()
        self._parts.setdefault(part, _Part()).seconds += now - self._last
        self._last = now

    def finish(self) -> None:
        """Mark the training as finished, after the model has been written."""
        self.finished = True
        self.write()

    def write(self) -> None:
        """Write the count to the file."""
        self._written = time.monotonic()
        content = {
            "identity": self._identity,
            "finished": self.finished,
            "parts": {name: [part.step, part.seconds] for name, part in self._parts.items()},
            "peak_memory_mb": self.peak_memory_mb,
        }
        write_json(self._file, content)


def _kept(file: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        content = read_json(file)
    except ModelError:
        return {}
    ours = isinstance(content, dict) and stored_identity(content) == identity
    return content if ours else {}
