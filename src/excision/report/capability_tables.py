"""The tables of a capability study, and the unit of its sizes."""

from __future__ import annotations

from dataclasses import dataclass

from excision.capability.curve import Curve, Size
from excision.capability.kinds import NAMES
from excision.capability.result import Capability
from excision.report.capability_figures import interval, words
from excision.report.tables import Cell, Table

BY_SIGNAL = "a90 by a-hat"
"""Head of the column of a90 by the signal, which is a check of the logit model."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of sizes in a report: millimetres if the size of a pixel is known, otherwise pixels."""

    name: str
    factor: float

    @classmethod
    def of(cls, capability: Capability) -> Unit:
        """Give the unit of a study."""
        known = capability.mm_per_pixel
        return cls("px", 1.0) if known is None else cls("mm", known)

    def size(self, size: Size | None) -> str:
        """Give a size in words."""
        return "\N{EN DASH}" if size is None else words(size.value, size.relation, self.name, self.factor)


def sizes_table(capability: Capability) -> Table:
    """Give a90 and a90/95 of each kind and contrast."""
    unit = Unit.of(capability)
    rows = [
        (
            Cell(NAMES[curve.kind]),
            Cell(f"{100 * curve.contrast:.3g} %", curve.contrast),
            Cell(f"{curve.hits} of {curve.drawings}", curve.hits / curve.drawings),
            Cell(unit.size(curve.a50), _key(curve.a50)),
            Cell(unit.size(curve.a90), _key(curve.a90)),
            Cell(unit.size(curve.a90_95), _key(curve.a90_95)),
            Cell(unit.size(curve.signal_a90), _key(curve.signal_a90)),
            Cell(_fit(curve)),
        )
        for curve in capability.curves
    ]
    head = ("Kind", "Contrast", "Found", "a50", "a90", "a90/95", BY_SIGNAL, "Logit model")
    return Table(
        "sizes",
        "Smallest sizes that are found",
        head,
        tuple(rows),
        "a90: found in 90 % of cases. a90/95: upper 95 % confidence limit of a90, the larger of the "
        "likelihood ratio and the bootstrap over parts. > 120 px: not reached at 120 px, the largest size "
        "drawn; nothing is extrapolated.",
    )


def observed_table(capability: Capability) -> Table:
    """Give what was observed in each bin of sizes."""
    unit = Unit.of(capability)
    rows = [
        (
            Cell(NAMES[curve.kind]),
            Cell(f"{100 * curve.contrast:.3g} %", curve.contrast),
            Cell(f"{one.low * unit.factor:.3g} to {one.high * unit.factor:.3g} {unit.name}", one.low),
            Cell(f"{one.hits} of {one.number}", one.hits / one.number),
            Cell(interval(one), one.lower),
        )
        for curve in capability.curves
        for one in curve.bins
    ]
    head = ("Kind", "Contrast", "Size", "Found", "90 % interval")
    return Table("observed", "Drawings found, by size", head, tuple(rows))


def real_table(capability: Capability) -> Table | None:
    """Give predicted beside observed detection of real defects; None if there were none."""
    if capability.real is None:
        return None
    unit = Unit.of(capability)
    rows = [
        (
            Cell(one.label),
            Cell(NAMES.get(one.kind, "any kind")),  # type: ignore[call-overload]  # "any" is no kind
            Cell(
                f"{one.observed.low * unit.factor:.3g} to {one.observed.high * unit.factor:.3g} {unit.name}",
                one.observed.low,
            ),
            Cell(f"{100 * one.contrast:.3g} %", one.contrast),
            Cell(f"{100 * one.predicted:.0f} %", one.predicted),
            Cell(f"{one.observed.hits} of {one.observed.number}", one.observed.hits / one.observed.number),
            Cell(interval(one.observed), one.observed.lower),
        )
        for one in capability.real.bins
    ]
    head = ("Real defect", "Predicted as", "Length", "Contrast", "Predicted", "Found", "90 % interval")
    return Table("real", "Real defects: predicted and found", head, tuple(rows), capability.real.sentence)


def _fit(curve: Curve) -> str:
    if curve.hits in (0, curve.drawings):
        return "all found" if curve.hits else "none found"
    if not curve.fits:
        return "does not fit" if curve.slope > 0 else "does not grow with size"
    return "fits" if curve.fit_p is None else f"fits, p = {curve.fit_p:.2g}"


def _key(size: Size | None) -> float:
    if size is None or size.value is None:
        return 1e12
    return size.value + (1e9 if size.relation == ">" else 0)
