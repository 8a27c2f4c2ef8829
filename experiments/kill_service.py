"""Kill the service under load again and again, and look for answers that are lost.

    python experiments/kill_service.py line/parts images/ [--kills 20] [--seed 0]

Clients send images that all differ, until the service dies; it is then started again in the same folder.
After the last kill every image that was answered with 200 must be in the database once, and its picture must
be kept, byte for byte. Ends with status 1 if not, if a picture without a result is left, or if the database
is damaged.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import random
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from kill_outcome import Outcome, report
from numpy.typing import NDArray
from PIL import Image
from service_process import Service, ask, serving

from excision.data.listing import list_images
from excision.system.files import sha256

CLIENTS = 8


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="exported model")
    parser.add_argument("images", type=Path, help="folder of images to make the uploads from")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the images and the moments")
    chosen = parser.parse_args()
    outcome = trial(chosen.model, chosen.images, chosen.kills, chosen.seed)
    print(report([outcome]))
    return 0 if outcome.passed else 1


def trial(model: Path, images: Path, kills: int, seed: int) -> Outcome:
    """Kill the service so many times, start it once more, and compare its folder with the answers."""
    start, moments = time.perf_counter(), random.Random(seed)
    pixels = np.asarray(Image.open(list_images(images).images[0]))
    answered: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for number in range(1, kills + 1):
            before = len(answered)
            with serving(model, data) as service:
                threads = [
                    threading.Thread(target=_ask_until_dead, args=(service, pixels, answered))
                    for _ in range(CLIENTS)
                ]
                for thread in threads:
                    thread.start()
                time.sleep(moments.uniform(0.0, 1.5))
                service.process.kill()
                for thread in threads:
                    thread.join()
            print(f"kill {number:2}: {len(answered) - before} answered", flush=True)
        with serving(model, data):
            rows = _rows(data)
            faults = list(_faults(data, rows, answered))
    sources = [source for source, _ in rows]
    return Outcome(
        "service",
        kills,
        len(answered),
        lost=len(answered.keys() - set(sources)),
        duplicates=len(sources) - len(set(sources)),
        seconds=round(time.perf_counter() - start, 1),
        faults=faults,
    )


def _ask_until_dead(service: Service, pixels: NDArray[np.uint8], answered: dict[str, str]) -> None:
    connection, rng = service.connection(), np.random.default_rng()
    while True:
        source, changed, stream = uuid.uuid4().hex, pixels.copy(), io.BytesIO()
        changed[:8, :8] = rng.integers(0, 256, changed[:8, :8].shape)
        Image.fromarray(changed).save(stream, "PNG")
        try:
            status, _ = ask(connection, stream.getvalue(), source)
        except (OSError, http.client.HTTPException):
            return
        if status == 200:
            answered[source] = hashlib.sha256(stream.getvalue()).hexdigest()


def _rows(data: Path) -> list[tuple[str, str | None]]:
    """Give source and picture of all stored results, by a look of one's own at the file."""
    connection = sqlite3.connect(data / "results.sqlite")
    try:
        return connection.execute("SELECT source, image FROM results").fetchall()
    finally:
        connection.close()


def _faults(data: Path, rows: list[tuple[str, str | None]], answered: dict[str, str]) -> Iterator[str]:
    """Compare the folder of a station that has just started again with what it answered."""
    known = {image for _, image in rows if image is not None}
    files = {path.relative_to(data).as_posix() for path in (data / "images").glob("*/*")}
    for source, image in rows:
        if image is None or image not in files:
            yield f"{source} has no picture"
        elif source in answered and sha256(data / image) != answered[source]:
            yield f"{source} has another picture"
    yield from (f"{name} has no result" for name in sorted(files - known))
    yield from (f"{path.name} is left over" for path in (data / "incoming").iterdir())
    connection = sqlite3.connect(data / "results.sqlite")
    ((whole,),) = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    if whole != "ok":
        yield f"the database is damaged: {whole}"


if __name__ == "__main__":
    sys.exit(main())
