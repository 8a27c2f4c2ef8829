"""Version 8 of the tables: who may do what, alarms, and events that are a chain of hashes."""

from __future__ import annotations

PEOPLE = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('operator', 'reviewer', 'engineer', 'admin')),
    password TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    generation INTEGER NOT NULL DEFAULT 0,
    language TEXT NOT NULL DEFAULT ''
);
CREATE TABLE alarms (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    details TEXT NOT NULL,
    after INTEGER NOT NULL,
    acknowledged REAL,
    who TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX alarms_open ON alarms (kind, model) WHERE acknowledged IS NULL;
ALTER TABLE events ADD COLUMN hash TEXT NOT NULL DEFAULT '';
"""
