"""What the pages and the interface ask of results, wherever they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult, Truth


class Results(Protocol):
    """Results that can be read: a station's `Store`, or that of a hub."""

    def get(self, number: int) -> StoredResult | None:
        """Give the result of that number, or None."""

    def newest(self, query: Query, count: int, before: int | None = None) -> Sequence[StoredResult]:
        """Give results, newest first, from behind the result of the number `before` on."""

    def oldest(self, query: Query, count: int, after: int = 0) -> Sequence[StoredResult]:
        """Give results, oldest first, from behind the result of the number `after` on; 0 for the first."""

    def walk(self, query: Query) -> Iterator[StoredResult]:
        """Give all results, oldest first; memory stays flat."""

    def count(self, query: Query) -> dict[str, int]:
        """Count results by verdict, in the order of `VERDICTS`."""

    def tally(self, query: Query) -> dict[tuple[str, Truth | None], int]:
        """Count results by verdict, "failed" for those without one, and by what a person said last."""

    def labels(self, number: int) -> list[Label]:
        """Give the labels of a result, the oldest first."""
