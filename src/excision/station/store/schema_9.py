"""Version 9 of the tables: triggers of the line, the one report of each, and what signals did not take.

How far each signal has got stands in the table `outbox`, as it does for a hub, under `signals.NAME`.
"""

from __future__ import annotations

SIGNALS = """
CREATE TABLE triggers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    origin TEXT NOT NULL,
    request TEXT,
    serial TEXT,
    lot TEXT,
    recipe TEXT,
    view TEXT,
    report INTEGER,
    UNIQUE (origin, request)
);
CREATE INDEX triggers_open ON triggers (number) WHERE report IS NULL;
CREATE TABLE reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    trigger INTEGER UNIQUE,
    time REAL NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX reports_by_time ON reports (time);
CREATE TABLE dead_letters (
    signal TEXT NOT NULL,
    report INTEGER NOT NULL,
    time REAL NOT NULL,
    tries INTEGER NOT NULL,
    reason TEXT NOT NULL,
    again INTEGER NOT NULL DEFAULT 0,
    content TEXT NOT NULL,
    PRIMARY KEY (signal, report)
) WITHOUT ROWID;
CREATE TABLE line (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
"""What turns a file of version 8 into one of version 9."""
