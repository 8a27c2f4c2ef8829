"""The results of an inspection as a typed table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from excision.inspection.log import iterate_log
from excision.system.parquet import write_parquet

PARQUET = "results.parquet"

COLUMNS = {
    "image": "text",
    "score": "float",
    "threshold": "float",
    "verdict": "text",
    "defect_area_share": "float",
    "boxes": "boxes",
    "seconds": "float",
    "overlay": "text",
    "error": "text",
}
"""The fields of `InspectionRecord`, each with its kind in Parquet (see `write_parquet`)."""


def write_inspection_table(out: Path) -> int:
    """Write the results in a folder to `results.parquet` too, with flat memory.

    Returns:
        The number of rows.

    Raises:
        SettingsError: pyarrow is missing.
    """
    return write_parquet(out / PARQUET, COLUMNS, map(dataclasses.asdict, iterate_log(out)))
