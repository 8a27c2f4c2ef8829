"""The picture of an odd calibration image: kept beside the calibration, shown, and gone with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from excision.cli import run as command_line
from excision.method.calibration import calibrate
from excision.method.folder_kinds import ODD_IMAGE
from excision.report.odd_image import keep_odd_image
from excision.report.training_figure import write_training_figure
from excision.runtime.inspector import Inspector
from tests.compatibility.test_format_1 import HERE
from tests.evaluation.fakes import prediction


def good_images(folder: Path, spot: bool = True) -> Path:
    """24 variants of two good parts, one of them with a bright spot."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(24):
        with Image.open(HERE / f"{number % 2}.png") as image:
            pixels = np.asarray(image).astype(float)
        pixels = np.clip(pixels + rng.normal(0, 0.2 * (1 + number % 5), pixels.shape), 0, 255).round()
        if spot and number == 7:
            pixels[8:20, 8:24] = 255
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{rng.integers(10**9):09d}.png")
    return folder


def test_a_picture_stays_as_long_as_its_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Path(shutil.copytree(HERE / "exported", tmp_path / "parts"))
    good = good_images(tmp_path / "good")
    words = ["calibrate", str(model), str(good), "--few", "--false-alarm-rate", "5%"]
    assert command_line(words) == 0
    said = capsys.readouterr().out
    odd = Inspector(model).calibration.odd
    assert odd is not None and odd.name is not None
    # The name is one that means something on another machine.
    assert (good / odd.name).is_file()
    assert f"The calibration image {odd.name} is odd" in said
    assert f"Odd image: {model / ODD_IMAGE}" in said
    with Image.open(model / ODD_IMAGE) as picture:
        assert picture.size == (64 + 8 + 64, 64)
        found = np.asarray(picture)
    with Image.open(good / odd.name) as image:
        np.testing.assert_array_equal(found[:, :64, 0], np.asarray(image))
    assert (found[:, 72:] != found[:, :64]).any()

    plain = good_images(tmp_path / "later" / "good", spot=False)
    assert command_line(["calibrate", str(model), str(plain), "--few", "--false-alarm-rate", "5%"]) == 0
    assert Inspector(model).calibration.odd is None
    assert not (model / ODD_IMAGE).exists()

    assert command_line(words) == 0 and (model / ODD_IMAGE).is_file()
    assert command_line(["calibrate", str(model), "--undo"]) == 0
    # A picture of another calibration must not be shown for this one.
    assert not (model / ODD_IMAGE).exists()


def inspecting(path: Path) -> Callable[[Path], object]:
    return lambda given: prediction(np.full((40, 30, 1), 0.5, np.float32)) if given == path else None


def test_the_figure_of_a_training_shows_it(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 1 / step} for step in (1, 2, 3)]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    scores = [*np.linspace(1, 2, 20).tolist(), 40.0]
    calibration = calibrate(scores, 0.05, names=[f"{n}.png" for n in range(21)])
    assert calibration.odd is not None and calibration.odd.name == "20.png"
    path = Path("20.png")
    sizes = []
    for odd in (None, calibration.odd):
        keep_odd_image(tmp_path, odd, {"20.png": path}, inspecting(path))  # type: ignore[arg-type]  # of one image
        with Image.open(write_training_figure(tmp_path, replace(calibration, odd=odd))) as figure:
            sizes.append(figure.size)
    assert sizes[1] == (sizes[0][0], 2 * sizes[0][1])


@pytest.mark.parametrize("name", ["20.png", f"{'shift of the night/' * 12}20.png"])
def test_what_is_said_of_it_is_below_the_upper_half_however_long_its_name_is(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"step": 1, "loss": 1}))
    scores = [*np.linspace(1, 2, 20).tolist(), 40.0]
    calibration = calibrate(scores, 0.05, names=[*map(str, range(20)), name])
    keep_odd_image(tmp_path, calibration.odd, {name: Path(name)}, inspecting(Path(name)))  # type: ignore[arg-type]
    drawn: list[Figure] = []
    savefig = Figure.savefig

    def kept(figure: Figure, *given: Any, **named: Any) -> None:
        drawn.append(figure)
        savefig(figure, *given, **named)

    monkeypatch.setattr(Figure, "savefig", kept)
    write_training_figure(tmp_path, calibration)
    drawn[0].draw_without_rendering()
    _, right, odd = drawn[0].axes
    assert odd.title.get_window_extent().y1 < right.xaxis.label.get_window_extent().y0


def test_an_image_that_is_not_there_has_no_picture(tmp_path: Path) -> None:
    odd = calibrate([*np.linspace(1, 2, 20).tolist(), 40.0], 0.05).odd
    assert odd is not None
    (tmp_path / ODD_IMAGE).write_bytes(b"of an earlier calibration")
    assert keep_odd_image(tmp_path, odd, {}, inspecting(Path())) is None  # type: ignore[arg-type]  # never called
    assert not (tmp_path / ODD_IMAGE).exists()
