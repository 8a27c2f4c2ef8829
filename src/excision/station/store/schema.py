"""The tables of a station's results up to version 6, and what turned each of these into the next."""

from __future__ import annotations

_RESULTS = """
CREATE TABLE {name} (
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
    verdict TEXT CHECK (verdict IN ('good', 'review', 'defect', 'unfit')),
    defect_area_share REAL,
    boxes TEXT NOT NULL,
    seconds TEXT NOT NULL,
    error TEXT,
    truth TEXT,
    p_value REAL,
    unfit TEXT NOT NULL DEFAULT '[]',
    CHECK ((verdict IS NULL) = (error IS NOT NULL)),
    CHECK ((coalesce(verdict, '') = 'unfit') = (unfit != '[]')),
    UNIQUE (source, file_size, file_mtime_ns)
);
"""

_INDEXES = """
CREATE INDEX results_by_time ON results (time);
CREATE INDEX results_by_verdict ON results (verdict, time);
CREATE INDEX results_by_score ON results (score);
"""

_TABLES = f"""
{_RESULTS.format(name="results")}
{_INDEXES}
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

HOUR = "CAST({0} / 3600 AS INTEGER) - ({0} < CAST({0} / 3600 AS INTEGER) * 3600)"
"""Of a time, also before 1970, and however the division is rounded."""

_LAST_TRUTH = "(SELECT truth FROM labels WHERE result = {0} ORDER BY id DESC LIMIT 1)"


def _count(row: str, change: str) -> str:
    """Give the statement that counts a row of results in or out."""
    hour = HOUR.format(f"{row}.time")
    return f"""
    INSERT INTO tally (hour, model, verdict, truth, images)
    VALUES ({hour}, {row}.model, coalesce({row}.verdict, 'failed'), coalesce({row}.truth, ''), {change})
    ON CONFLICT (hour, model, verdict, truth) DO UPDATE SET images = images + {change};"""


def _mark(row: str) -> str:
    """Give the statement that notes what a person said last about the result of a label."""
    last = _LAST_TRUTH.format(f"{row}.result")
    return f"\n    UPDATE results SET truth = {last} WHERE id = {row}.result;"


# What is kept so that a page about a million results takes no longer than one about a thousand.
_WIDE_INDEXES = """
CREATE INDEX results_filter ON results (id, time, model, verdict, truth, score, source);
CREATE INDEX results_kept ON results (verdict, time) WHERE image IS NOT NULL;
"""

_TALLY = f"""
CREATE TABLE tally (
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    verdict TEXT NOT NULL,
    truth TEXT NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (hour, model, verdict, truth)
) WITHOUT ROWID;
INSERT INTO tally
SELECT {HOUR.format("time")}, model, coalesce(verdict, 'failed'), coalesce(truth, ''), count(*)
FROM results GROUP BY 1, 2, 3, 4;
"""

_TRIGGERS = f"""
CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN{_count("NEW", "1")}
END;
CREATE TRIGGER results_delete AFTER DELETE ON results BEGIN{_count("OLD", "-1")}
END;
CREATE TRIGGER results_update AFTER UPDATE OF time, model, verdict, truth ON results BEGIN
{_count("OLD", "-1")}{_count("NEW", "1")}
END;
CREATE TRIGGER labels_insert AFTER INSERT ON labels BEGIN{_mark("NEW")}
END;
CREATE TRIGGER labels_delete AFTER DELETE ON labels BEGIN{_mark("OLD")}
END;
CREATE TRIGGER labels_update AFTER UPDATE ON labels BEGIN{_mark("OLD")}{_mark("NEW")}
END;
"""

_COUNTED = f"""{_WIDE_INDEXES}{_TALLY}{_TRIGGERS}
CREATE TABLE removals (image TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_KEPT = (
    "id, time, source, file_size, file_mtime_ns, image, width, height, model, model_version, score, "
    "threshold, review_threshold, verdict, defect_area_share, boxes, seconds, error, truth"
)

# What is needed to tell whether the line drifts.
_DRIFT = """
ALTER TABLE results ADD COLUMN image_statistics TEXT NOT NULL DEFAULT '{}';
CREATE TABLE drift (
    model TEXT NOT NULL,
    weights TEXT NOT NULL,
    state TEXT NOT NULL,
    before TEXT,
    PRIMARY KEY (model, weights)
);
"""

# How far a station has got with sending to a hub, and what proves to the hub that it is the same station.
_OUTBOX = """
CREATE TABLE outbox (stream TEXT PRIMARY KEY, number INTEGER NOT NULL, time REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1), secret TEXT NOT NULL, made REAL NOT NULL);
"""

VERSION_6 = (_TABLES, _COUNTED, _DRIFT, _OUTBOX)
"""What makes the tables of version 6; those of a later version are made from them, step by step."""

# Version 1 called labels marks; the view keeps the queries of others working for one release.
STEPS: dict[int, str] = {
    2: """
DROP INDEX marks_by_result;
ALTER TABLE marks RENAME TO labels;
CREATE INDEX labels_by_result ON labels (result, id);
CREATE VIEW marks AS SELECT * FROM labels;
""",
    3: f"""
ALTER TABLE results ADD COLUMN truth TEXT;
UPDATE results SET truth = {_LAST_TRUTH.format("results.id")} WHERE id IN (SELECT result FROM labels);
{_COUNTED}""",
    # A check cannot be changed in place: the table is written anew. Triggers that name it would stand in the
    # way of its new name; the highest number that was ever given must stay known.
    4: f"""
DROP TRIGGER labels_insert;
DROP TRIGGER labels_delete;
DROP TRIGGER labels_update;
{_RESULTS.format(name="results_next")}
INSERT INTO results_next ({_KEPT}) SELECT {_KEPT} FROM results;
DELETE FROM sqlite_sequence WHERE name = 'results_next';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'results_next', seq FROM sqlite_sequence WHERE name = 'results';
DROP TABLE results;
ALTER TABLE results_next RENAME TO results;
{_INDEXES}{_WIDE_INDEXES}{_TRIGGERS}""",
    5: _DRIFT,
    6: _OUTBOX,
}
"""What turns a file of the version before, up to 6, into one of the version that is the key."""
