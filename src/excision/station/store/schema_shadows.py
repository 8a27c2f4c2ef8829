"""Tables of shadow mode: challengers that run beside the model in use, and what they would have said."""

from __future__ import annotations

SHADOWS = """
CREATE TABLE shadows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    folder TEXT NOT NULL,
    version TEXT NOT NULL,
    threshold REAL NOT NULL,
    who TEXT NOT NULL,
    began REAL NOT NULL,
    ended REAL,
    dropped INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE shadow_results (
    shadow INTEGER NOT NULL REFERENCES shadows (id),
    result INTEGER NOT NULL REFERENCES results (id),
    score REAL NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('good', 'review', 'defect', 'unfit')),
    seconds REAL NOT NULL,
    PRIMARY KEY (shadow, result)
) WITHOUT ROWID;
"""
