"""The course of the statistics of an inspection, and whether they drift."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from excision.errors import ModelError, ResultsError
from excision.inspection.drift.inspected import DRIFT
from excision.inspection.drift.wording import measure_of
from excision.system.strict_json import read_json
from excision.visualization.svg import BOTTOM, LEFT, RIGHT, TOP, Axis, Chart, Scale, marks

_MOST_CHARTS = 12
_FEWEST_POINTS = 2


def read_drift(folder: Path) -> dict[str, Any] | None:
    """Read what `write_drift` wrote into a folder of results; None for results of an earlier version.

    Raises:
        ResultsError: the file is damaged.
    """
    if not (folder / DRIFT).is_file():
        return None
    try:
        content = read_json(folder / DRIFT)
        _check(content)
    except (ModelError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(f"{folder / DRIFT}: damaged ({error}): delete it, or inspect again") from error
    return dict(content)


def drift_charts(drift: dict[str, Any]) -> list[Chart]:
    """Draw each statistic over the number of the image, those that moved most first.

    The band is the range of nine in ten reference blocks; a vertical line shows where a change was noticed.
    """
    known = [s for s in drift["statistics"] if sum(v is not None for v in s["values"]) >= _FEWEST_POINTS]
    known.sort(key=lambda s: -s["evidence"])
    return [_chart(number, statistic, drift) for number, statistic in enumerate(known[:_MOST_CHARTS])]


def _chart(number: int, statistic: dict[str, Any], drift: dict[str, Any]) -> Chart:
    measure = measure_of(str(statistic["name"]))
    name = measure.words[:1].upper() + measure.words[1:]
    # Results of earlier versions have values as they are compared, without a unit.
    unit = f", {statistic['unit']}" if statistic.get("unit") else ""
    points = [(p, v) for p, v in zip(statistic["parts"], statistic["values"], strict=True) if v is not None]
    usual, warning = statistic["usual"], drift["warning"]
    levels = [value for _, value in points] + [level for level in usual or () if level < 1e290]
    low, high = min(levels), max(levels)
    margin = 0.06 * (high - low) or max(abs(high), 1.0) * 0.06
    x = Scale(1, max(drift["parts"], 2), LEFT, RIGHT)
    y = Scale(low - margin, high + margin, BOTTOM, TOP)
    moved = warning is not None and warning["statistic"] == statistic["name"]
    stands = f" Now {statistic['compared']}." if statistic.get("compared") else ""
    description = f"{name}: median of each block of images, from {low:.4g} to {high:.4g}{unit}.{stands}"
    chart = Chart(f"drift-{number}", f"{name} over image number", description)
    if usual is not None:
        top, bottom = y(usual[2]), y(usual[0])
        chart.box((LEFT, top), (RIGHT - LEFT, max(bottom - top, 0.5)), "good wash")
    chart.axes(
        Axis("Image number", x, marks(1, x.high, 5)), Axis(f"{name}{unit}", y, marks(y.low, y.high, 5))
    )
    chart.path(((x(part), y(value)) for part, value in points), "good curve")
    if moved and warning is not None:
        since = x(warning["since"])
        chart.line((since, TOP), (since, BOTTOM), "threshold")
        anchor = "end" if since > (LEFT + RIGHT) / 2 else "start"
        words = f"{warning['direction']} since {warning['since']}"
        chart.text((since + (-6 if anchor == "end" else 6), TOP - 6), words, "mark halo", anchor)
    return chart


def _check(content: Any) -> None:
    """Raise KeyError, TypeError or ValueError where a value that the charts need is not as written."""
    if not isinstance(content["standing"], str) or not isinstance(content["promise"], str):
        raise ValueError("no sentence")
    if not isinstance(content["parts"], int) or not 0 <= content["parts"] < 10**15:
        raise ValueError("no number of parts")
    warning = content["warning"]
    if warning is not None:
        float(warning["since"]), str(warning["statistic"]), str(warning["direction"])
    for statistic in content["statistics"]:
        str(statistic["name"])
        numbers = [*statistic["parts"], *(statistic["usual"] or (0.0, 0.0, 0.0)), statistic["evidence"]]
        numbers += [value for value in statistic["values"] if value is not None]
        if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
            raise ValueError("a value is no number")
        if len(statistic["parts"]) != len(statistic["values"]) or len(statistic["usual"] or "abc") != 3:
            raise ValueError("numbers are missing")
