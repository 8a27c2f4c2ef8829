"""The tables of a hub in PostgreSQL, and how those of an earlier version are migrated.

They are those of a station's own database, with the station in front. A row is known by the station, its
number there and its fingerprint: see `excision.station.store.sequence`.
"""

from __future__ import annotations

from excision.station.hub.schema_4 import quality

VERSION = 4

SCHEMA = "excision"

_TABLES = """
CREATE TABLE stations (
    name text PRIMARY KEY,
    identity text UNIQUE,
    home text NOT NULL,
    page text NOT NULL,
    version text NOT NULL,
    first_seen double precision NOT NULL,
    last_seen double precision NOT NULL,
    clock double precision NOT NULL,
    waiting bigint NOT NULL,
    resets bigint NOT NULL DEFAULT 0,
    results bigint NOT NULL DEFAULT 0
);
CREATE TABLE places (
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    stream text NOT NULL,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    PRIMARY KEY (station, stream)
);
CREATE TABLE models (
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    model text NOT NULL,
    PRIMARY KEY (station, model)
);
CREATE TABLE results (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    received double precision NOT NULL,
    time double precision NOT NULL,
    source text NOT NULL,
    file_size bigint,
    file_mtime_ns bigint,
    width bigint,
    height bigint,
    model text NOT NULL,
    model_version text NOT NULL,
    score double precision,
    threshold double precision NOT NULL,
    review_threshold double precision,
    verdict text CHECK (verdict IN ('good', 'review', 'defect', 'unfit')),
    defect_area_share double precision,
    boxes text NOT NULL,
    seconds text NOT NULL,
    error text,
    truth text,
    p_value double precision,
    unfit text NOT NULL,
    image_statistics text NOT NULL,
    CHECK ((verdict IS NULL) = (error IS NOT NULL)),
    CHECK ((coalesce(verdict, '') = 'unfit') = (unfit != '[]')),
    UNIQUE (station, number, fingerprint)
);
CREATE INDEX results_by_time ON results (time, id);
CREATE INDEX results_by_station ON results (station, time, id);
CREATE INDEX results_by_verdict ON results (verdict, time, id);
CREATE INDEX results_by_score ON results (score);
CREATE TABLE labels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station text NOT NULL,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    result bigint NOT NULL REFERENCES results (id) ON DELETE CASCADE,
    time double precision NOT NULL,
    who text NOT NULL,
    truth text NOT NULL CHECK (truth IN ('good', 'defect')),
    note text NOT NULL,
    UNIQUE (station, number, fingerprint)
);
CREATE INDEX labels_by_result ON labels (result, id);
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    time double precision NOT NULL,
    who text NOT NULL,
    model text NOT NULL,
    what text NOT NULL,
    details text NOT NULL,
    UNIQUE (station, number, fingerprint)
);
CREATE INDEX events_by_time ON events (time, id);
CREATE TABLE refused (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    stream text NOT NULL,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    received double precision NOT NULL,
    reason text NOT NULL,
    content text NOT NULL,
    UNIQUE (station, stream, number, fingerprint)
);
CREATE TABLE tally (
    hour bigint NOT NULL,
    station text NOT NULL,
    model text NOT NULL,
    verdict text NOT NULL,
    truth text NOT NULL,
    images bigint NOT NULL,
    PRIMARY KEY (hour, station, model, verdict, truth)
);
"""


def _count(rows: str, change: str) -> str:
    """Give the statement that counts rows of results in or out."""
    return f"""
    INSERT INTO tally AS known (hour, station, model, verdict, truth, images)
    SELECT floor(time / 3600)::bigint, station, model, coalesce(verdict, 'failed'),
        coalesce(truth, ''), {change}
    FROM {rows} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (hour, station, model, verdict, truth)
    DO UPDATE SET images = known.images + excluded.images;"""


def _count_views(rows: str, change: str) -> str:
    """Give the statement of version 2 that counts rows of results in or out."""
    return f"""
    INSERT INTO tally AS known (hour, station, model, view, verdict, truth, images)
    SELECT floor(time / 3600)::bigint, station, model, coalesce(view, ''), coalesce(verdict, 'failed'),
        coalesce(truth, ''), {change}
    FROM {rows} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (hour, station, model, view, verdict, truth)
    DO UPDATE SET images = known.images + excluded.images;"""


def _function(name: str, body: str) -> str:
    # An administrator who removes results has another search path.
    return f"""
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger
LANGUAGE plpgsql SET search_path = {SCHEMA} AS $$ BEGIN{body}
    RETURN NULL;
END $$;"""


def _trigger(name: str, event: str, tables: str, body: str, table: str = "results") -> str:
    return f"""{_function(name, body)}
CREATE TRIGGER {name} AFTER {event} ON {table} {tables} FOR EACH STATEMENT EXECUTE FUNCTION {name}();
"""


_NEW, _OLD = "REFERENCING NEW TABLE AS added", "REFERENCING OLD TABLE AS gone"

_TRIGGERS = "".join(
    (
        _trigger("results_insert", "INSERT", _NEW, _count("added", "count(*)")),
        _trigger("results_delete", "DELETE", _OLD, _count("gone", "-count(*)")),
        _trigger(
            "results_update",
            "UPDATE",
            f"{_OLD} NEW TABLE AS added",
            _count("gone", "-count(*)") + _count("added", "count(*)"),
        ),
        _trigger(
            "labels_insert",
            "INSERT",
            _NEW,
            """
    UPDATE results SET truth = (
        SELECT labels.truth FROM labels WHERE labels.result = results.id ORDER BY labels.id DESC LIMIT 1
    ) WHERE id IN (SELECT result FROM added);""",
            "labels",
        ),
    )
)

# What a result knows of its part, classes of defects, and labels that are withdrawn.
_PARTS = f"""
ALTER TABLE results
    ADD COLUMN serial text, ADD COLUMN lot text, ADD COLUMN recipe text, ADD COLUMN view text,
    ADD COLUMN part bigint, ADD COLUMN defect_class text;
CREATE INDEX results_by_serial ON results (serial, time, id) WHERE serial IS NOT NULL;
CREATE INDEX results_by_lot ON results (lot, time, id) WHERE lot IS NOT NULL;
CREATE INDEX results_by_defect_class ON results (defect_class, time, id) WHERE defect_class IS NOT NULL;
ALTER TABLE labels ADD COLUMN defect_class text, ADD COLUMN withdraws bigint;
ALTER TABLE labels DROP CONSTRAINT labels_truth_check;
ALTER TABLE labels
    ADD CONSTRAINT labels_truth_check CHECK (truth IN ('good', 'defect', 'withdrawn')),
    ADD CHECK ((truth = 'withdrawn') = (withdraws IS NOT NULL)),
    ADD CHECK (defect_class IS NULL OR truth = 'defect');
ALTER TABLE tally ADD COLUMN view text NOT NULL DEFAULT '';
ALTER TABLE tally DROP CONSTRAINT tally_pkey;
ALTER TABLE tally ADD PRIMARY KEY (hour, station, model, view, verdict, truth);
{_function("results_insert", _count_views("added", "count(*)"))}
{_function("results_delete", _count_views("gone", "-count(*)"))}
{_function("results_update", _count_views("gone", "-count(*)") + _count_views("added", "count(*)"))}
{
    _function(
        "labels_insert",
        '''
    UPDATE results SET (truth, defect_class) = (
        SELECT said.truth, said.defect_class FROM labels AS said
        WHERE said.result = results.id AND said.truth <> 'withdrawn' AND NOT EXISTS (
            SELECT 1 FROM labels AS back WHERE back.result = said.result AND back.withdraws = said.number
        )
        ORDER BY said.id DESC LIMIT 1
    ) WHERE id IN (SELECT result FROM added);''',
    )
}
"""

# Refused rows are counted as they come: there may be more of them than are kept.
_REFUSED = """
ALTER TABLE stations ADD COLUMN refused bigint NOT NULL DEFAULT 0;
UPDATE stations SET refused = (SELECT count(*) FROM refused WHERE refused.station = stations.name);
"""

STEPS: dict[int, str] = {1: _TABLES + _TRIGGERS, 2: _PARTS, 3: _REFUSED, 4: quality(_function, _trigger)}
"""What turns the tables of the version before into those of the version that is the key."""
