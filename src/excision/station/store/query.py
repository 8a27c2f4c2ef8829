"""Which results are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Kind = Literal["good", "review", "defect", "unfit", "failed"]
"""What may be asked for: a verdict, or "failed" for what could not be inspected."""

VERDICTS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Query:
    """Which results to give; None means any.

    Attributes:
        since: only results from this time on, seconds since 1970 in UTC.
        until: only results before this time.
        verdict: "good", "review", "defect", "unfit", or "failed" for what could not be inspected.
        lowest: least anomaly score.
        highest: largest anomaly score.
        source: part of the source, as text.
        model: name of the model.
        labelled: True for results with a label, False for those without.
        station: name of the station, at a hub.
        serial: serial number of the part.
        lot: that the part belongs to.
        recipe: that was asked for.
        view: camera or side of the part; "" for results that name none.
        part: number of the part.
        defect_class: class of the label that counts.
    """

    since: float | None = None
    until: float | None = None
    verdict: Kind | None = None
    lowest: float | None = None
    highest: float | None = None
    source: str | None = None
    model: str | None = None
    labelled: bool | None = None
    station: str | None = None
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    view: str | None = None
    part: int | None = None
    defect_class: str | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Give the condition in SQL, with its values."""
        conditions: list[str] = []
        values: list[Any] = []
        comparisons = (
            ("time >= ?", self.since),
            ("time < ?", self.until),
            ("score >= ?", self.lowest),
            ("score <= ?", self.highest),
            ("instr(source, ?) > 0", self.source),
            ("model = ?", self.model),
            ("station = ?", self.station),
            ("serial = ?", self.serial),
            ("lot = ?", self.lot),
            ("recipe = ?", self.recipe),
            ("coalesce(view, '') = ?", self.view),
            ("part = ?", self.part),
            ("defect_class = ?", self.defect_class),
        )
        for condition, value in comparisons:
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if self.verdict == "failed":
            conditions.append("verdict IS NULL")
        elif self.verdict is not None:
            conditions.append("verdict = ?")
            values.append(self.verdict)
        if self.labelled is not None:
            conditions.append("truth IS NOT NULL" if self.labelled else "truth IS NULL")
        return " AND ".join(conditions) or "TRUE", values
