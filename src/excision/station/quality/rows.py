"""Results with what people say about them, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from excision.station.store.query import Query
from excision.station.store.store import Store
from excision.station.store.tables import COLUMNS

LABELLED_COLUMNS = {**COLUMNS, "truth": "text", "defect_class": "text"}
"""Columns of `excision.station.store.tables`, and the label that counts."""


def labelled_rows(store: Store, query: Query) -> Iterator[dict[str, Any]]:
    """Give results, oldest first, with the label that counts; memory stays flat."""
    after = 0
    while page := store.oldest(query, 500, after):
        after = page[-1].id
        places = ", ".join("?" * len(page))
        said = store.rows(
            f"SELECT id, truth, defect_class FROM results WHERE id IN ({places})",
            [found.id for found in page],
        )
        labels = {row["id"]: (row["truth"], row["defect_class"]) for row in said}
        for result in page:
            truth, defect_class = labels.get(result.id, (None, None))
            values = {name: getattr(result, name) for name in COLUMNS}
            yield {**values, "truth": truth, "defect_class": defect_class}
