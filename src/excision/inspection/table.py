"""The results of an inspection as a typed table, on disk or in memory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from excision.inspection.log import InspectionRecord, iterate_log
from excision.predictions import Detection
from excision.system.parquet import columns_of, write_parquet

PARQUET = "results.parquet"

_NUMBERS = ("score", "threshold", "review_threshold", "p_value", "defect_area_share", "seconds")

COLUMNS = columns_of(InspectionRecord, unfit="texts")
"""The fields of `InspectionRecord`, each with its kind in Parquet (see `write_parquet`)."""


def write_inspection_table(out: Path) -> int:
    """Also write the results in a folder to `results.parquet`, in constant memory.

    Returns:
        The number of rows.

    Raises:
        SettingsError: pyarrow is missing.
    """
    return write_parquet(out / PARQUET, COLUMNS, map(dataclasses.asdict, iterate_log(out)))


def results_table(predictions: Iterable[Detection] | Detection) -> list[dict[str, Any]]:
    """Return predictions as rows for `pandas.DataFrame` or `polars.DataFrame`.

    Only the figures of each prediction are kept, so a generator such as `predict(...)` needs no more memory
    than the table.

    Args:
        predictions: predictions of a detector or inspector, or a single one.

    Returns:
        One row per prediction, in order, with the fields of `Prediction.to_dict`. Every column has one type:
        a missing number, such as the review threshold, is NaN, and the reasons of `unfit` are one text.
    """
    given = [predictions] if isinstance(predictions, Detection) else predictions
    rows = (prediction.to_dict() for prediction in given)
    return [{**row, **_plain(row)} for row in rows]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Give the values of a row whose type would depend on the others."""
    return {name: _number(row[name]) for name in _NUMBERS} | {"unfit": "; ".join(row["unfit"])}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
