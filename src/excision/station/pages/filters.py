"""Which results a person wants to see: a form and an address here, a query of the store there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from excision.station.store.query import VERDICTS, Query


@dataclass(frozen=True, slots=True)
class Filter:
    """What a person filled in, as text; what is empty is not asked for.

    Attributes:
        since: earliest local time, as a browser writes it: "2026-03-02T06:00".
        until: only results before this local time.
        verdict: one of `VERDICTS`.
        lowest: least anomaly score.
        highest: largest anomaly score.
        source: part of the source.
        model: name of the model.
        labelled: "yes" or "no".
        station: name of the station, at a hub.
        serial: serial number of the part.
        lot: that the part belongs to.
        view: camera or side of the part.
        defect_class: class of the label that counts.
        part: number of the part.
    """

    since: str = ""
    until: str = ""
    verdict: str = ""
    lowest: str = ""
    highest: str = ""
    source: str = ""
    model: str = ""
    labelled: str = ""
    station: str = ""
    serial: str = ""
    lot: str = ""
    view: str = ""
    defect_class: str = ""
    part: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Filter:
        """Take what belongs to a filter from the fields of a form or an address."""
        known = {name: fields[name].strip()[:500] for name in cls.__dataclass_fields__ if name in fields}
        if "marked" in fields:
            # An address that somebody kept from the first release.
            known.setdefault("labelled", fields["marked"].strip()[:500])
        return cls(**known)

    @property
    def query(self) -> Query:
        """Give the query; a field that cannot be read asks for nothing."""
        verdict: Any = self.verdict if self.verdict in VERDICTS else None
        return Query(
            since=_seconds(self.since),
            until=_seconds(self.until),
            verdict=verdict,
            lowest=_number(self.lowest),
            highest=_number(self.highest),
            source=self.source or None,
            model=self.model or None,
            labelled={"yes": True, "no": False}.get(self.labelled),
            station=self.station or None,
            serial=self.serial or None,
            lot=self.lot or None,
            view=self.view or None,
            defect_class=self.defect_class or None,
            part=_whole(self.part),
        )

    @property
    def is_set(self) -> bool:
        """Tell whether anything is asked for."""
        return self != Filter()

    def address(self, **more: Any) -> str:
        """Give the part of an address behind the question mark."""
        fields = {name: value for name, value in {**asdict(self), **more}.items() if value}
        return urlencode(fields)


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
