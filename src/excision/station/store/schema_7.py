"""Version 7 of the tables: what a result knows of its part, parts of several views, classes of defects.

Labels can be withdrawn: a withdrawal is a row of its own, and nothing is ever removed.
"""

from __future__ import annotations

from excision.station.store.schema import HOUR

_COLUMNS = """
ALTER TABLE results ADD COLUMN serial TEXT;
ALTER TABLE results ADD COLUMN lot TEXT;
ALTER TABLE results ADD COLUMN recipe TEXT;
ALTER TABLE results ADD COLUMN station TEXT;
ALTER TABLE results ADD COLUMN view TEXT;
ALTER TABLE results ADD COLUMN part INTEGER;
ALTER TABLE results ADD COLUMN defect_class TEXT;
DROP INDEX results_filter;
CREATE INDEX results_filter ON results (id, time, model, verdict, truth, score, source, view, recipe);
CREATE INDEX results_by_serial ON results (serial, id) WHERE serial IS NOT NULL;
CREATE INDEX results_by_part ON results (part, id) WHERE part IS NOT NULL;
CREATE INDEX results_by_lot ON results (lot, id, time, model, verdict, truth, score, view)
WHERE lot IS NOT NULL;
CREATE INDEX results_by_defect_class ON results (defect_class, id, time, model, lot)
WHERE defect_class IS NOT NULL;
"""

_PARTS = """
CREATE TABLE parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    serial TEXT,
    lot TEXT,
    recipe TEXT,
    expected TEXT NOT NULL,
    deadline REAL,
    closed REAL,
    verdict TEXT CHECK (verdict IN ('good', 'review', 'defect', 'unfit', 'fault')),
    reason TEXT,
    CHECK ((closed IS NULL) = (verdict IS NULL))
);
CREATE INDEX parts_by_serial ON parts (serial, id) WHERE serial IS NOT NULL;
CREATE INDEX parts_by_lot ON parts (lot, id) WHERE lot IS NOT NULL;
CREATE INDEX parts_open ON parts (id) WHERE closed IS NULL;
"""

# A check cannot be changed in place; the highest number that was ever given must stay known.
_LABELS = """
DROP TRIGGER labels_insert;
DROP TRIGGER labels_delete;
DROP TRIGGER labels_update;
DROP VIEW marks;
CREATE TABLE labels_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    result INTEGER NOT NULL REFERENCES results (id),
    time REAL NOT NULL,
    who TEXT NOT NULL,
    truth TEXT NOT NULL CHECK (truth IN ('good', 'defect', 'withdrawn')),
    note TEXT NOT NULL,
    defect_class TEXT,
    withdraws INTEGER,
    CHECK ((truth = 'withdrawn') = (withdraws IS NOT NULL)),
    CHECK (defect_class IS NULL OR truth = 'defect')
);
INSERT INTO labels_next (id, result, time, who, truth, note)
SELECT id, result, time, who, truth, note FROM labels;
DELETE FROM sqlite_sequence WHERE name = 'labels_next';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'labels_next', seq FROM sqlite_sequence WHERE name = 'labels';
DROP TABLE labels;
ALTER TABLE labels_next RENAME TO labels;
CREATE INDEX labels_by_result ON labels (result, id);
CREATE UNIQUE INDEX labels_withdrawn ON labels (withdraws) WHERE withdraws IS NOT NULL;
CREATE VIEW marks AS SELECT id, result, time, who, truth, note FROM labels WHERE truth != 'withdrawn';
"""

_LAST = """(
        SELECT truth, defect_class FROM labels AS said
        WHERE result = {0} AND truth != 'withdrawn'
        AND NOT EXISTS (SELECT 1 FROM labels AS back WHERE back.withdraws = said.id)
        ORDER BY id DESC LIMIT 1
    )"""

# A model that is loaded anew may score on another scale: its weights stand before the first dot.
_WEIGHTS = "substr({0}model_version, 1, instr({0}model_version || '.', '.') - 1)"

# An infinite score would spoil the sum for ever.
_SCORE = "coalesce(CASE WHEN abs({0}score) < 1e15 THEN {0}score END, 0.0)"

_TALLY = f"""
DROP TRIGGER results_insert;
DROP TRIGGER results_delete;
DROP TRIGGER results_update;
DROP TABLE tally;
CREATE TABLE tally (
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    weights TEXT NOT NULL,
    view TEXT NOT NULL,
    verdict TEXT NOT NULL,
    truth TEXT NOT NULL,
    images INTEGER NOT NULL,
    scores REAL NOT NULL,
    PRIMARY KEY (hour, model, weights, view, verdict, truth)
) WITHOUT ROWID;
INSERT INTO tally
SELECT {HOUR.format("time")}, model, {_WEIGHTS.format("")}, coalesce(view, ''), coalesce(verdict, 'failed'),
    coalesce(truth, ''), count(*), sum({_SCORE.format("")})
FROM results GROUP BY 1, 2, 3, 4, 5, 6;
CREATE TABLE lots (
    lot TEXT NOT NULL,
    model TEXT NOT NULL,
    weights TEXT NOT NULL,
    view TEXT NOT NULL,
    verdict TEXT NOT NULL,
    truth TEXT NOT NULL,
    images INTEGER NOT NULL,
    first REAL NOT NULL,
    last REAL NOT NULL,
    PRIMARY KEY (lot, model, weights, view, verdict, truth)
) WITHOUT ROWID;
CREATE INDEX lots_by_last ON lots (last, lot);
"""


def _count(row: str, change: str) -> str:
    """Give the statements that count a row of results in or out."""
    key = (
        f"{row}.model, {_WEIGHTS.format(f'{row}.')}, coalesce({row}.view, ''), "
        f"coalesce({row}.verdict, 'failed'), coalesce({row}.truth, '')"
    )
    names = "model, weights, view, verdict, truth"
    return f"""
    INSERT INTO tally (hour, {names}, images, scores)
    VALUES ({HOUR.format(f"{row}.time")}, {key}, {change}, {change} * {_SCORE.format(f"{row}.")})
    ON CONFLICT (hour, {names})
    DO UPDATE SET images = images + {change}, scores = scores + excluded.scores;
    INSERT INTO lots (lot, {names}, images, first, last)
    SELECT {row}.lot, {key}, {change}, {row}.time, {row}.time WHERE {row}.lot IS NOT NULL
    ON CONFLICT (lot, {names})
    DO UPDATE SET images = images + {change}, first = min(first, excluded.first),
        last = max(last, excluded.last);"""


def _mark(row: str) -> str:
    """Give the statement that notes what counts of what people said about the result of a label."""
    last = _LAST.format(f"{row}.result")
    return f"""
    UPDATE results SET (truth, defect_class) = {last} WHERE id = {row}.result;"""


_TRIGGERS = f"""
CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN{_count("NEW", "1")}
END;
CREATE TRIGGER results_delete AFTER DELETE ON results BEGIN{_count("OLD", "-1")}
END;
CREATE TRIGGER results_update
AFTER UPDATE OF time, model, model_version, verdict, truth, score, view, lot ON results BEGIN
{_count("OLD", "-1")}{_count("NEW", "1")}
END;
CREATE TRIGGER labels_insert AFTER INSERT ON labels BEGIN{_mark("NEW")}
END;
CREATE TRIGGER labels_delete AFTER DELETE ON labels BEGIN{_mark("OLD")}
END;
CREATE TRIGGER labels_update AFTER UPDATE ON labels BEGIN{_mark("OLD")}{_mark("NEW")}
END;
"""

PARTS = f"{_COLUMNS}{_PARTS}{_LABELS}{_TALLY}{_TRIGGERS}"
"""What turns a file of version 6 into one of version 7."""
