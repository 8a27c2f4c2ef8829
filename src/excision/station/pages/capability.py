"""What a model is sure to find, for the page of models."""

from __future__ import annotations

from dataclasses import dataclass

from excision.capability.kinds import NAMES
from excision.capability.requirement_result import Answer
from excision.capability.stored import stored_capability, threshold_note
from excision.errors import ResultsError
from excision.report.capability_maps import example_size, map_picture, png_bytes
from excision.report.capability_page import SIGNS, STYLES, map_words
from excision.report.capability_tables import Unit
from excision.station.models.version import Version


@dataclass(frozen=True, slots=True)
class ShownMap:
    """A map as the page shows it, with its size in pixels."""

    width: int
    height: int
    kind: str
    name: str
    contrast: str
    low: str
    high: str
    said: str


@dataclass(frozen=True, slots=True)
class ShownCapability:
    """A study as the page shows it.

    Attributes:
        fault: why it cannot be shown; "" if it can.
        changed: that the threshold has changed since; "" if it has not.
        date: of the study.
        parts: number of independent parts.
        drawings: number of drawings.
        sizes: kind, contrast, a90 and a90/95.
        maps: smallest detectable defect over the part.
        answers: sign, style and sentence of each requirement.
    """

    fault: str = ""
    changed: str = ""
    date: str = ""
    parts: int = 0
    drawings: int = 0
    sizes: tuple[tuple[str, str, str, str], ...] = ()
    maps: tuple[ShownMap, ...] = ()
    answers: tuple[tuple[Answer, str, str, str], ...] = ()


def capability_of(version: Version) -> ShownCapability | None:
    """Give what the page shows of the study in a model's folder; None if there is none."""
    try:
        found = stored_capability(version.folder)
    except ResultsError as error:
        return ShownCapability(fault=str(error))
    if found is None:
        return None
    unit = Unit.of(found)
    height, width = example_size(found)
    return ShownCapability(
        changed=threshold_note(found, version.threshold) or "",
        date=found.date,
        parts=found.groups,
        drawings=found.drawings,
        sizes=tuple(
            (NAMES[one.kind], f"{100 * one.contrast:.3g} %", unit.size(one.a90), unit.size(one.a90_95))
            for one in found.curves
        ),
        maps=tuple(
            ShownMap(
                width,
                height,
                one.kind,
                NAMES[one.kind],
                f"{100 * one.contrast:.3g} %",
                f"{one.smallest * unit.factor:.3g} {unit.name}",
                f"{one.largest * unit.factor:.3g} {unit.name}",
                map_words(found, number),
            )
            for number, one in enumerate(found.maps)
        ),
        answers=tuple(
            (one.answer, SIGNS[one.answer], STYLES[one.answer], one.sentence) for one in found.requirements
        ),
    )


def map_of(version: Version, kind: str) -> bytes | None:
    """Give the map of a kind as PNG; None if there is none."""
    try:
        found = stored_capability(version.folder)
    except ResultsError:
        return None
    chosen = [one for one in found.maps if one.kind == kind] if found is not None else []
    return png_bytes(map_picture(found, chosen[0])) if found is not None and chosen else None
