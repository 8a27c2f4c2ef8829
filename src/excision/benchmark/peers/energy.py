"""The energy that the processor takes, where the kernel lets one read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COUNTERS = Path("/sys/class/powercap")


@dataclass
class Spent:
    """What was measured.

    Attributes:
        joules: of one inspection, that of the whole processor; None where it cannot be read.
    """

    joules: float | None = None


class Energy:
    """Reads RAPL's counters (Intel, "Software developer's manual", volume 3B; AMD's are the same).

    They count the whole processor, all that runs on it and the rest of the machine at idle included.
    """

    def __init__(self, counters: Path = _COUNTERS) -> None:
        self._packages = sorted(counters.glob("intel-rapl:?")) if counters.is_dir() else []

    @contextmanager
    def measuring(self, count: int) -> Iterator[Spent]:
        """Measure what is done inside, divided by `count`."""
        spent, before = Spent(), self._read()
        yield spent
        after = self._read()
        if before is not None and after is not None:
            pairs = zip(before, after, self._ranges(), strict=True)
            used = sum((late - early) % (most + 1) if most else late - early for early, late, most in pairs)
            spent.joules = used / 1e6 / count

    def _read(self) -> list[int] | None:
        """Read the counters in microjoules; None where there are none, or the user may not read them."""
        try:
            return [int((each / "energy_uj").read_text()) for each in self._packages] or None
        except (OSError, ValueError):
            return None

    def _ranges(self) -> list[int]:
        """Give the largest value of each counter, after which it begins again at 0."""
        found = []
        for each in self._packages:
            try:
                found.append(int((each / "max_energy_range_uj").read_text()))
            except (OSError, ValueError):
                found.append(0)
        return found
