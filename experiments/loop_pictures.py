"""Draw a whole line as a strip of pictures: camera, signals, verdict, label, comparison, live.

    PYTHONPATH=src:. python experiments/loop_pictures.py RUN DATA --out docs/images/loop.png [--steps 40]

RUN is a run folder of the part in any rotation, DATA the set "part" of `harder_sets.py` that trained it. This
is the line of the end-to-end test on loopback. A GigE Vision camera sees the part, a second camera its data
matrix; a PLC triggers over Modbus TCP; the verdict goes to the PLC, MQTT, OPC UA and a webhook. People label
parts, and the button Improve trains a real challenger, in few steps because the pictures show the way and no
figures. This takes minutes. Needs Aravis, mosquitto, Playwright, a Chromium and torch.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harder_sets import good_part
from PIL import Image
from station_pictures import shrink

from excision import load_dataset
from excision.settings import Settings
from tests.signals.stand_in import wait_for
from tests.station.conftest import Service, begin, end
from tests.station.whole_line import LABEL, TOPIC, Plant, draw_label, plant

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from excision.data import Sample

MODEL, WHO, ENGINEER = "part", "M. Weber", "E. Costa"
GOOD, DEFECTIVE = 36, 16
WINDOW = (640, 452)
TRAINING = 40 * 60 * 1000
"""The longest that a training may take, in milliseconds."""

STRIP = """<!doctype html><meta charset="utf-8"><style>
body {
  margin: 0; padding: 24px; width: 1552px; background: #fff; color: #16191d;
  font: 27px system-ui, "DejaVu Sans", sans-serif;
}
main { display: grid; grid-template-columns: repeat(2, 1fr); gap: 28px 24px; }
figure { margin: 0; }
img {
  display: block; width: 100%; aspect-ratio: 640 / 452; object-fit: contain;
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
        with browser.new_context(viewport={"width": 1600, "height": 1100}) as context:
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
    parser.add_argument("--steps", type=int, default=40, help="of the training of the challenger")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        folder, panels = Path(name), Panels(Path(name))
        run = _quick(arguments.run, folder / "runs" / "part", arguments.steps)
        samples = load_dataset(arguments.data).test
        defects = [sample for sample in samples if sample.defective]
        front, back = _pictures(folder, defects[-1])
        with (
            plant(folder, run, run, arguments.data, front, back, MODEL) as around,
            sync_playwright() as driver,
        ):
            chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            service = begin(None, around.data, "--file", around.file)
            try:
                wait_for(lambda: any(one.get("ready") for one in around.listener.on(f"{TOPIC}/state")), 120)
                _label_a_shift(service, defects[:-1])
                number = _inspect(around)
                with chromium.new_context(
                    viewport={"width": WINDOW[0], "height": WINDOW[1]},
                    color_scheme="light",
                    device_scale_factor=2,
                ) as context:
                    _go_round(context.new_page(), service, number, panels)
            finally:
                end(service)
            panels.draw(chromium, arguments.out)
            chromium.close()


def _quick(run: Path, copy: Path, steps: int) -> Path:
    """Copy a run, so that what is trained from it takes few steps."""
    shutil.copytree(run, copy)
    settings = Settings.load(copy / "settings.toml")
    attention = replace(settings.attention, tuning=min(steps, settings.attention.tuning))
    training = replace(settings.training, steps=min(steps, settings.training.steps))
    replace(settings, attention=attention, training=training).save(copy / "settings.toml")
    return copy


def _pictures(folder: Path, defect: Sample) -> tuple[Path, Path]:
    """Draw what the cameras see: in front a good part and a defective one, behind their data matrices."""
    front, back = folder / "front", folder / "back"
    front.mkdir()
    good_part(GOOD + 1).save(front / "1.png")
    with Image.open(defect.image) as picture:
        picture.convert("L").save(front / "2.png")
    for place in (1, 2):
        draw_label(back / f"{place}.png", f"SN-{4710 + place}", np.asarray(good_part(place).convert("L")))
    return front, back


def _label_a_shift(service: Service, defects: list[Sample]) -> None:
    """Let parts pass that people then label, and say that the view of the data matrices is always good."""
    client = service.client
    for number in range(GOOD):
        stream = io.BytesIO()
        good_part(number).save(stream, format="PNG")
        answer = client.inspect(stream.getvalue(), source=f"part_{number:04}.png", model=MODEL)
        client.label(answer.id, "good", who=WHO)
    for number, sample in enumerate(defects[:: len(defects) // DEFECTIVE][:DEFECTIVE], start=GOOD):
        answer = client.inspect(sample.image, source=f"part_{number:04}.png", model=MODEL)
        client.label(answer.id, "defect", who=WHO, note=sample.label)
    service.json("POST", f"/v1/models/{LABEL}/thresholds", {"threshold": 1e6, "who": WHO})


def _inspect(around: Plant) -> int:
    """Let the PLC trigger both parts; give the number of the result that is a defect."""
    with closing(around.plc()) as plc:
        reports = [around.report(plc.inspect("")[2]) for _ in range(2)]
    (found,) = [one["result"] for one in reports if one["verdict"] == "defect"]
    return int(found)


def _go_round(page: Page, service: Service, number: int, panels: Panels) -> None:
    picture = service.ask("GET", f"/parts/{number}/picture.png")[2]
    panels.add(
        picture, "Trigger, picture", "A PLC triggers over Modbus; a GigE Vision camera takes the part."
    )

    def shoot(title: str, words: str, place: str = "") -> None:
        page.wait_for_timeout(800)
        if place:
            page.locator(place).first.evaluate("one => one.scrollIntoView({ block: 'start' })")
            page.evaluate("window.scrollBy(0, -8)")
        panels.add(page.screenshot(), title, words)

    page.goto(f"{service.url}/?model={MODEL}")
    shoot("Verdict", "The station says what it sees, and how rare it is.", "#verdict")
    page.goto(f"{service.url}/signals")
    shoot("Signals", "PLC, MQTT, OPC UA and webhook have got it.", "main")
    page.goto(f"{service.url}/review?id={number}")
    page.locator("#who").fill(WHO)
    page.locator("#label-defect").click()
    page.get_by_text("Labelled defect.").wait_for()
    shoot("Label", "A person says what the part is.", "section:has(#label-defect)")
    page.goto(f"{service.url}/improve?model={MODEL}")
    page.locator("#improve-who").fill(ENGINEER)
    page.locator("#begin-improve").click()
    page.locator("#compared-title").wait_for(timeout=TRAINING)
    shoot(
        "Improve", "A challenger is trained from the labels, and compared on other parts.", "#compared-title"
    )
    page.get_by_role("button", name="Put live …").click()
    page.get_by_role("dialog").get_by_role("button", name="Put live").click()
    page.wait_for_url("**/models*")
    shoot("Live", "It goes live when an engineer says so. Rollback is one click.", f"#{MODEL} .history")


if __name__ == "__main__":
    main()
