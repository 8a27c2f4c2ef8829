"""Ten thousand hostile requests to a service: no 500, no end, no growth, and others are answered.

    python experiments/soak_requests.py line/parts part.png                   # takes some minutes
    python experiments/soak_requests.py line/parts part.png --count 500 --seed 7
    python experiments/soak_requests.py line/parts part.png --json

A request is whole, broken, or no request at all: bytes at random, odd paths, queries, headers, cookies, forms
and JSON, on every route of the interface and of the pages. After every hundredth, a proper request must be
answered with 200. The service runs with an address space of --gigabytes. Ends with status 1 where an answer
was 500 or above (503 means that there is no room now, and is allowed), the service ended, a proper request
failed, or memory grew by more than 32 MiB in the second half.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from hostile_requests import hostile
from service_process import Service, ask, serving

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_AT_ONCE, _EVERY = 4, 100
_GROWTH = 32 * 2**20


@dataclass
class Outcome:
    """What came of a soak.

    Attributes:
        requests: that were sent.
        statuses: how often there was each answer; "closed" and "silent" where there was none.
        failures: answers of 500 and above, with the beginning of their requests.
        healthy: proper requests that were answered with 200.
        checks: proper requests that were sent.
        slowest: seconds that a proper request took at most.
        memory: resident bytes after a tenth, a half and all of the requests.
        alive: whether the service ran to the end.
        seconds: that it all took.
    """

    requests: int
    statuses: dict[str, int]
    failures: list[tuple[int, str]]
    healthy: int
    checks: int
    slowest: float
    memory: list[int]
    alive: bool
    seconds: float

    @property
    def is_good(self) -> bool:
        """Tell whether the service stood it."""
        grown = self.memory[-1] - self.memory[1]
        return not self.failures and self.alive and self.healthy == self.checks and grown < _GROWTH


def soak(model: Path, image: bytes, count: int, seed: int, gigabytes: float) -> Outcome:
    """Send hostile requests, some at once, and a proper one now and then."""
    requests = hostile(random.Random(seed), image)
    statuses: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    memory: list[int] = []
    healthy, checks, slowest, sent = 0, 0, 0.0, 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_AT_ONCE) as pool:
        limit = ("sh", "-c", f'ulimit -v {int(gigabytes * 2**20)} && exec "$@"', "sh")
        with serving(
            model, Path(folder), "--max-bytes", 2**22, "--max-pixels", 10**7, before=limit
        ) as service:
            while sent < count:
                some = list(itertools.islice(requests, min(_EVERY, count - sent)))
                for request, found in zip(
                    some, pool.map(lambda each: answers(service.port, each), some), strict=True
                ):
                    statuses.update(found)
                    failures += [
                        (int(each), repr(request[:400])) for each in found if each[0] == "5" and each != "503"
                    ]
                sent += len(some)
                checks += 1
                seconds = proper(service, image)
                healthy += seconds is not None
                slowest = max(slowest, seconds or 0.0)
                if len(memory) < 3 and sent >= count * (0.1, 0.5, 1)[len(memory)]:
                    memory.append(service.memory() if service.process.poll() is None else 0)
            alive = service.process.poll() is None
    memory += [memory[-1]] * (3 - len(memory))
    said = dict(sorted(statuses.items()))
    return Outcome(sent, said, failures, healthy, checks, slowest, memory, alive, time.monotonic() - begun)


def answers(port: int, request: bytes) -> list[str]:
    """Send bytes as they are; gives the statuses of all answers."""
    content = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
            wire.sendall(request)
            wire.settimeout(0.4)  # nothing more comes of half a request
            while len(content) < 2**22 and (part := wire.recv(65536)):
                content += part if len(content) < 65536 else b"." * len(part)
    except TimeoutError:
        pass
    except OSError:
        return [status.decode() for status in _STATUS.findall(content)] or ["closed"]
    return [status.decode() for status in _STATUS.findall(content)] or ["silent"]


def proper(service: Service, image: bytes) -> float | None:
    """Have an image inspected; gives the seconds it took, None where that failed."""
    begun = time.monotonic()
    connection = service.connection()
    try:
        connection.request("GET", "/healthz", headers={"Host": "localhost"})
        response = connection.getresponse()
        well = json.loads(response.read())["status"] == "ok" and response.status == 200
        status, _ = ask(connection, image, "proper")
    except (OSError, ValueError):
        return None
    finally:
        connection.close()
    return time.monotonic() - begun if well and status == 200 else None


def table(outcome: Outcome) -> str:
    """Write an outcome as a table in Markdown."""
    tenth, half, whole = (size / 2**20 for size in outcome.memory)
    rows = [
        ("hostile requests", f"{outcome.requests}"),
        ("answers", ", ".join(f"{status}: {number}" for status, number in outcome.statuses.items())),
        ("500 and above, but for 503", f"{len(outcome.failures)}"),
        ("proper requests answered", f"{outcome.healthy} of {outcome.checks}"),
        ("slowest proper request", f"{outcome.slowest:.2f} s"),
        ("memory after a tenth, a half, all", f"{tenth:.0f}, {half:.0f}, {whole:.0f} MiB"),
        ("alive at the end", "yes" if outcome.alive else "no"),
        ("duration", f"{outcome.seconds:.0f} s"),
    ]
    return "\n".join(
        ["| figure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]
    )


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="exported folder or run folder")
    parser.add_argument("image", type=Path, help="a good image")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gigabytes", type=float, default=8.0, help="address space of the service")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    chosen = parser.parse_args()
    outcome = soak(chosen.model, chosen.image.read_bytes(), chosen.count, chosen.seed, chosen.gigabytes)
    print(json.dumps(asdict(outcome)) if chosen.json else table(outcome))
    for status, request in outcome.failures[:20]:
        print(status, request, file=sys.stderr)
    return int(not outcome.is_good)


if __name__ == "__main__":
    raise SystemExit(main())
