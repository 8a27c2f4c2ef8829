"""How long it takes from a trigger to its signal, with a real broker, a real web server and a busy station.

    PYTHONPATH=src:. python experiments/signal_times.py line/parts images/ [--triggers 1000] [--rate 5]
        [--clients 0 2] [--deadline "500 ms"]

A folder stands for the camera. The trigger comes in by MQTT; the report goes out by MQTT and by webhook.
Times count from when the station accepted the trigger until the report was in the hands of the subscriber, or
of the web server; for MQTT also from just before the command was published. Clients that send images over
HTTP all the while are the load; the station is measured once with each number of them. Prints a table of
percentiles in milliseconds, in Markdown.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from excision.data.listing import list_images
from tests.signals.broker import Broker, Subscriber
from tests.station import described
from tests.station.conftest import Service, begin, end

TOPIC = "plant/press3"


class Receiver(http.server.ThreadingHTTPServer):
    """Notes when each report came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[tuple[float, dict[str, Any]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take a report."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((time.time(), json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Listener(Subscriber):
    """Notes when each report came over MQTT."""

    def __init__(self, broker: Broker) -> None:
        self.times: dict[str, float] = {}
        super().__init__(broker, f"{TOPIC}/#")

    def _hear(self, client: Any, data: Any, message: Any) -> None:
        now = time.time()
        if message.topic.endswith("/report"):
            self.times.setdefault(json.loads(message.payload)["id"], now)
        super()._hear(client, data, message)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="exported model")
    parser.add_argument("images", type=Path, help="folder of images that the camera gives")
    parser.add_argument("--triggers", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5.0, help="triggers a second")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[0], help="that send images over HTTP all the while"
    )
    parser.add_argument("--deadline", default="500 ms")
    chosen = parser.parse_args(words)
    print("| load | from, to | reports | p50 | p99 | p99.9 | longest |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    notes, whole = [], True
    for clients in chosen.clients:
        with tempfile.TemporaryDirectory() as name, closing(Broker(Path(name))) as broker:
            note, all_there = trial(Path(name), broker, chosen, clients)
        notes.append(note)
        whole = whole and all_there
    print("\n" + "\n".join(notes))
    return 0 if whole else 1


def trial(folder: Path, broker: Broker, chosen: argparse.Namespace, clients: int) -> tuple[str, bool]:
    """Send the triggers, and print the rows; give what else to say, and whether every report has come."""
    receiver = Receiver()
    tables = {
        "station": {"name": "press 3", "keep": "flagged"},
        "cameras.front": described.folder_camera(chosen.images, loop=True),
        "signals": {"deadline": chosen.deadline},
        "signals.mqtt": described.broker(broker.port, TOPIC),
        "signals.webhook": described.webhook(receiver.server_address[1]),
    }
    file = described.describe(folder, tables)
    service = begin(f"bench={chosen.model}", folder / "data", "--file", file)
    try:
        with closing(Listener(broker)) as line, _load(service, chosen.images, clients):
            line.wait(f"{TOPIC}/state", 1)
            published = _send(line, chosen.triggers, chosen.rate)
            reports = line.wait(f"{TOPIC}/report", chosen.triggers, 120)
            until = time.monotonic() + 60
            while len(receiver.heard) < chosen.triggers and time.monotonic() < until:
                time.sleep(0.05)
    finally:
        end(service)
    asked = {answer["trigger"]: answer["request"] for answer in line.on(f"{TOPIC}/answer")}
    out = {
        "command published, to report at a subscriber (MQTT)": [
            line.times[one["id"]] - published[asked[one["trigger"]]] for one in reports
        ],
        "trigger accepted, to report at a subscriber (MQTT)": [
            line.times[one["id"]] - one["triggered"] for one in reports
        ],
        "trigger accepted, to report at the server (webhook)": [
            when - one["triggered"] for when, one in receiver.heard
        ],
    }
    load = f"{chosen.rate:g} triggers a second" + (f", {clients} busy clients" if clients else "")
    for what, times in out.items():
        shown = " | ".join(f"{1000 * np.quantile(times, q):.0f}" for q in (0.5, 0.99, 0.999, 1.0))
        print(f"| {load} | {what} | {len(times)} | {shown} |", flush=True)
    missed = sum(one["deadline_missed"] for one in reports)
    note = f"{load}: {missed} of {len(reports)} reports missed the deadline of {chosen.deadline}."
    whole = len({one["trigger"] for one in reports}) == chosen.triggers
    return note, whole and len(receiver.heard) >= chosen.triggers


def _send(line: Listener, count: int, rate: float) -> dict[str, float]:
    """Publish triggers at a pace; give when each request was published."""
    published, start = {}, time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        published[f"r{number}"] = time.time()
        line.publish(f"{TOPIC}/command/trigger", {"request": f"r{number}"})
    return published


@contextmanager
def _load(service: Service, images: Path, clients: int) -> Iterator[None]:
    """Have clients send images, one after the other, until the block ends."""
    ended, body = threading.Event(), list_images(images).images[0].read_bytes()

    def run() -> None:
        while not ended.is_set():
            with suppress(OSError, http.client.HTTPException):
                service.ask("POST", "/v1/inspect?source=load", body)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    sys.exit(main())
