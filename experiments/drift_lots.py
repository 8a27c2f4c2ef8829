"""What the drift monitor does when good parts come in lots that differ as calibration groups do: simulated.

    python experiments/drift_lots.py [--runs 20] [--parts 100000]
    python experiments/drift_lots.py --short

Three statistics of parts are normal with standard deviation 1 around the level of their lot; levels are
normal with standard deviation 1, too. The monitor knows the medians of a number of calibration groups of 20
parts, each from a lot of its own. Told are the false warnings in a stream of lots of 500 or 2,000 parts (mean
of all runs, each warning accepted), for the default monitor and for one that expects lots
(`DriftSettings.lots`);
the share of lots of which a level lies beyond the accepted range of the groups, whatever the monitor does;
and the parts until the warning when all parts rise by 0.5 standard deviations every 100 parts (median of all
runs).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

from excision.inspection.drift import SCORE, DriftMonitor, DriftSettings

NAMES = (SCORE, "brightness", "sharpness")
GROUPS, LENGTHS = (5, 10, 20, 50), (500, 2000)
MONITORS = {"default": DriftSettings(), "lots": DriftSettings(lots=True)}
_IN_GROUP = 20
_CREEP, _BEFORE = 0.5 / 100, 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--parts", type=int, default=100_000)
    parser.add_argument("--short", action="store_true")
    arguments = parser.parse_args()
    runs, parts = (2, 20_000) if arguments.short else (arguments.runs, arguments.parts)
    print(f"| known groups | lots of | monitor | false warnings in {parts:,} parts | lots beyond | until |")
    print("| --- | --- | --- | --- | --- | --- |")
    for groups in (20,) if arguments.short else GROUPS:
        for length in LENGTHS:
            for name, settings in MONITORS.items():
                found = [one_run(settings, groups, length, parts, seed) for seed in range(runs)]
                warnings, beyond, until = zip(*found, strict=True)
                told = f"{mean(warnings):.2g} | {mean(beyond):.1%} | {median(until):.0f}"
                print(f"| {groups} | {length} | {name} | {told} |", flush=True)


def one_run(
    settings: DriftSettings, groups: int, length: int, parts: int, seed: int
) -> tuple[int, float, int]:
    """Give the false warnings, the share of lots beyond the range, and the parts until a warning."""
    random = np.random.default_rng([seed, groups, length])
    levels = random.normal(size=(groups, 1, 3))
    known = np.median(levels + random.normal(size=(groups, _IN_GROUP, 3)), axis=1)
    reference = dict(zip(NAMES, known.T.tolist(), strict=True))
    low, high = known.min(axis=0), known.max(axis=0)
    lots = random.normal(size=(parts // length, 3))
    margin = 0.5 * (high - low)
    beyond = ((lots < low - margin) | (lots > high + margin)).any(axis=1)
    monitor, warnings = DriftMonitor(settings, reference), 0
    for row in rows(lots, length, random):
        if update(monitor, row):
            warnings += 1
            monitor.accept()
    return warnings, float(beyond.mean()), until_warning(DriftMonitor(settings, reference), length, random)


def until_warning(monitor: DriftMonitor, length: int, random: np.random.Generator) -> int:
    """Give the parts from the beginning of the creep to the warning."""
    lots = random.normal(size=(20_000 // length, 3))
    for number, row in enumerate(rows(lots, length, random)):
        after = max(0, number - _BEFORE)
        if update(monitor, [value + _CREEP * after for value in row]):
            if after:
                return after
            monitor.accept()
    return 20_000


def rows(lots: NDArray[np.float64], length: int, random: np.random.Generator) -> Iterator[list[float]]:
    """Draw the parts of each lot."""
    for level in lots:
        yield from (level + random.normal(size=(length, 3))).tolist()


def update(monitor: DriftMonitor, row: Sequence[float]) -> bool:
    """Count a part, and tell whether there is a new warning."""
    return monitor.update(row[0], dict(zip(NAMES[1:], row[1:], strict=True))) is not None


if __name__ == "__main__":
    main()
