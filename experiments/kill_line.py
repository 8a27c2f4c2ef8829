"""Kill a station on a line again and again, and look for triggers without a report.

    PYTHONPATH=src:. python experiments/kill_line.py line/parts images/ [--kills 20] [--seed 0]

A real MQTT broker (mosquitto) carries triggers in and reports out; two folders stand for the cameras of a
part with two views. Triggers come until the station dies with `kill -9`; it is then started again in the same
folder. Every trigger that was accepted, that is, answered with its number, must get one report: a verdict, or
a fault. A report may arrive twice, and then has the same identity. Ends with status 1 if one is missing, or
if a trigger has two.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from kill_outcome import Outcome, try_line

from tests.signals.broker import Broker, Subscriber
from tests.station import described
from tests.station.conftest import Service, begin, end

TOPIC = "plant/press3"
PACE = 0.02  # seconds between two triggers
_LAST = 60.0


def main() -> int:
    return try_line(__doc__, trial, "reports by verdict")


def _tables(images: Path, port: int, deadline: str) -> dict[str, Any]:
    return {
        "station": {"name": "press 3"},
        "cameras.front": described.folder_camera(images, loop=True),
        "cameras.back": described.folder_camera(images, loop=True),
        "signals": {"deadline": deadline, "heartbeat": "200 ms"},
        "signals.mqtt": described.broker(port, TOPIC),
    }


def trial(model: Path, images: Path, kills: int, seed: int, deadline: str) -> tuple[Outcome, dict[str, int]]:
    """Kill the station so many times, start it once more, and compare the reports with the triggers."""
    start, moments = time.perf_counter(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with closing(Broker(folder)) as broker, closing(Subscriber(broker, f"{TOPIC}/#")) as line:
            file = described.describe(folder, _tables(images, broker.port, deadline))
            for number in range(1, kills + 1):
                before = len(_accepted(line))
                service = begin(f"fabric={model}", folder / "data", "--file", file)
                with _triggers(line):
                    time.sleep(moments.uniform(0.2, 1.7))
                    service.process.kill()
                end(service)
                print(f"kill {number:2}: {len(_accepted(line)) - before} accepted", flush=True)
            service = begin(f"fabric={model}", folder / "data", "--file", file)
            try:
                _wait(service, line)
            finally:
                end(service)
            accepted, reports = _accepted(line), _reports(line)
    seconds = round(time.perf_counter() - start, 1)
    lost = sorted(accepted - reports.keys())
    doubled = [number for number, found in reports.items() if len(found) > 1]
    faults = [f"trigger {number} has no report" for number in lost]
    faults += [f"trigger {number} has {len(reports[number])} reports" for number in doubled]
    verdicts: dict[str, int] = defaultdict(int)
    for found in reports.values():
        for one in found.values():
            verdicts[one["verdict"]] += 1
    return Outcome("line, MQTT", kills, len(accepted), len(lost), len(doubled), seconds, faults), verdicts


@contextmanager
def _triggers(line: Subscriber) -> Iterator[None]:
    """Send triggers, each with a request of its own, until the block ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(PACE):
            request = uuid.uuid4().hex
            line.publish(f"{TOPIC}/command/trigger", {"request": request, "serial": request[:8]})

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _accepted(line: Subscriber) -> set[int]:
    return {answer["trigger"] for answer in line.on(f"{TOPIC}/answer") if "trigger" in answer}


def _reports(line: Subscriber) -> dict[int, dict[str, Any]]:
    """Give the reports by the number of the trigger, and by their identity."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for one in line.on(f"{TOPIC}/report"):
        found[one["trigger"]][one["id"]] = one
    return found


def _wait(service: Service, line: Subscriber) -> None:
    """Wait until every trigger has a report, or for a time."""
    until = time.monotonic() + _LAST
    while time.monotonic() < until and service.process.poll() is None:
        if _accepted(line) <= _reports(line).keys():
            time.sleep(1.0)
            return
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
