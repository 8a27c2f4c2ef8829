"""Rows of labels: what people say about results, and what they take back. Rows are only ever added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from excision.errors import ResultsError, SettingsError
from excision.station.store import trail
from excision.station.store.records import Label, Withdrawal, as_text

LABEL_COLUMNS = "id, truth, who, note, time, defect_class, withdraws"
"""Of a row of labels, as `labels_of` takes it."""


def labels_of(rows: Iterable[Mapping[str, Any] | sqlite3.Row]) -> list[Label]:
    """Put the rows of labels of one result together, the oldest first: a withdrawal belongs to its label."""
    labels: dict[int, Label] = {}
    for row in rows:
        if row["withdraws"] is None:
            labels[row["id"]] = Label(
                row["truth"], row["who"], row["note"], row["time"], row["defect_class"], id=row["id"]
            )
        elif row["withdraws"] in labels:
            withdrawn = Withdrawal(row["who"], row["note"], row["time"])
            labels[row["withdraws"]] = replace(labels[row["withdraws"]], withdrawn=withdrawn)
    return list(labels.values())


def add_label(connection: sqlite3.Connection, number: int, label: Label) -> None:
    """Add what a person says about a result.

    Raises:
        ResultsError: there is no result of that number.
    """
    said = None if label.defect_class is None else as_text(label.defect_class)
    try:
        _insert(connection, (number, label.time, label.who, label.truth, label.note, said, None))
    except sqlite3.IntegrityError as error:
        if label.truth == "good" and said is not None:
            raise ResultsError("a part that is good has no class of defect") from error
        raise ResultsError(f"there is no result {number} to label") from error


def add_withdrawal(connection: sqlite3.Connection, number: int, label: int, withdrawal: Withdrawal) -> None:
    """Add that a person takes a label of a result back.

    Raises:
        ResultsError: the result has no such label, or it is withdrawn already.
    """
    known = connection.execute(
        "SELECT 1 FROM labels WHERE id = ? AND result = ? AND withdraws IS NULL", (label, number)
    ).fetchone()
    if known is None:
        raise ResultsError(f"result {number} has no label {label} to withdraw")
    try:
        values = (number, withdrawal.time, withdrawal.who, "withdrawn", withdrawal.note, None, label)
        _insert(connection, values)
    except sqlite3.IntegrityError as error:
        raise ResultsError(f"label {label} of result {number} is withdrawn already") from error


def _insert(connection: sqlite3.Connection, values: tuple[Any, ...]) -> None:
    """Add a row of labels, without its number, and its event in the audit trail."""
    plain = [as_text(value) if isinstance(value, str) else value for value in values]
    columns = trail.LABEL[1:]
    given = connection.execute(
        f"INSERT INTO labels ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", plain
    )
    row = dict(zip(trail.LABEL, (given.lastrowid, *plain), strict=True))
    trail.append(connection, trail.LABELLED, row, str(row["who"]))


def named(who: str) -> str:
    """Give the name of the person who says something of a part.

    Raises:
        SettingsError: there is none.
    """
    name = " ".join(who.split())
    if not name:
        raise SettingsError("nobody is named: a label or its withdrawal needs the name of a person (who)")
    return name
