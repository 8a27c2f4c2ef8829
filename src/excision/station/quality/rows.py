"""Results with what people say about them, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from excision.station.quality.counts import Counted
from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.tables import COLUMNS

LABELLED_COLUMNS = {**COLUMNS, "truth": "text", "defect_class": "text"}
"""Columns of `excision.station.store.tables`, and the label that counts."""


class Walked(Counted, Protocol):
    """A store that is read in pages."""

    def oldest(self, query: Query, count: int, after: int = 0) -> Sequence[StoredResult]:
        """Give results, oldest first, from behind the result of the number `after` on; 0 for the first."""


def labelled_rows(store: Walked, query: Query) -> Iterator[dict[str, Any]]:
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
