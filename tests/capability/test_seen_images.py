"""Test images that trained or calibrated a model are left out when it is measured."""

from __future__ import annotations

import json
from pathlib import Path

from excision.capability.seen_images import without_seen
from excision.data import Dataset, Sample
from excision.method.run_folder import FINGERPRINT
from excision.runtime.trained_on import TRAINED_ON, TrainedOn
from excision.system.files import sha256


def drawn(root: Path) -> Dataset:
    samples = []
    for number in range(6):
        path = root / f"{number}.png"
        path.write_bytes(bytes([number]))
        label = "scratch" if number == 5 else "good"
        samples.append(Sample(path.name, path, "train" if number < 2 else "test", label, None, path.name))
    return Dataset(root, "folder", tuple(samples))


def test_images_of_a_run_are_left_out(tmp_path: Path) -> None:
    dataset, run = drawn(tmp_path), tmp_path / "run"
    run.mkdir()
    found, note = without_seen(dataset, run)
    assert found == dataset and note is not None and "does not say" in note
    used = {name: sha256(tmp_path / name) for name in ("0.png", "2.png", "5.png")}
    calibration = {"3.png": sha256(tmp_path / "3.png")}
    (run / FINGERPRINT).write_text(json.dumps({"training": used, "calibration": calibration}))
    found, note = without_seen(dataset, run)
    assert [sample.name for sample in found.test] == ["4.png", "5.png"] and found.train == dataset.train
    assert note is not None and note.startswith("2 of 3 good test images")


def test_images_of_an_exported_model_are_left_out(tmp_path: Path) -> None:
    dataset, folder = drawn(tmp_path), tmp_path / "exported"
    folder.mkdir()
    four, three = (sha256(tmp_path / name) for name in ("4.png", "3.png"))
    TrainedOn.of([four], [], [], [three]).save(folder)
    found, note = without_seen(dataset, folder)
    assert [sample.name for sample in found.test] == ["2.png", "5.png"]
    assert note is not None and note.startswith("2 of 3 good test images trained or calibrated")


def test_an_export_of_an_earlier_version_knows_its_training_images(tmp_path: Path) -> None:
    dataset, folder = drawn(tmp_path), tmp_path / "exported"
    folder.mkdir()
    digest = sha256(tmp_path / "4.png")[:32]
    (folder / TRAINED_ON).write_text(json.dumps({"files": [digest], "images": []}))
    found, _ = without_seen(dataset, folder)
    assert [sample.name for sample in found.test] == ["2.png", "3.png", "5.png"]
