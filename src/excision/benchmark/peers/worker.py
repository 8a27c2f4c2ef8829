"""One method in one engine, in a process of its own.

Started as `python -m excision.benchmark.peers.worker`. The first line of its input says as JSON what to do.
Each further line is a number of inspections; the answer is the seconds that they took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from excision.benchmark.peers.engines import Engine, drawn_images, opened
from excision.benchmark.peers.subjects import SIZE, build
from excision.runtime.speed import matrix_product_rate
from excision.system.usage import own_peak_memory_mb

STARTED = "EXCISION_PEER_STARTED"
"""Environment variable: when the process was started, seconds since 1970."""


def serve() -> int:
    """Do what the standard input says."""
    job = json.loads(sys.stdin.readline())
    engine, threads = Engine(*job["engine"]), int(job["threads"])
    network = build(job["name"], Path(job["run"])) if engine.name == "torch" else None
    run = opened(engine, network, Path(job["graph"]) if job["graph"] else None, threads)
    images = drawn_images(job["channels"], SIZE, 1)[0]
    run(images)
    first = time.time() - float(os.environ.get(STARTED, time.time()))
    run(images)
    _say({"first_result": round(first, 3), "peak_memory_mb": round(own_peak_memory_mb(), 1)})
    for line in sys.stdin:
        count = int(line)
        start = time.perf_counter()
        for _ in range(count):
            run(images)
        seconds = time.perf_counter() - start
        _say({"seconds": seconds, "peak_rate": matrix_product_rate(1)})
    return 0


def _say(what: dict[str, float]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(serve())
