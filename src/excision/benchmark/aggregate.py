"""Aggregates cells to the figures of a table: mean and standard deviation over the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, mean, stdev
from typing import Any

from excision.benchmark.rates import RATES

QUALITY = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro")
COST = ("training_seconds", "peak_memory_mb", "parameters", "passes")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the seeds.

    Attributes:
        mean: arithmetic mean.
        deviation: sample standard deviation; None for a single value.
        count: number of values.
    """

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Aggregate the values that are not None; None if there are none."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(mean(known), stdev(known) if len(known) > 1 else None, len(known))

    def to_json(self) -> dict[str, float | None]:
        """Return it for a JSON file."""
        return {"mean": self.mean, "deviation": self.deviation, "count": self.count}


@dataclass(frozen=True, slots=True)
class Speed:
    """Images per second, and the ratio to EAR's."""

    images_per_second: float
    ratio: float | None

    def to_json(self) -> dict[str, float | None]:
        """Return it for a JSON file."""
        return {"images_per_second": self.images_per_second, "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one line of a table.

    Attributes:
        label: as shown.
        key: key of the variant.
        seeds: number of finished cells.
        figures: by the names of `QUALITY`, `RATES` and `COST`; None if nothing could be measured.
        speeds: by batch size, "1" and "16"; empty if the variant was not timed.
    """

    label: str
    key: str
    seeds: int
    figures: dict[str, Spread | None]
    speeds: dict[str, Speed]

    def to_json(self) -> dict[str, Any]:
        """Return the line for a JSON file."""
        return {
            "label": self.label,
            "variant": self.key,
            "seeds": self.seeds,
            "figures": {name: spread and spread.to_json() for name, spread in self.figures.items()},
            "throughput": {batch: speed.to_json() for batch, speed in self.speeds.items()},
        }


def line(label: str, key: str, cells: Sequence[dict[str, Any]], timed: dict[str, Any] | None) -> Line:
    """Aggregate the finished cells of a variant on a data set.

    Args:
        label: as shown.
        key: of the variant.
        cells: contents of `cell.json`, one per seed.
        timed: the variant's part of the summary in `throughput.json`.
    """
    figures = {name: Spread.of(_figure(cell, name) for cell in cells) for name in _ALL}
    speeds = {batch: Speed(**speed) for batch, speed in (timed or {}).items()}
    return Line(label, key, len(cells), figures, speeds)


def mean_line(label: str, key: str, lines: Sequence[Line], cells: Sequence[Sequence[dict[str, Any]]]) -> Line:
    """Average a variant over data sets.

    Quality and cost are averaged over the data sets for each seed, and then over the seeds, so that the
    deviation is over seeds here too. Speeds are averaged geometrically, as is right for ratios. A figure that
    is missing for a data set has no mean.

    Args:
        label: as shown.
        key: of the variant.
        lines: the variant's line on each data set.
        cells: its finished cells on each data set.
    """
    by_seed = [{cell["seed"]: cell for cell in found} for found in cells]
    seeds = [seed for seed in by_seed[0] if all(seed in found for found in by_seed)]

    def averaged(name: str) -> Spread | None:
        means = []
        for seed in seeds:
            row = [found[seed] for found in by_seed]
            values = [_figure(cell, name) for cell in row]
            known = [value for value in values if value is not None]
            means.append(mean(known) if len(known) == len(values) else None)
        return Spread.of(means)

    speeds = {}
    for batch in lines[0].speeds:
        parts = [entry.speeds[batch] for entry in lines if batch in entry.speeds]
        if len(parts) == len(lines):
            ratios = [part.ratio for part in parts if part.ratio is not None]
            speeds[batch] = Speed(
                geometric_mean(part.images_per_second for part in parts),
                geometric_mean(ratios) if len(ratios) == len(parts) else None,
            )
    return Line(label, key, len(seeds), {name: averaged(name) for name in _ALL}, speeds)


_ALL = (*QUALITY, *RATES, *COST)


def _figure(cell: dict[str, Any], name: str) -> float | None:
    """Return a figure of a cell; cells of earlier versions lack the rates."""
    place = cell["figures"] if name in QUALITY else cell.get("rates", {}) if name in RATES else cell
    found: float | None = place.get(name)
    return found
