"""Which scores of a station a page shows: those of one model and view, or all, and never as one scale."""

from __future__ import annotations

from dataclasses import dataclass

from excision.station.quality.counts import Counted
from excision.station.store.query import Query


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose among what there is.

    Attributes:
        model: name of the model; empty for all.
        view: camera or side of the part; empty for all.
        models: names of models that have results in the period, or that are loaded.
        views: names of views that have results in the period.
        is_one_scale: whether every result that is shown was scored by one model.
    """

    model: str
    view: str
    models: tuple[str, ...]
    views: tuple[str, ...]
    is_one_scale: bool

    @property
    def query(self) -> Query:
        """Give the query of what was chosen."""
        return Query(model=self.model or None, view=self.view or None)


def choice_of(
    store: Counted, loaded: tuple[str, ...], since: float, model: str, view: str, station: str = ""
) -> Choice:
    """Say what there is to choose from since a time, and what was chosen; what there is not is all."""
    condition, values = ("station = ?", [station]) if station else ("TRUE", [])
    rows = store.rows(
        f"SELECT DISTINCT model, view FROM tally WHERE hour >= ? AND images > 0 AND {condition}",
        [int(since // 3600), *values],
    )
    models = tuple(dict.fromkeys((*loaded, *sorted({row["model"] for row in rows}))))
    views = tuple(sorted({row["view"] for row in rows if row["view"]}))
    model = model if model in models else ""
    view = view if view in views else ""
    seen = {row["model"] for row in rows if view in ("", row["view"])}
    return Choice(model, view, models, views, bool(model) or len(seen) <= 1)
