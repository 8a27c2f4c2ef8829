"""Rows of shadow mode: which challengers ran beside a model, and what they would have said of its results.

They stand in tables of their own: no verdict that a person or a machine asks for comes from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from excision.predictions import Verdict
from excision.station.store.records import Truth, as_text
from excision.station.store.store import Store


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """A challenger that runs, or ran, beside a model.

    Attributes:
        id: its number.
        model: name of the model.
        folder: of the challenger, relative to the station's folder.
        version: of the challenger.
        threshold: its decision threshold.
        who: began it.
        began: seconds since 1970 in UTC.
        ended: likewise; None while it runs.
        dropped: images that it did not see, since the model in use came first.
        failed: images that it could not inspect.
    """

    id: int
    model: str
    folder: str
    version: str
    threshold: float
    who: str
    began: float
    ended: float | None
    dropped: int
    failed: int


@dataclass(frozen=True, slots=True)
class ShadowPair:
    """A result, and what the challenger would have said of it.

    Attributes:
        result: its number.
        source: of the result.
        verdict: of the model in use.
        score: likewise.
        shadow_verdict: of the challenger.
        shadow_score: likewise.
        truth: what people say of the part; None where nobody does.
    """

    result: int
    source: str
    verdict: Verdict
    score: float
    shadow_verdict: Verdict
    shadow_score: float
    truth: Truth | None


def begin_shadow(
    store: Store, model: str, folder: str, version: str, threshold: float, who: str, now: float
) -> int:
    """Begin a shadow of a model; one that runs for it ends."""
    with store.transaction() as connection:
        connection.execute(
            "UPDATE shadows SET ended = ? WHERE model = ? AND ended IS NULL", (now, as_text(model))
        )
        cursor = connection.execute(
            "INSERT INTO shadows (model, folder, version, threshold, who, began) VALUES (?, ?, ?, ?, ?, ?)",
            (as_text(model), as_text(folder), version, threshold, as_text(who), now),
        )
        number = cursor.lastrowid
    assert number is not None
    return number


def end_shadow(store: Store, number: int, now: float) -> None:
    """End a shadow."""
    with store.transaction() as connection:
        connection.execute("UPDATE shadows SET ended = ? WHERE id = ? AND ended IS NULL", (now, number))


def shadow_runs(store: Store, model: str | None = None, *, running: bool = False) -> list[ShadowRun]:
    """Give shadows, the newest first.

    Args:
        store: keeps them.
        model: of this model; None for any.
        running: only those that have not ended.
    """
    rows = store.rows(
        "SELECT id, model, folder, version, threshold, who, began, ended, dropped, failed FROM shadows "
        "WHERE (? IS NULL OR model = ?) AND (NOT ? OR ended IS NULL) ORDER BY id DESC LIMIT 100",
        (model, model, running),
    )
    return [ShadowRun(*row) for row in rows]


def add_shadow_results(
    store: Store,
    number: int,
    found: Sequence[tuple[int, float, Verdict, float]],
    dropped: int = 0,
    failed: int = 0,
) -> None:
    """Keep what a challenger said: (result, score, verdict, seconds) of each, and how many it missed."""
    with store.transaction() as connection:
        connection.executemany(
            "INSERT INTO shadow_results (shadow, result, score, verdict, seconds) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            [(number, *each) for each in found],
        )
        connection.execute(
            "UPDATE shadows SET dropped = dropped + ?, failed = failed + ? WHERE id = ?",
            (dropped, failed, number),
        )


def shadow_counts(store: Store, number: int) -> dict[tuple[str, str], int]:
    """Count the results of a shadow by verdict of the model in use and of the challenger."""
    rows = store.rows(
        "SELECT results.verdict, shadow_results.verdict, count(*) FROM shadow_results "
        "JOIN results ON results.id = shadow_results.result WHERE shadow = ? GROUP BY 1, 2",
        (number,),
    )
    return {(old, new): count for old, new, count in rows}


def shadow_pairs(
    store: Store, number: int, *, changed: bool = False, labelled: bool = False, count: int = 1000
) -> list[ShadowPair]:
    """Give results of a shadow, the newest first.

    Args:
        store: keeps them.
        number: of the shadow.
        changed: only those whose verdicts differ.
        labelled: only those with a label.
        count: how many at most.
    """
    rows = store.rows(
        "SELECT results.id, results.source, results.verdict, results.score, shadow_results.verdict, "
        "shadow_results.score, results.truth FROM shadow_results "
        "JOIN results ON results.id = shadow_results.result WHERE shadow = ? "
        "AND (NOT ? OR results.verdict != shadow_results.verdict) AND (NOT ? OR results.truth IS NOT NULL) "
        "ORDER BY shadow_results.result DESC LIMIT ?",
        (number, changed, labelled, count),
    )
    return [ShadowPair(*row) for row in rows]
