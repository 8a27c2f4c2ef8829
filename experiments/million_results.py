"""How long each page and route takes, and how long `/healthz` waits, with a million results.

    python experiments/million_results.py line/parts                 # a million results over a year
    python experiments/million_results.py line/parts --results 50000

Makes a database of version 1 with that many results, migrates it, and asks each route over HTTP. Each
row gives the median and the worst of five requests, and the longest time that `/healthz` took meanwhile. Ends
with status 1 where the median of a route is above 0.3 s or `/healthz` takes more than 0.1 s.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from service_process import Service, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROUTES = {
    "line, 8 hours": "/",
    "line, a week": "/?hours=168",
    "line, a year": "/?since=2020-01-01T00:00",
    "refresh of the line, a year": "/live/now?since=2020-01-01T00:00",
    "archive": "/review",
    "archive, defects": "/review?verdict=defect",
    "archive, one month": "/review?since={then}&until={later}",
    "archive, scores": "/review?lowest=3&highest=9",
    "archive, part of a source": "/review?source=part_0000777",
    "archive, no such source": "/review?source=nothing",
    "archive, labelled": "/review?labelled=yes",
    "archive, everything at once": (
        "/review?since={then}&verdict=good&model={model}&lowest=1&source=part&labelled=no"
    ),
    "forecast of thresholds, 30 days": "/review/threshold/forecast?model={model}&threshold=12&hours=720",
    "models": "/models",
    "results": "/v1/results?limit=500",
    "results, defects of a source": "/v1/results?verdict=defect&source=part_09999",
    "results, labelled": "/v1/results?labelled=true&limit=500",
    "metrics": "/metrics",
    "readyz": "/readyz",
}

ALLOWED, ALLOWED_HEALTH = 0.3, 0.1  # seconds


def rows(count: int, model: str, now: float) -> Iterator[tuple[Any, ...]]:
    """Give results of a year, most of them good."""
    rng = random.Random(0)
    for number in range(count):
        score = rng.expovariate(0.2)
        verdict = "defect" if score > 20 else "review" if score > 15 else "good"
        yield (
            now - 365 * 86400 * (1 - number / count),
            f"camera_{number % 4}/part_{number:07d}.png",
            model if number % 3 else "another",
            score,
            verdict,
            f"images/2026-03-02/{rng.getrandbits(128):032x}.png",
        )


def make(path: Path, count: int, model: str) -> None:
    """Make a file of version 1."""
    from tests.station.test_migrations import VERSION_1

    rng = random.Random(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO results (time, source, model, model_version, score, threshold, "
            "review_threshold, verdict, boxes, seconds, width, height, image) "
            "VALUES (?1, ?2, ?3, '3f9c1a7d52be', ?4, 20, 15, ?5, "
            '\'[[3, 4, 5, 6]]\', \'{"queue": 0.0004, "decode": 0.011, "model": 0.038}\', 1024, 768, ?6)',
            rows(count, model, time.time()),
        )
        connection.executemany(
            "INSERT INTO marks (result, time, who, truth, note) VALUES (?, 1, 'Ada', ?, '')",
            ((rng.randrange(1, count + 1), rng.choice(["good", "defect"])) for _ in range(count // 50)),
        )
        connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")


def measure(service: Service, address: str) -> tuple[list[float], float]:
    """Give the seconds of five requests, and the longest that `/healthz` took meanwhile."""
    health: list[float] = []
    end = threading.Event()

    def watch() -> None:
        connection = service.connection()
        while not end.is_set():
            health.append(timed(connection, "/healthz"))
            end.wait(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    connection = service.connection()
    seconds = [timed(connection, address) for _ in range(5)]
    end.set()
    thread.join()
    return seconds, max(health)


def timed(connection: Any, address: str) -> float:
    """Give the seconds of a request."""
    start = time.perf_counter()
    connection.request("GET", address)
    response = connection.getresponse()
    response.read()
    if response.status not in (200, 204):
        raise SystemExit(f"{address}: {response.status}")
    return time.perf_counter() - start


def main() -> int:
    """Make the database, migrate it, and ask for everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="exported folder")
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    from excision.station.store.store import Store

    figures: dict[str, Any] = {"results": chosen.results, "routes": {}}
    month = [
        time.strftime("%Y-%m-%dT00:00", time.localtime(time.time() - days * 86400)) for days in (200, 170)
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        path = data / "results.sqlite"
        make(path, chosen.results, "bench")
        figures["bytes_before"] = path.stat().st_size
        start = time.perf_counter()
        Store(path).close()
        figures["migration_seconds"] = round(time.perf_counter() - start, 2)
        figures["bytes_after"] = path.stat().st_size
        print(f"{chosen.results} results; migrated from version 1 in {figures['migration_seconds']} s")
        print(f"{'route':32}  median s  worst s  /healthz s")
        with serving(chosen.model, data) as service:
            for name, address in ROUTES.items():
                filled = address.format(then=month[0], later=month[1], model="bench")
                seconds, health = measure(service, filled)
                median, worst = statistics.median(seconds), max(seconds)
                figures["routes"][name] = [round(value, 4) for value in (median, worst, health)]
                print(f"{name:32}  {median:8.3f}  {worst:7.3f}  {health:10.3f}")
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    slow = [
        name for name, found in figures["routes"].items() if found[0] > ALLOWED or found[2] > ALLOWED_HEALTH
    ]
    print(f"above {ALLOWED} s, or /healthz above {ALLOWED_HEALTH} s: {', '.join(slow) or 'none'}")
    return int(bool(slow))


if __name__ == "__main__":
    raise SystemExit(main())
