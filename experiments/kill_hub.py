"""Kill stations and their hub and cut the links, and see that each result is at the hub once.

python experiments/kill_hub.py MODEL IMAGES --kills 20

MODEL is an exported folder or a run folder, IMAGES a folder of images. A hub with a PostgreSQL of its own,
a service and a watcher run in processes of their own, each station behind a link that can be cut. While
images come in and people label them, one of the three is killed (SIGKILL) after a random time, or a link is
cut, or PostgreSQL is stopped without warning, and started again or mended after another. At the end
everything is mended, and every row of both stations' databases is compared with those of PostgreSQL: each
must be there once, with the same content. Prints a table of what was done. Needs PostgreSQL (Debian:
postgresql) and the packages of excision[hub].
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from excision.errors import ExcisionError
from excision.station.client import Client
from tests.station.conftest import Service, begin, end
from tests.station.hub.comparing import differences, of_station
from tests.station.hub.conftest import begin_hub, begin_watch
from tests.station.hub.postgres import Postgres, running
from tests.station.hub.wire import Wire

SERVICE, WATCHER, DATABASE = "front", "back", "PostgreSQL"
LONGEST = 180.0  # seconds after the last kill in which all must be at the hub


class Plant:
    """A hub and two stations.

    Args:
        model: that both inspect with.
        images: that they get.
        folder: for everything.
        postgres: keeps the hub's database.
        pause: seconds between two images of a station.
    """

    def __init__(
        self, model: Path, images: list[Path], folder: Path, postgres: Postgres, pause: float
    ) -> None:
        self._model, self._images, self._postgres, self._pause = model, images, postgres, pause
        self.database = database = postgres.create("hub")
        self.service_data, self.watched, self.watcher_data = (
            folder / n for n in ("service", "in", "watcher")
        )
        self.watched.mkdir()
        self.hub = begin_hub(database)
        self.wires = {name: Wire(self.hub.port) for name in (SERVICE, WATCHER)}
        self.service = self._begin_service()
        self.watcher = self._begin_watcher()
        self._sent = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    @property
    def stations(self) -> dict[str, Path]:
        return {SERVICE: self.service_data, WATCHER: self.watcher_data}

    def kill(self, what: str, dead: float) -> None:
        """Kill a process, or cut a link, for so many seconds."""
        if what == "hub":
            end(self.hub)
            time.sleep(dead)
            self.hub = begin_hub(self.database, port=self.hub.port)
        elif what == DATABASE:
            self._postgres.stop("immediate")
            time.sleep(dead)
            self._postgres.start()
        elif what == SERVICE:
            end(self.service)
            time.sleep(dead)
            self.service = self._begin_service()
        elif what == WATCHER:
            end(self.watcher)
            time.sleep(dead)
            self.watcher = self._begin_watcher()
        else:
            wire = self.wires[what.removeprefix("link of ")]
            wire.cut()
            time.sleep(dead)
            wire.mend()

    def close(self) -> None:
        """End the feed; what was accepted goes on."""
        self._ended.set()
        self._thread.join()

    def end(self) -> None:
        """End every process."""
        for process in (self.service, self.watcher, self.hub):
            end(process)
        for wire in self.wires.values():
            wire.close()

    def _begin_service(self) -> Service:
        options = ("--hub-url", self.wires[SERVICE].url, "--station", SERVICE)
        return begin(f"parts={self._model}", self.service_data, *options)

    def _begin_watcher(self) -> Service:
        options = ("--hub-url", self.wires[WATCHER].url, "--station", WATCHER)
        return begin_watch(self._model, self.watched, self.watcher_data, *options)

    def _feed(self) -> None:
        """Send and drop images, and label some."""
        chance = random.Random(1)
        while not self._ended.is_set():
            self._sent += 1
            image = chance.choice(self._images)
            half = self.watched / f".{self._sent}"
            shutil.copyfile(image, half)
            half.rename(self.watched / f"part_{self._sent}{image.suffix}")
            # Nobody answers while the service is dead.
            with suppress(ExcisionError):
                client = Client(self.service.url, timeout=5, patience=0)
                answer = client.inspect(image, source=f"part_{self._sent}")
                if chance.random() < 0.3:
                    client.label(answer.id, chance.choice(("good", "defect")), who="Ada")
            self._ended.wait(self._pause)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=3.0, help="seconds between two kills, at most")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two images")
    arguments = parser.parse_args()
    images = sorted(path for path in arguments.images.rglob("*") if path.suffix in (".png", ".jpg"))
    chance, done = random.Random(arguments.seed), Counter[str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        plant = Plant(arguments.model, images, folder, stack.enter_context(running()), arguments.pause)
        stack.callback(plant.end)
        kinds = ("hub", SERVICE, WATCHER, f"link of {SERVICE}", f"link of {WATCHER}", DATABASE)
        for number in range(arguments.kills):
            time.sleep(chance.uniform(0.2, arguments.longest))
            what = kinds[number % len(kinds)]
            plant.kill(what, chance.uniform(0.0, arguments.longest))
            done[what] += 1
        plant.close()
        wrong, seconds = _settled(plant.database, plant.stations)
        counts = {
            name: {t: len(r) for t, r in of_station(d, name).items()} for name, d in plant.stations.items()
        }
    print("| killed or cut | times |\n| --- | --- |")
    for what, times in done.items():
        print(f"| {what} | {times} |")
    print(f"Rows of the stations: {counts}")
    print(f"{seconds:.0f} s after the last, {len(wrong)} rows differ at the hub")
    for sentence in wrong[:10]:
        print(sentence)
    sys.exit(1 if wrong else 0)


def _settled(database: str, stations: dict[str, Path]) -> tuple[list[str], float]:
    """Wait until the hub has everything, and give what differs."""
    start, before = time.monotonic(), 0
    while True:
        rows = sum(len(of_station(data, name)["results"]) for name, data in stations.items())
        wrong = differences(database, stations)
        waited = time.monotonic() - start
        # The watcher may still inspect what lies in its folder.
        if (not wrong and rows == before) or waited > LONGEST:
            return wrong, waited
        before = rows
        time.sleep(1.0)


if __name__ == "__main__":
    main()
