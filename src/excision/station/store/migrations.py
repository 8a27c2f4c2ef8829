"""How the tables of a new file are made, and how a file of an earlier version is migrated."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from excision.errors import ResultsError
from excision.station.store import trail
from excision.station.store.schema import STEPS, VERSION_6
from excision.station.store.schema_7 import PARTS
from excision.station.store.schema_8 import PEOPLE
from excision.station.store.schema_9 import SIGNALS
from excision.station.store.schema_11 import OUTSIDE
from excision.station.store.schema_12 import STRIPS
from excision.station.store.schema_shadows import SHADOWS

_STEPS = {**STEPS, 7: PARTS, 8: PEOPLE, 9: SIGNALS, 10: SHADOWS, 11: OUTSIDE, 12: STRIPS}
"""What turns a file of the version before into one of the version that is the key.

A new file is made as one of version 6 and then taken through the steps after it, as any other."""

_CHAINED = 8
"""The version from which on the events are a chain."""

VERSION = max(_STEPS)
"""Kept in the file as SQLite's `user_version`."""


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
    # Otherwise a table that others refer to could not be written anew; it is no part of a transaction.
    (keys,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _migrate(connection)
    finally:
        connection.execute(f"PRAGMA foreign_keys = {keys}")


def _migrate(connection: sqlite3.Connection) -> None:
    # Two processes may find a new file at once: the second waits here, and then finds it made.
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        scripts = list(VERSION_6) if version == 0 else []
        scripts += [_STEPS[step] for step in range((version or 6) + 1, VERSION + 1)]
        for script in scripts:
            for statement in _statements(script):
                connection.execute(statement)
        if version < _CHAINED:
            trail.chain_earlier(connection)
            for statement in _statements(trail.GUARDS):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """Take a script apart; `executescript` would end the transaction first."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
