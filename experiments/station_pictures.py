"""Draw the operator's pages after a shift of parts, and a report, as the documentation shows them.

python experiments/station_pictures.py MODEL DATA --out docs/images

MODEL is a run folder or an exported folder of the part in any rotation, DATA the set "part" of
`harder_sets.py`, which draws it; 70 more good parts are drawn here. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harder_sets import good_part
from PIL import Image
from service_process import serving

from excision import load_dataset
from excision.data import Sample
from excision.errors import ImageError
from excision.runtime.model_folder import is_exported
from excision.station.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_COLOURS = 224

# Name, address, size of the window, width of the picture, theme.
PICTURES: tuple[tuple[str, str, tuple[int, int], int, Literal["light", "dark"]], ...] = (
    ("station-live", "/", (1720, 1060), 1200, "light"),
    ("station-live-phone", "/", (390, 844), 390, "dark"),
    ("station-zoom", "/review?verdict=defect&lowest=10#zoom", (1500, 900), 1000, "dark"),
    ("station-review", "/review?verdict=defect&lowest=10", (1640, 1240), 1100, "light"),
    ("station-threshold", "/review/threshold", (1500, 850), 1000, "dark"),
    ("station-models", "/models", (1720, 960), 1200, "dark"),
)
GOOD_TO_A_DEFECT, GOOD = 12, 100


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
            # A run folder has no grey zone.
            if is_exported(arguments.model):
                _open_a_grey_zone(client)
            _inspect_a_shift(client, load_dataset(arguments.data).test)
            with sync_playwright() as driver:
                chromium = driver.chromium.launch(
                    executable_path=shutil.which("chromium"), args=["--no-sandbox"]
                )
                draw_report(chromium, arguments.model, arguments.data, Path(folder), arguments.out)
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
    good = [(_png(good_part(number)), "good") for number in range(GOOD)]
    defective = [sample for sample in samples if sample.defective][:: GOOD_TO_A_DEFECT // 4]
    last, *bad = [(sample.image.read_bytes(), sample.label) for sample in defective]
    turn = [
        each
        for place, sample in enumerate(good, start=1)
        for each in (sample, *(() if place % GOOD_TO_A_DEFECT or not bad else (bad.pop(),)))
    ]
    for number, (content, label) in enumerate([*turn, last], start=1):
        answer = client.inspect(content, source=f"part_{number:04}.png")
        if answer.verdict == "defect" and number <= len(turn):
            truth: Literal["good", "defect"] = "good" if label == "good" else "defect"
            client.label(answer.id, truth, who="M. Weber", note="dust" if label == "good" else label)
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
            page.wait_for_timeout(500)
        if url.endswith("#zoom"):
            page.locator(".pictured > .zoomable").click()
            for _ in range(2):
                page.keyboard.press("+")
        page.wait_for_timeout(1500)
        page.screenshot(path=path)
    shrink(path, width)


def draw_report(browser: Browser, model: Path, data: Path, folder: Path, out: Path) -> None:
    """Measure the model on the test images, and draw the head of the report."""
    results = folder / "evaluation"
    command: list[str | Path] = [sys.executable, "-m", "excision", "evaluate", model, data, "--out", results]
    subprocess.run([*command, "--operator", "M. Weber", "--customer", "Example AG"], check=True)
    with browser.new_context(viewport={"width": 1180, "height": 985}, color_scheme="light") as context:
        page = context.new_page()
        page.goto((results / "report.html").as_uri())
        page.screenshot(path=out / "report.png")
    shrink(out / "report.png", 1000)


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def shrink(path: Path, width: int) -> None:
    """Make a picture of that width from one that is wider, in few colours: the documentation is not large."""
    with Image.open(path) as picture:
        height = round(picture.height * width / picture.width)
        smaller = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    few = smaller.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.FLOYDSTEINBERG)
    few.save(path, optimize=True)


if __name__ == "__main__":
    main()
