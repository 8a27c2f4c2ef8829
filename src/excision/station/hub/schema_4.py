"""Version 4 of the tables of a hub: parts, calendars of shifts, and what the charts of quality need.

The counts by the hour get the weights of the model and the sum of its scores, and those by the lot a table of
their own, both as in the database of a station.
"""

from __future__ import annotations

from collections.abc import Callable

_WEIGHTS = "split_part(model_version, '.', 1)"
_SCORE = "coalesce(CASE WHEN abs(score) < 1e15 THEN score END, 0.0)"
_KEY = "station, model, weights, view, verdict, truth"
_VALUES = f"""station, model, {_WEIGHTS}, coalesce(view, ''), coalesce(verdict, 'failed'),
        coalesce(truth, '')"""


def _count(rows: str, sign: str) -> str:
    """Give the statements that count rows of results in or out."""
    return f"""
    INSERT INTO tally AS known (hour, {_KEY}, images, scores)
    SELECT floor(time / 3600)::bigint, {_VALUES}, {sign}count(*), {sign}sum({_SCORE})
    FROM {rows} GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (hour, {_KEY})
    DO UPDATE SET images = known.images + excluded.images, scores = known.scores + excluded.scores;
    INSERT INTO lots AS known (lot, {_KEY}, images, first, last)
    SELECT lot, {_VALUES}, {sign}count(*), min(time), max(time)
    FROM {rows} WHERE lot IS NOT NULL GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (lot, {_KEY})
    DO UPDATE SET images = known.images + excluded.images, first = least(known.first, excluded.first),
        last = greatest(known.last, excluded.last);"""


_TABLES = """
ALTER TABLE stations ADD COLUMN shifts text;
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station text NOT NULL REFERENCES stations (name) ON DELETE CASCADE,
    number bigint NOT NULL,
    fingerprint text NOT NULL,
    time double precision NOT NULL,
    serial text,
    lot text,
    recipe text,
    expected text NOT NULL,
    closed double precision NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('good', 'review', 'defect', 'unfit', 'fault')),
    reason text,
    UNIQUE (station, number, fingerprint)
);
CREATE INDEX parts_by_time ON parts (time, id);
CREATE INDEX parts_by_station ON parts (station, time, id);
CREATE INDEX parts_by_serial ON parts (serial, time, id) WHERE serial IS NOT NULL;
CREATE INDEX parts_by_lot ON parts (lot, time, id) WHERE lot IS NOT NULL;
CREATE INDEX results_by_part ON results (station, part) WHERE part IS NOT NULL;
DROP TABLE tally;
CREATE TABLE tally (
    hour bigint NOT NULL,
    station text NOT NULL,
    model text NOT NULL,
    weights text NOT NULL,
    view text NOT NULL,
    verdict text NOT NULL,
    truth text NOT NULL,
    images bigint NOT NULL,
    scores double precision NOT NULL,
    PRIMARY KEY (hour, station, model, weights, view, verdict, truth)
);
CREATE TABLE lots (
    lot text NOT NULL,
    station text NOT NULL,
    model text NOT NULL,
    weights text NOT NULL,
    view text NOT NULL,
    verdict text NOT NULL,
    truth text NOT NULL,
    images bigint NOT NULL,
    first double precision NOT NULL,
    last double precision NOT NULL,
    PRIMARY KEY (lot, station, model, weights, view, verdict, truth)
);
CREATE INDEX lots_by_last ON lots (last, lot);
"""

# What one view says of the serial number or the lot, the station notes for the others when the part gets its
# verdict; their rows may have been sent before.
_SHARED = """
    UPDATE results SET serial = coalesce(results.serial, added.serial), lot = coalesce(results.lot, added.lot)
    FROM added WHERE results.station = added.station AND results.part = added.number
        AND results.time BETWEEN added.time - 3600 AND added.closed + 3600
        AND ((results.serial IS NULL AND added.serial IS NOT NULL)
            OR (results.lot IS NULL AND added.lot IS NOT NULL));"""


def quality(function: Callable[[str, str], str], trigger: Callable[[str, str, str, str, str], str]) -> str:
    """Give what turns the tables of version 3 into those of version 4.

    Args:
        function: gives the statement that makes or replaces a function, by its name and body.
        trigger: gives the one that makes a trigger as well, by name, event, tables, body and table.
    """
    return f"""{_TABLES}
{function("results_insert", _count("added", ""))}
{function("results_delete", _count("gone", "-"))}
{function("results_update", _count("gone", "-") + _count("added", ""))}
{trigger("parts_insert", "INSERT", "REFERENCING NEW TABLE AS added", _SHARED, "parts")}
{_count("results", "")}
"""
