"""The page Quality: control charts, Pareto charts, parts, the hand-over sheet, and every table as a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from excision.station.pages.control_charts import average_chart, pareto_chart, proportion_chart
from excision.station.pages.filters import Filter
from excision.station.pages.handover import sheet_of
from excision.station.pages.quality_source import quality_source
from excision.station.pages.quality_view import PERIOD_COLUMNS, Asked, Quality
from excision.station.pages.source import hub_of
from excision.station.pages.stations import stations_of
from excision.station.pages.strip_tables import STRIP_TABLES, latest_defects
from excision.station.pages.web import PageRoute, render, station_of, words_of
from excision.station.parts.rows import PartQuery
from excision.station.parts.table import PART_COLUMNS
from excision.station.quality.counts import Bar
from excision.station.quality.export import FORMS, TYPES, write_rows
from excision.station.quality.rows import LABELLED_COLUMNS, labelled_rows
from excision.station.work.tables import TABLES

router = APIRouter(route_class=PageRoute, include_in_schema=False)

sheets = APIRouter(route_class=PageRoute, include_in_schema=False)
"""The hand-over sheet, which only a station has."""

_PARTS = 50

# A table of a million rows takes a minute: others must not wait for threads meanwhile.
_WRITING = CapacityLimiter(1)

_BAR_COLUMNS = {"name": "text", "count": "int", "cumulative_share": "float"}

_HUB_COLUMNS = {"station": "text", "number": "int"}


@router.get("/quality")
def quality(request: Request) -> Response:
    """Show how good the line is."""
    seen, t, hub = _seen(request), words_of(request), hub_of(request)
    groups, averages = seen.groups, seen.averages
    parts = seen.source.newest_parts(_PARTS)
    bars = {"classes": seen.classes, "lots": seen.by_lot, "shifts": seen.by_shift}
    return render(
        request,
        "quality.html.j2",
        seen=seen,
        asked=seen.asked,
        periods=seen.periods(),
        p_charts=[proportion_chart(groups, seen.proportions, t, size) for size in ("wide", "narrow")],
        ewma_charts=[]
        if averages is None
        else [average_chart(groups, averages, t, size) for size in ("wide", "narrow")],
        paretos={
            name: pareto_chart(f"pareto-{name}", t(f"quality.pareto_{name}"), found, t)
            for name, found in bars.items()
        },
        bars=bars,
        parts=parts,
        views=seen.source.views_of(parts),
        stations=None if hub is None else stations_of(hub, seen.source.station, seen.choice.model),
        strips=latest_defects(request),
        forms=FORMS,
    )


@sheets.get("/quality/handover")
def handover(request: Request, back: str = "") -> Response:
    """Show the hand-over sheet of the present shift, or of one before it; it prints to one page."""
    steps = int(back) if back.isascii() and back.isdigit() and len(back) < 4 else 0
    return render(request, "handover.html.j2", sheet=sheet_of(station_of(request), steps), back=steps)


@router.get("/quality/{table}.{form}")
async def download(request: Request, table: str, form: str) -> Response:
    """Give a table of the pages as a file."""
    if form not in FORMS or table not in _TABLES:
        raise HTTPException(404, f"there is no table {table[:40]}.{form[:10]}")
    path = await run_sync(_written, request, table, form, limiter=_WRITING)
    return FileResponse(
        path,
        media_type=TYPES[form],
        filename=f"{table}.{form}",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(os.unlink, path),
    )


def _written(request: Request, table: str, form: Any) -> Path:
    columns, rows = _TABLES[table](request)
    # Beside the results: the disk of the system may be small, or in memory.
    handle, name = tempfile.mkstemp(prefix=TABLES, dir=_seen(request).source.folder)
    os.close(handle)
    path = Path(name)
    try:
        write_rows(path, form, columns, rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


Table = tuple[Mapping[str, str], Iterable[Mapping[str, Any]]]


def _results(request: Request) -> Table:
    query = Filter.of(request.query_params).query
    return LABELLED_COLUMNS, labelled_rows(_seen(request).source.store, query)


def _parts(request: Request) -> Table:
    fields = request.query_params
    source = _seen(request).source
    serial, lot = fields.get("serial") or None, fields.get("lot") or None
    query = PartQuery(serial, lot, station=source.station or None)
    columns = PART_COLUMNS if hub_of(request) is None else {**PART_COLUMNS, **_HUB_COLUMNS}
    return columns, (asdict(part) for part in source.walk_parts(query))


def _seen(request: Request) -> Quality:
    asked = Asked.of(request.query_params)
    return Quality(quality_source(request, asked.station), asked)


def _bars(bars: list[Bar]) -> Table:
    rows = [{"name": bar.name, "count": bar.count, "cumulative_share": bar.share} for bar in bars]
    return _BAR_COLUMNS, rows


_TABLES: Mapping[str, Callable[[Request], Table]] = {
    "results": _results,
    "parts": _parts,
    **STRIP_TABLES,
    "periods": lambda request: (PERIOD_COLUMNS, _seen(request).periods()),
    "classes": lambda request: _bars(_seen(request).classes),
    "lots": lambda request: _bars(_seen(request).by_lot),
    "shifts": lambda request: _bars(_seen(request).by_shift),
}
"""What can be had as a file, by the name in the address."""
