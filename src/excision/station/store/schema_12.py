"""Version 12 of the tables: where in the strip of a line-scan camera an image lies."""

from __future__ import annotations

STRIPS = """
ALTER TABLE results ADD COLUMN strip INTEGER;
ALTER TABLE results ADD COLUMN strip_row INTEGER;
ALTER TABLE results ADD COLUMN strip_row_mm REAL;
CREATE INDEX results_by_strip ON results (view, strip, strip_row, id) WHERE strip IS NOT NULL;
"""
"""What turns a file of version 11 into one of version 12."""
