"""What the pages and the interface ask of results, wherever they are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from excision.station.store.counting import Statement, is_tallied, tally, verdicts
from excision.station.store.query import VERDICTS, Query
from excision.station.store.records import Label, StoredResult, Truth

_PAGE = 500  # results that are in memory at once


class Results(ABC):
    """Results that can be read: a station's `Store`, or that of a hub."""

    @abstractmethod
    def get(self, number: int) -> StoredResult | None:
        """Give the result of that number, or None."""

    @abstractmethod
    def newest(self, query: Query, count: int, before: int | None = None) -> Sequence[StoredResult]:
        """Give results, newest first, from behind the result of the number `before` on."""

    @abstractmethod
    def oldest(self, query: Query, count: int, after: int = 0) -> Sequence[StoredResult]:
        """Give results, oldest first, from behind the result of the number `after` on; 0 for the first."""

    @abstractmethod
    def labels(self, number: int) -> list[Label]:
        """Give the labels of a result, the oldest first."""

    @abstractmethod
    def ask(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """Give the rows that a statement asks for, written for SQLite."""

    def walk(self, query: Query) -> Iterator[StoredResult]:
        """Give all results, oldest first; memory stays flat, and no lock is held meanwhile."""
        after = 0
        while page := self.oldest(query, _PAGE, after):
            yield from page
            after = page[-1].id

    def count(self, query: Query) -> dict[str, int]:
        """Count results by verdict, in the order of `VERDICTS`."""
        counts: dict[str, int] = dict.fromkeys(VERDICTS, 0)
        if not is_tallied(query):
            (row,) = self.ask(verdicts(query))
            return dict(zip(counts, map(int, row), strict=True))
        for (verdict, _), images in self.tally(query).items():
            counts[verdict] += images
        return counts

    def tally(self, query: Query) -> dict[tuple[str, Truth | None], int]:
        """Count results by verdict, "failed" for those without one, and by what a person said last."""
        rows = self.ask(tally(query))
        return {(verdict, truth or None): int(images) for verdict, truth, images in rows if images}
