"""Draw the whole loop as a strip of pictures: camera, verdict, label, Improve, comparison, live.

python experiments/loop_pictures.py RUN DATA --out docs/images/loop.png

RUN is a run folder of the part in any rotation, DATA the set "part" of `harder_sets.py` that trained it. A
station serves the model, gets what a folder camera takes, and people label it; then the button Improve trains
a real challenger, which goes live. This takes minutes. Needs Playwright, a Chromium and torch.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harder_sets import good_part
from PIL import Image
from service_process import serving
from station_pictures import shrink

from excision import load_dataset
from excision.cameras.camera import open_camera
from excision.cameras.folder import FolderSettings
from excision.station.client import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODEL, WHO = "part", "M. Weber"
GOOD, DEFECTIVE = 36, 16
WINDOW = (1240, 854)
TRAINING = 40 * 60 * 1000
"""The longest that a training may take, in milliseconds."""

STRIP = """<!doctype html><meta charset="utf-8"><style>
body {
  margin: 0; padding: 24px; width: 1960px; background: #fff; color: #16191d;
  font: 22px system-ui, "DejaVu Sans", sans-serif;
}
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 20px; }
figure { margin: 0; }
img {
  display: block; width: 100%; aspect-ratio: 1240 / 854; object-fit: contain;
  border: 1px solid #d6dbe1; border-radius: 8px; background: #0b0d0f;
}
figcaption { margin-top: 10px; line-height: 1.3; }
b { display: block; }
</style><main></main>"""
FIGURE = '<figure><img src="{0}"><figcaption><b>{1}. {2}</b>{3}</figcaption></figure>'


@dataclass
class Panels:
    """The pictures of the strip, each a PNG with its caption."""

    folder: Path
    found: list[tuple[Path, str, str]] = field(default_factory=list)

    def add(self, content: bytes, title: str, words: str) -> None:
        """Keep a picture."""
        path = self.folder / f"{len(self.found) + 1}.png"
        path.write_bytes(content)
        self.found.append((path, title, words))

    def draw(self, browser: Browser, out: Path) -> None:
        """Set the pictures side by side."""
        strip = self.folder / "strip.html"
        figures = "".join(
            FIGURE.format(path.name, number, title, words)
            for number, (path, title, words) in enumerate(self.found, start=1)
        )
        strip.write_text(STRIP.replace("<main>", f"<main>{figures}"), "utf-8")
        with browser.new_context(viewport={"width": 2008, "height": 1100}) as context:
            page = context.new_page()
            page.goto(strip.as_uri())
            page.wait_for_load_state("networkidle")
            page.screenshot(path=out, full_page=True)
        shrink(out, 1600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as driver:
        folder = Path(name)
        described = folder / "station.toml"
        images = str(arguments.data.resolve())
        described.write_text(
            f"[improve]\nruns = [{str(arguments.run.resolve())!r}]\nimages = [{images!r}]\n", "utf-8"
        )
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with serving(arguments.run, folder / "station", "--file", described, name=MODEL) as service:
            panels = Panels(folder)
            client = Client(f"http://127.0.0.1:{service.port}")
            last = _pass_the_camera(client, arguments.data, folder / "camera", panels)
            with chromium.new_context(
                viewport={"width": WINDOW[0], "height": WINDOW[1]}, color_scheme="light"
            ) as context:
                _go_round(context.new_page(), client.url, last, panels)
        panels.draw(chromium, arguments.out)
        chromium.close()


def _pass_the_camera(client: Client, data: Path, folder: Path, panels: Panels) -> int:
    """Let a folder camera take good parts and defects, label all but the last, and give its number."""
    folder.mkdir()
    for number in range(GOOD):
        good_part(number).save(folder / f"{number:03}_good.png")
    defects = [sample for sample in load_dataset(data).test if sample.defective]
    step = len(defects) // DEFECTIVE
    for number, sample in enumerate(defects[::step][:DEFECTIVE], start=GOOD):
        shutil.copyfile(sample.image, folder / f"{number:03}_{sample.label}.png")
    names = sorted(path.name for path in folder.iterdir())
    camera = open_camera("front", FolderSettings(path=folder))
    camera.start()
    last = 0
    try:
        for place, name in enumerate(names, start=1):
            pixels = camera.grab(30).pixels
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, format="PNG")
            answer = client.inspect(stream.getvalue(), source=f"part_{place:04}.png")
            last = answer.id
            if place < len(names):
                label = name.removesuffix(".png").partition("_")[2]
                client.label(answer.id, "good" if label == "good" else "defect", who=WHO, note=label)
        panels.add(stream.getvalue(), "Camera", "A picture of the part is taken.")
    finally:
        camera.close()
    return last


def _go_round(page: Page, url: str, last: int, panels: Panels) -> None:
    page.goto(url)
    page.wait_for_timeout(1500)
    panels.add(page.screenshot(), "Verdict", "The station says what it sees, and how rare it is.")
    page.goto(f"{url}/review?id={last}")
    page.locator("#who").fill(WHO)
    page.locator("#label-defect").click()
    page.get_by_text("Labelled defect.").wait_for()
    page.wait_for_timeout(1000)
    panels.add(page.screenshot(), "Label", "A person says what the part is.")
    page.goto(f"{url}/improve?model={MODEL}")
    page.locator("#improve-who").fill("E. Costa")
    page.locator("#begin-improve").click()
    page.locator("progress[max]").wait_for(timeout=TRAINING)
    panels.add(page.screenshot(), "Improve", "A challenger is trained from the labels, beside the line.")
    page.locator("#compared-title").wait_for(timeout=TRAINING)
    page.wait_for_timeout(500)
    page.locator("#compared-title").evaluate("title => title.scrollIntoView()")
    panels.add(
        page.screenshot(), "Compare", "It is compared with the model in use on parts that neither knows."
    )
    page.get_by_role("button", name="Put live …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Put live").click()
    page.wait_for_url("**/models*")
    page.wait_for_timeout(500)
    page.locator(".history").first.evaluate("list => list.scrollIntoView({ block: 'end' })")
    panels.add(page.screenshot(), "Live", "It goes live when a person says so. Rollback is one click.")


if __name__ == "__main__":
    main()
