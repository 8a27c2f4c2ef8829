"""Training on few images, and the sheet of missed defects, on a small drawn set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from excision import Detector, load_dataset
from excision.synthetic.dataset import write_synthetic
from tests import nursery

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def run(script: str, *words: object) -> str:
    return nursery.printed(EXPERIMENTS / script, *words)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "metal"
    write_synthetic(
        folder, size=(64, 64), train=12, test_good=4, per_defect=2, surfaces=["brushed_metal"], seed=1
    )
    return folder


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of the runs, and the table."""
    out = tmp_path_factory.mktemp("few")
    words = [data, "--out", out, "--counts", 5, 8, "--steps", 2, "--features", "edges", "--test", 6]
    return out, run("few_images.py", "all", *words).splitlines()


def test_few_images(done: tuple[Path, list[str]], data: Path) -> None:
    runs, printed = done
    assert [line.split(" | ")[:3] for line in printed[-2:]] == [
        ["| metal", "5", "edges"],
        ["| metal", "8", "edges"],
    ]
    stored = {count: json.loads((runs / f"metal-{count}.json").read_text()) for count in (5, 8)}
    assert {found["edges"]["tested"] for found in stored.values()} == {6}
    # The smaller draw is a part of the larger one, and nothing else was seen.
    seen = {
        count: set(json.loads((runs / f"metal-{count}" / "fingerprint.json").read_text())["groups"])
        for count in (5, 8)
    }
    assert [len(names) for names in seen.values()] == [5, 8] and seen[5] < seen[8]
    assert seen[8] <= {sample.name for sample in load_dataset(data).train}


def test_missed_defects(done: tuple[Path, list[str]], data: Path, tmp_path: Path) -> None:
    sheet, trained = tmp_path / "sheet.png", done[0] / "metal-8"
    printed = run("missed_defects.py", data, trained, "--out", sheet, "--rate", 0.2).splitlines()
    detector = Detector.load(trained, device="cpu")
    threshold = detector.calibration.for_rate(0.2).threshold
    missed, total = 0, 0
    for line in printed[2:]:
        kind, counted = line.strip("| ").split(" | ")[:2]
        samples = [sample for sample in load_dataset(data).test if sample.label == kind]
        found = [detector.inspect(sample.image) for sample in samples]
        below = sum(each.score <= threshold for each in found if not each.unfit)
        assert counted == f"{below} of {sum(not each.unfit for each in found)}"
        missed, total = missed + below, total + len(samples)
    assert total == sum(sample.defective for sample in load_dataset(data).test)
    assert sheet.is_file() == (missed > 0)
    if missed:
        with Image.open(sheet) as image:
            assert image.mode == "RGB"
