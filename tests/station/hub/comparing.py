"""What a hub has against what its stations have, row by row, by a look of one's own at both databases."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

COLUMNS = {
    "results": (
        "time, source, file_size, file_mtime_ns, width, height, model, model_version, score, threshold, "
        "review_threshold, verdict, defect_area_share, boxes, seconds, error, truth, p_value, unfit, "
        "image_statistics, serial, lot, recipe, view, part, defect_class"
    ),
    "labels": "time, who, truth, note, defect_class, withdraws",
    "events": "time, who, model, what, details",
    "parts": "time, serial, lot, recipe, expected, closed, verdict, reason",
}
"""Of every table, besides what the hub adds."""

Rows = Counter[tuple[Any, ...]]


def of_station(data: Path, name: str) -> dict[str, Rows]:
    """Give the rows of a station by table, each with the name and its number."""
    # A label is sent as such, and its event is not; a part once it has its verdict.
    tables = {table: table for table in COLUMNS}
    tables |= {"events": "events WHERE what <> 'labelled'", "parts": "parts WHERE closed IS NOT NULL"}
    with closing(sqlite3.connect(data / "results.sqlite")) as connection:
        return {
            table: Counter(
                (name, *row) for row in connection.execute(f"SELECT id, {columns} FROM {tables[table]}")
            )
            for table, columns in COLUMNS.items()
        }


def of_hub(address: str) -> dict[str, Rows]:
    """Give the rows of a hub by table, each with the name of its station and its number there."""
    import psycopg

    with psycopg.connect(address) as connection:
        return {
            table: Counter(
                connection.execute(f"SELECT station, number, {columns} FROM excision.{table}".encode())
            )
            for table, columns in COLUMNS.items()
        }


def differences(address: str, stations: Mapping[str, Path]) -> list[str]:
    """Say what the hub lacks, has too often, or has otherwise; empty where each row is there once."""
    there, said = of_hub(address), []
    for table in COLUMNS:
        wanted: Rows = Counter()
        for name, data in stations.items():
            wanted += of_station(data, name)[table]
        said += [f"{table} lack {row}" for row in (wanted - there[table]).elements()]
        said += [f"{table} have {row}" for row in (there[table] - wanted).elements()]
    return said + wrong_counts(address)


def wrong_counts(address: str) -> list[str]:
    """Say where the counts by the hour are not those of the results."""
    import psycopg

    statement = """
        SELECT hour, station, model, weights, view, verdict, truth, images, round(scores::numeric, 6)
        FROM excision.tally WHERE images != 0
        EXCEPT ALL
        SELECT floor(time / 3600), station, model, split_part(model_version, '.', 1), coalesce(view, ''),
            coalesce(verdict, 'failed'), coalesce(truth, ''), count(*),
            round(coalesce(sum(score), 0)::numeric, 6)
        FROM excision.results GROUP BY 1, 2, 3, 4, 5, 6, 7
    """
    of_lots = """
        SELECT lot, station, model, view, verdict, sum(images) FROM excision.lots
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(images) != 0
        EXCEPT ALL
        SELECT lot, station, model, coalesce(view, ''), coalesce(verdict, 'failed'), count(*)
        FROM excision.results WHERE lot IS NOT NULL GROUP BY 1, 2, 3, 4, 5
    """
    with psycopg.connect(address) as connection:
        return [f"the counts have {row}" for each in (statement, of_lots) for row in connection.execute(each)]
