"""The tables of a station's results, and how a file of an earlier version is migrated."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from excision.errors import ResultsError

VERSION = 2
"""Kept in the file as SQLite's `user_version`."""

_TABLES = """
CREATE TABLE results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    source TEXT NOT NULL,
    file_size INTEGER,
    file_mtime_ns INTEGER,
    image TEXT,
    width INTEGER,
    height INTEGER,
    model TEXT NOT NULL,
    model_version TEXT NOT NULL,
    score REAL,
    threshold REAL NOT NULL,
    review_threshold REAL,
    verdict TEXT CHECK (verdict IN ('good', 'review', 'defect')),
    defect_area_share REAL,
    boxes TEXT NOT NULL,
    seconds TEXT NOT NULL,
    error TEXT,
    CHECK ((verdict IS NULL) = (error IS NOT NULL)),
    UNIQUE (source, file_size, file_mtime_ns)
);
CREATE INDEX results_by_time ON results (time);
CREATE INDEX results_by_verdict ON results (verdict, time);
CREATE INDEX results_by_score ON results (score);
CREATE TABLE labels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    result INTEGER NOT NULL REFERENCES results (id),
    time REAL NOT NULL,
    who TEXT NOT NULL,
    truth TEXT NOT NULL CHECK (truth IN ('good', 'defect')),
    note TEXT NOT NULL
);
CREATE INDEX labels_by_result ON labels (result, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    model TEXT NOT NULL,
    what TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE VIEW marks AS SELECT * FROM labels;
"""

# What turns a file of the version before into one of the version that is the key. Version 1 called labels
# marks; the view keeps the queries of others working for one release.
_STEPS: dict[int, str] = {
    2: """
DROP INDEX marks_by_result;
ALTER TABLE marks RENAME TO labels;
CREATE INDEX labels_by_result ON labels (result, id);
CREATE VIEW marks AS SELECT * FROM labels;
"""
}


def refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that this version must not write to, before anything in it is changed.

    Raises:
        ResultsError: the file was written by a later version, or by another program.
    """
    version = _version(connection)
    if version > VERSION:
        raise ResultsError(
            f"{path}: written by a later version of Excision (schema {version}, this one knows {VERSION}): "
            "update this installation"
        )
    known = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'results'").fetchone()[0]
    others = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if others and not known:
        raise ResultsError(f"{path}: this is no file of results: it holds the tables of another program")


def migrate(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, and bring an earlier one up to date: as a whole or not at all."""
    if _version(connection) == VERSION:
        return
    # Two processes may find a new file at once: the second waits here, and then finds it made.
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        scripts = [_TABLES] if version == 0 else [_STEPS[step] for step in range(version + 1, VERSION + 1)]
        for statement in ";".join(scripts).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
