"""What a drift monitor has found so far, for people and programs."""

from __future__ import annotations

from typing import Any

from excision.inspection.drift.monitor import DriftMonitor
from excision.inspection.drift.statistic import Statistic, shown
from excision.inspection.drift.wording import SCORE, compared, list_of, measure_of, plain
from excision.method.fitness.words import place_of


def summary(monitor: DriftMonitor) -> dict[str, Any]:
    """Return the standing of a monitor and the course of every statistic, ready for JSON.

    Returns:
        `parts`; `block`, the parts of the shortest block that is relied on; `parts_per_false_warning`;
        `lots`, whether good parts are expected in lots; `learning`, whether nothing can be said yet;
        `evidence` in parts; `warning`, an object or None; and
        `statistics`, a list of objects with

        - `name`, `words` (what people call it), and `unit` of all its values (empty for a plain number)
        - `usual`: 5 %, 50 % and 95 % point of the reference, or None; `basis`: where the reference is from,
          such as "in training"; `accepted`: a range that counts as normal, or None
        - `now`, and `compared`: how that differs from the reference, in words
        - `evidence`, `learning`, and `watched`: whether the evidence counts
        - `parts` (number of the first part of each point of the course) and `values` (None where there is
          none)
    """
    return {
        "parts": monitor.parts,
        "block": monitor.block,
        "parts_per_false_warning": monitor.settings.parts_per_false_warning,
        "lots": monitor.settings.lots,
        "learning": monitor.is_learning,
        "evidence": monitor.evidence,
        "warning": None if monitor.warning is None else monitor.warning.to_dict(),
        "statistics": [_standing(monitor, found) for found in monitor.statistics],
    }


def _standing(monitor: DriftMonitor, found: Statistic) -> dict[str, Any]:
    name, measure, usual = found.name, measure_of(found.name), _usual(found)
    now = plain(name, found.now)
    return {
        "name": name,
        "words": measure.words,
        "unit": measure.unit,
        "usual": usual,
        "basis": found.basis,
        "accepted": None if found.accepted is None else [measure.plain(end) for end in found.accepted],
        "now": now,
        "compared": "" if now is None or usual is None else compared(name, now, usual[1], found.basis),
        "evidence": monitor.evidence_of(name),
        "learning": found.is_learning,
        "watched": found.is_watched,
        "parts": monitor.history.starts,
        "values": [plain(name, value) for value in monitor.history.values.get(name, [])],
    }


def _usual(statistic: Statistic) -> list[float] | None:
    """Return what is usual in plain units, unless most parts were flagged while it was learnt."""
    if statistic.usual is None or shown(statistic.usual[2]) is None:
        return None
    return [measure_of(statistic.name).plain(value) for value in statistic.usual]


def promise_in_words(monitor: DriftMonitor) -> str:
    """Say what the monitor promises and what it assumes."""
    many = monitor.settings.parts_per_false_warning
    groups = max((found.groups for found in monitor.statistics), default=0)
    known = f" and from the {groups} groups of good images that the model knows" if groups else ""
    promise = (
        f"Without drift, at most one false warning comes in {many:,} parts on average, all statistics "
        f"together; within the first 1,000 parts its probability is at most {1e5 / many:.2g} %. This assumes "
    )
    # Whoever lets it learn anew gives up what the groups told of lots.
    if monitor.settings.lots and groups:
        return (
            f"{promise}that good parts come in lots whose values stay within the range of the {groups} "
            "groups of good images that the model knows, half as wide again on each side: drift within that "
            "range is not noticed."
        )
    return (
        f"{promise}that blocks of {monitor.block} parts in a row differ from each other{known} by chance "
        "alone. A lot, strip or shift that is longer than a block and unlike all before it gives a warning."
    )


def standing_in_words(monitor: DriftMonitor) -> str:
    """Say in one sentence whether the line has drifted, as far as can be told."""
    if monitor.warning is not None:
        return monitor.warning.words
    watched = [found.name for found in monitor.statistics if found.is_watched and not found.is_learning]
    watched.sort(key=lambda name: (name != SCORE, place_of(name)))
    if not watched or monitor.parts < monitor.settings.block:
        return f"nothing can be said about drift after {monitor.parts} parts: too few to compare"
    return f"no drift noticed in {monitor.parts} parts ({list_of(watched)})"
