"""From the results of the views of a part, or what stood against them, to the one report of its trigger."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from excision.signals.signal import Report, ReportVerdict, Trigger
from excision.station.line.journal import new_id
from excision.station.parts.rows import Part
from excision.station.parts.verdict import SEVERITY
from excision.station.store.records import StoredResult


@dataclass(frozen=True, slots=True)
class ViewFault:
    """Why there is no result of a view.

    Attributes:
        reason: in words.
    """

    reason: str


Answer = StoredResult | ViewFault


def verdict_of(answer: Answer) -> ReportVerdict:
    """Give what the answer of one view says."""
    if isinstance(answer, ViewFault) or answer.verdict is None:
        return "fault"
    return answer.verdict


def reason_of(answer: Answer) -> str:
    """Give why the answer of one view holds no verdict on the surface; empty where it does."""
    if isinstance(answer, ViewFault):
        return answer.reason
    return answer.error or "; ".join(answer.unfit)


def report_of(trigger: Trigger, answers: Mapping[str, Answer], station: str | None) -> Report:
    """Give the report of a trigger whose views are all answered.

    Score, threshold, p-value and result are those of the decisive view: the most severe one, and of several
    such the one whose score exceeds its threshold most.

    Args:
        trigger: that is answered.
        answers: by the name of the view; at least one.
        station: its name.
    """
    view, answer = min(answers.items(), key=lambda item: (SEVERITY.index(verdict_of(item[1])), *_rank(item)))
    several = len(answers) > 1
    reasons = {name: reason_of(one) for name, one in answers.items() if reason_of(one)}
    report = Report(
        new_id(),
        trigger.number,
        verdict_of(answer),
        "; ".join(f"{name}: {reason}" if several else reason for name, reason in reasons.items()),
        serial=trigger.serial,
        lot=trigger.lot,
        recipe=trigger.recipe,
        station=station,
        view=None if several else view or None,
        time=time.time(),
        triggered=trigger.time,
        origin=trigger.origin,
    )
    if isinstance(answer, ViewFault):
        return report
    return replace(
        report,
        score=answer.score,
        threshold=answer.threshold,
        p_value=answer.p_value,
        result=answer.id,
        serial=report.serial or answer.serial,
        recipe=report.recipe or answer.model,
        strip=answer.strip,
        strip_row=answer.strip_row,
        strip_row_mm=answer.strip_row_mm,
    )


def with_part(report: Report, part: Part) -> Report:
    """Give the report of a trigger with what the whole part says: a code that is missing, or a serial number.

    Args:
        report: made from the views.
        part: that they belong to; without a verdict it says nothing yet.
    """
    if part.verdict is None:
        return report
    known = replace(report, serial=report.serial or part.serial, lot=report.lot or part.lot)
    if part.verdict == report.verdict:
        return known
    return replace(known, verdict=part.verdict, reason=part.reason or report.reason)


def fault_report(trigger: Trigger, reason: str, station: str | None, deadline_missed: bool = False) -> Report:
    """Give the report of a trigger without a verdict."""
    return Report(
        new_id(),
        trigger.number,
        "fault",
        reason,
        serial=trigger.serial,
        lot=trigger.lot,
        recipe=trigger.recipe,
        station=station,
        view=trigger.view,
        time=time.time(),
        triggered=trigger.time,
        origin=trigger.origin,
        deadline_missed=deadline_missed,
    )


def _rank(item: tuple[str, Answer]) -> tuple[float, str]:
    name, answer = item
    if isinstance(answer, ViewFault) or answer.score is None:
        return 0.0, name
    return -answer.score / answer.threshold, name
