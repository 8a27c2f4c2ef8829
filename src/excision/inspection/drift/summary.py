"""What a drift monitor has found so far, for people and programs."""

from __future__ import annotations

from typing import Any

from excision.inspection.drift.monitor import DriftMonitor
from excision.inspection.drift.statistic import Statistic, shown
from excision.inspection.drift.warning import SCORE


def summary(monitor: DriftMonitor) -> dict[str, Any]:
    """Return the standing of a monitor and the course of every statistic, ready for JSON.

    Returns:
        `parts`; `block`, the parts of the shortest block that is relied on; `parts_per_false_warning`;
        `learning`, whether nothing can be said yet; `evidence` in parts; `warning`, an object or None; and
        `statistics`, a list of objects: `name`, `usual` (5 %, 50 % and 95 % point of the reference, or
        None), `accepted` (a range, or None), `now`, `evidence`, `learning`, `parts` (number of the first part
        of each point of the course) and `values` (None where there is none).
    """
    return {
        "parts": monitor.parts,
        "block": monitor.block,
        "parts_per_false_warning": monitor.settings.parts_per_false_warning,
        "learning": monitor.is_learning,
        "evidence": monitor.evidence,
        "warning": None if monitor.warning is None else monitor.warning.to_dict(),
        "statistics": [
            {
                "name": found.name,
                "usual": _usual(found),
                "accepted": None if found.accepted is None else list(found.accepted),
                "now": found.now,
                "evidence": monitor.evidence_of(found.name),
                "learning": found.is_learning,
                "parts": monitor.history.starts,
                "values": monitor.history.values.get(found.name, []),
            }
            for found in monitor.statistics
        ],
    }


def _usual(statistic: Statistic) -> list[float] | None:
    """Return what is usual, unless most parts were flagged while it was learnt."""
    if statistic.usual is None or shown(statistic.usual[2]) is None:
        return None
    return list(statistic.usual)


def promise_in_words(monitor: DriftMonitor) -> str:
    """Say what the monitor promises and what it assumes."""
    many = monitor.settings.parts_per_false_warning
    return (
        f"Without drift, a false warning comes once in {many:,} parts on average, or less often, all "
        f"statistics together; within 1,000 parts its probability is at most {1000 / many:.2g}. This assumes "
        f"that blocks of {monitor.block} parts in a row do not depend on each other: whatever varies from "
        "strip to strip or from lot to lot varies within a block."
    )


def standing_in_words(monitor: DriftMonitor) -> str:
    """Say in one sentence whether the line has drifted, as far as can be told."""
    if monitor.warning is not None:
        return monitor.warning.words
    watched = [found for found in monitor.statistics if not found.is_learning]
    if not watched or monitor.parts < monitor.settings.block:
        return f"nothing can be said about drift after {monitor.parts} parts: too few to compare"
    names = ", ".join("the anomaly score" if found.name == SCORE else found.name for found in watched)
    return f"no drift noticed in {monitor.parts} parts ({names})"
