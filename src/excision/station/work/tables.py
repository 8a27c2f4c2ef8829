"""Files of tables that are on their way to a browser, beside the results."""

from __future__ import annotations

import contextlib
from pathlib import Path

TABLES = ".table-"
"""What their names begin with."""


def remove_tables(data: Path) -> None:
    """Remove those that a killed process left.

    Args:
        data: folder of the station, which no other process has.
    """
    for path in data.iterdir():
        # What is still being written has another dot in front.
        if path.name.lstrip(".").startswith(TABLES.lstrip(".")) and path.name.startswith("."):
            with contextlib.suppress(OSError):
                path.unlink()
