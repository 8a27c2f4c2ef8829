"""Draw the operator's pages after a shift of parts, as the documentation shows them.

python experiments/station_pictures.py MODEL DATA --out docs/images

MODEL is a run folder or an exported folder, DATA a data set that the model was made for, with many good test
images and a few defective ones. The documentation shows the part in any rotation of `harder_sets.py`, with 70
more good ones. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from service_process import serving

from excision import load_dataset
from excision.data import Sample
from excision.errors import ImageError
from excision.station.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Name, address, size of the window, width of the picture, theme.
PICTURES: tuple[tuple[str, str, tuple[int, int], int, Literal["light", "dark"]], ...] = (
    ("station-live", "/", (1720, 1060), 1200, "light"),
    ("station-live-phone", "/", (390, 844), 390, "dark"),
    ("station-review", "/review?verdict=defect&lowest=10", (1640, 1240), 1100, "light"),
    ("station-threshold", "/review/threshold", (1500, 850), 1000, "dark"),
    ("station-models", "/models", (1720, 960), 1200, "dark"),
)
GOOD_TO_A_DEFECT = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "station"
        with serving(arguments.model, data, "--folders", arguments.data.parent, name="parts") as service:
            client = Client(f"http://127.0.0.1:{service.port}")
            _open_a_grey_zone(client)
            _inspect_a_shift(client, load_dataset(arguments.data).test)
            with sync_playwright() as driver:
                chromium = driver.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                for name, path, size, width, theme in PICTURES:
                    draw(chromium, client.url + path, size, width, theme, arguments.out / f"{name}.png")
                chromium.close()


def _open_a_grey_zone(client: Client) -> None:
    (model,) = client.models()
    threshold = model["current"]["threshold"]
    body = json.dumps({"threshold": threshold, "review_threshold": 0.7 * threshold, "who": "M. Weber"})
    request = urllib.request.Request(f"{client.url}/v1/models/{model['name']}/thresholds", body.encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request):
        pass


def _inspect_a_shift(client: Client, samples: tuple[Sample, ...]) -> None:
    """Send the images as they come on a line, mostly good, and label all alarms but the last."""
    good = [sample for sample in samples if not sample.defective]
    last, *bad = [sample for sample in samples if sample.defective][:: GOOD_TO_A_DEFECT // 4]
    turn = [
        each
        for place, sample in enumerate(good, start=1)
        for each in (sample, *(() if place % GOOD_TO_A_DEFECT or not bad else (bad.pop(),)))
    ]
    for number, sample in enumerate([*turn, last], start=1):
        answer = client.inspect(sample.image, source=f"part_{number:04}.png")
        if answer.verdict == "defect" and sample is not last:
            truth: Literal["good", "defect"] = "defect" if sample.defective else "good"
            note = sample.label.replace("_", " ") if sample.defective else "dust"
            client.label(answer.id, truth, who="M. Weber", note=note)
        if number == len(turn) - GOOD_TO_A_DEFECT // 2:
            with contextlib.suppress(ImageError):
                client.inspect(b"no image", source="part_unreadable.png")


def draw(
    browser: Browser, url: str, size: tuple[int, int], width: int, theme: Literal["light", "dark"], path: Path
) -> None:
    """Draw a page in a window of a size, as a picture of a width."""
    with browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme) as context:
        page = context.new_page()
        page.goto(url)
        if url.endswith("threshold"):
            box = page.locator("#threshold")
            box.fill(f"{2 * float(box.input_value()):.3g}")
            box.blur()
        if "/review?" in url:
            page.get_by_text("Older").first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=path)
    with Image.open(path) as picture:
        height = round(picture.height * width / picture.width)
        smaller = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    smaller.save(path, optimize=True)


if __name__ == "__main__":
    main()
