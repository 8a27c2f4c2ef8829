"""Version 11 of the tables: users whom a provider signs in, and what is known from the last start."""

from __future__ import annotations

OUTSIDE = """
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_outside ON users (issuer, subject) WHERE issuer IS NOT NULL;
CREATE TABLE remembered (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
"""What turns a file of version 10 into one of version 11."""
