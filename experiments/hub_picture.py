"""Draw the hub's page with two stations, as the documentation shows it.

python experiments/hub_picture.py MODEL DATA --out docs/images

MODEL is a run folder or an exported folder, DATA a data set that the model was made for. A hub with a
PostgreSQL of its own gets the results of two services. Needs PostgreSQL (Debian: postgresql), the packages of
excision[hub], Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from station_pictures import draw

from excision import load_dataset
from excision.errors import ImageError
from tests.station.conftest import begin, end
from tests.station.hub.comparing import differences
from tests.station.hub.conftest import begin_hub
from tests.station.hub.postgres import running

STATIONS = ("Hall 1", "Hall 2")
MODEL = "parts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    samples = load_dataset(arguments.data).test
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(running()).create("hub")
        hub = begin_hub(database)
        stack.callback(end, hub)
        for place, name in enumerate(STATIONS):
            page = f"http://station{place + 1}.example"
            options = ("--hub-url", hub.url, "--station", name, "--station-page", page)
            service = begin(f"{MODEL}={arguments.model}", folder / name, *options)
            stack.callback(end, service)
            good = [sample for sample in samples if not sample.defective][place :: len(STATIONS)]
            bad = [sample for sample in samples if sample.defective][place :: 4 * len(STATIONS)]
            with suppress(ImageError):
                service.client.inspect(b"no image", source="part_unreadable.png")
            for number, sample in enumerate([*good[: len(good) // 2], *bad, *good[len(good) // 2 :]]):
                answer = service.client.inspect(sample.image, source=f"part_{number:04}.png")
                if answer.verdict == "defect":
                    service.client.label(answer.id, "defect" if sample.defective else "good", who="M. Weber")
        _wait(database, {name: folder / name for name in STATIONS})
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            address = f"{hub.url}/?station={STATIONS[0].replace(' ', '+')}&model={MODEL}"
            draw(chromium, address, (1720, 960), 1200, "light", arguments.out / "hub-live.png")
            chromium.close()


def _wait(database: str, stations: dict[str, Path]) -> None:
    """Wait until the hub has everything."""
    until = time.monotonic() + 60
    while differences(database, stations):
        if time.monotonic() > until:
            raise SystemExit("the hub did not get everything")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
