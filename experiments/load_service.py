"""How the service stands up to load, on this machine's loopback.

    python experiments/load_service.py line/parts new_images/                  # speed against the runtime
    python experiments/load_service.py line/parts new_images/ --malformed 200  # uploads that are none

Each ends with status 1 where something was lost, stored twice, or answered with 500.
"""

from __future__ import annotations

import argparse
import itertools
import random
import socket
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from malformed_uploads import uploads
from service_process import Service, ask, ask_together, kept_images, serving, sources

from excision.data.listing import list_images
from excision.runtime.inspector import Inspector
from excision.station.station import StationSettings

# Images that are under way at once, and how many of them come in one request.
LOADS = ((1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (32, 1), (8, 8), (16, 8))


def flood(
    service: Service, images: list[bytes], in_flight: int, count: int, together: int = 1
) -> tuple[float, list[float]]:
    """Have `count` images inspected, `together` in each request and always so many in flight.

    `count` is a multiple of `together`. Gives images a second, and the latencies of the requests.
    """
    numbers = itertools.count()

    def client() -> list[float]:
        connection, latencies = service.connection(), []
        while (number := next(numbers)) < count // together:
            sent = [images[(number * together + place) % len(images)] for place in range(together)]
            start = time.perf_counter()
            if together == 1:
                status, body = ask(connection, sent[0], f"load-{number}")
            else:
                status, body = ask_together(connection, sent, f"load-{number}")
            latencies.append(time.perf_counter() - start)
            assert status == 200, (status, body)
        connection.close()
        return latencies

    clients = in_flight // together
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = [pool.submit(client) for _ in range(clients)]
        latencies = list(itertools.chain.from_iterable(future.result() for future in found))
    return count / (time.perf_counter() - start), latencies


def direct(inspector: Inspector, paths: list[Path], workers: int, count: int) -> float:
    """Give images a second of the runtime alone, called from as many threads."""
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda number: inspector.inspect(paths[number % len(paths)]), range(count)))
    return count / (time.perf_counter() - start)


def speed(model: Path, paths: list[Path], count: int, rounds: int) -> int:
    """Measure the service against the runtime alone, by turns, and look for saturation.

    The runtime is called from as many threads as the service has workers, and from one: the latter, times the
    number of workers, is what all cores could do at best. The clients take part of the same cores.

    The best of the rounds counts on both sides, for whatever else runs on the machine only adds; what an
    image costs in processor time says the same with less noise.
    """
    images = [path.read_bytes() for path in paths]
    workers, threads = StationSettings(Path(), {}).threading
    inspector = Inspector(model, threads, workers=workers)
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as service:
        direct(inspector, paths, workers, 2 * workers)
        flood(service, images, workers, 2 * workers)
        asked = 2 * workers
        print(f"{workers} workers of {threads} thread(s); {len(paths)} images; best of {rounds} rounds")
        print("in flight  a request  images/s  the runtime alone  share  of all cores  p50 ms  p99 ms")
        spent, alone = 0.0, 0.0
        for in_flight, together in LOADS:
            rates, limits, singles, latencies = [], [], [], []
            for _ in range(rounds):
                limits.append(direct(inspector, paths, workers, count))
                before = time.process_time()
                singles.append(direct(inspector, paths, 1, count))
                alone += time.process_time() - before
                before = service.processor_time()
                rate, found = flood(service, images, in_flight, count, together)
                spent += service.processor_time() - before
                asked += count
                rates.append(rate)
                latencies += found
            cut = statistics.quantiles(latencies, n=100)
            print(
                f"{in_flight:9}  {together:9}  {max(rates):8.1f}  {max(limits):17.1f}  "
                f"{max(rates) / max(limits):5.0%}  {max(rates) / max(singles) / workers:12.0%}  "
                f"{1e3 * cut[49]:6.1f}  {1e3 * cut[98]:6.1f}"
            )
        stored = len(sources(service.data))
    each = rounds * len(LOADS) * count
    print(
        f"processor time an image: {1e3 * spent / each:.1f} ms, of the runtime with one thread "
        f"{1e3 * alone / each:.1f} ms, or {alone / spent:.0%}"
    )
    print(f"{asked} images answered, {stored} results stored")
    return int(stored != asked)


def overload(model: Path, paths: list[Path], seconds: float) -> int:
    """Ask far more than there is room for; gives 1 where something accepted is not stored exactly once."""
    image = paths[0].read_bytes()
    statuses: list[tuple[str, int]] = []
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder), "--queue", 8) as service:
        end = time.monotonic() + seconds

        def client(_: int) -> None:
            connection = service.connection()
            while time.monotonic() < end:
                source = uuid.uuid4().hex
                statuses.append((source, ask(connection, image, source)[0]))
            connection.close()

        with ThreadPoolExecutor(32) as pool:
            list(pool.map(client, range(32)))
        stored = sources(service.data)
    accepted = [source for source, status in statuses if status == 200]
    refused = sum(status == 503 for _, status in statuses)
    others = len(statuses) - len(accepted) - refused
    print(f"overload: {len(accepted)} accepted, {refused} refused with 503, {others} otherwise")
    print(f"stored exactly once: {sorted(accepted) == sorted(stored)}")
    return int(sorted(accepted) != sorted(stored) or others > 0)


def malformed(model: Path, paths: list[Path], count: int) -> int:
    """Send uploads that are none; gives 1 for an answer of 500, files that stay, or memory that grows."""
    rng, image = random.Random(0), paths[0].read_bytes()
    statuses: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with serving(model, data, "--max-bytes", 2**22, "--max-pixels", 10**7) as service:
            requests = itertools.chain.from_iterable(uploads(rng, image) for _ in itertools.count())
            sizes = []
            for number, request in enumerate(itertools.islice(requests, 2 * count)):
                status = raw(service.port, request)
                statuses[status] = statuses.get(status, 0) + 1
                if number == count - 1 or number == 2 * count - 1:
                    sizes.append(service.memory())
            connection = service.connection()
            well, _ = ask(connection, image, "at-the-end")
            connection.close()
        kept = {
            str(path.relative_to(data))
            for name in ("incoming", "images")
            for path in (data / name).rglob("*")
            if path.is_file()
        }
        # A damaged photograph may still decode: then it was inspected, and is kept with its result.
        orphans = kept - kept_images(data)
    growth = sizes[1] - sizes[0]
    print(f"{2 * count} malformed uploads: {dict(sorted(statuses.items()))}; then a good one: {well}")
    print(f"memory after {count}: {sizes[0] / 2**20:.0f} MiB, after {2 * count}: {growth / 2**20:+.1f} MiB")
    print(f"files kept: {len(kept)}, of them without a result: {len(orphans)}")
    wrong = [status for status in statuses if status.startswith("5") and status != "503"]
    return int(bool(wrong) or well != 200 or bool(orphans) or growth > 2**24)


def raw(port: int, request: bytes) -> str:
    """Send bytes as they are and give the status of the answer, or "closed"."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as wire:
        try:
            wire.sendall(request)
            answer = wire.recv(64)
        except TimeoutError:
            return "cut short"  # the service waits for what never comes, and now sees the end
        except OSError:
            return "closed"
    return answer.split()[1].decode() if answer else "closed"


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="exported folder")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--count", type=int, default=96, help="images of each measurement, a multiple of 8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--overload", type=float, default=5.0, help="seconds with far too many clients")
    parser.add_argument("--malformed", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.count % 8:
        parser.error("--count must be a multiple of 8")
    paths = list_images(chosen.images).images[:32]
    if chosen.malformed:
        return malformed(chosen.model, paths, chosen.malformed)
    return speed(chosen.model, paths, chosen.count, chosen.rounds) or overload(
        chosen.model, paths, chosen.overload
    )


if __name__ == "__main__":
    raise SystemExit(main())
