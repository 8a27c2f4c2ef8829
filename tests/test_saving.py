"""A saved model is whole: its weights, its threshold, and what it has seen belong together."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision import Detector, Settings
from excision.capability.seen_images import without_seen
from excision.data import Dataset, load_dataset
from excision.errors import SettingsError
from excision.method import run_folder
from excision.method.run_folder import FINGERPRINT, MODEL, TRAINING
from excision.method.run_start import recorded_images
from tests.conftest import draw_surface

pytestmark = pytest.mark.filterwarnings("ignore::excision.errors.FewImagesWarning")


def draw(folder: Path, numbers: range) -> Dataset:
    folder.mkdir()
    for number in numbers:
        Image.fromarray(draw_surface(number)).save(folder / f"{number}.png")
    return load_dataset(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_another_model_is_never_saved_over_a_run(fitted: Detector, run: Path, tmp_path: Path) -> None:
    victim = Path(shutil.copytree(run, tmp_path / "victim"))
    before = files(victim)
    with pytest.raises(SettingsError, match="choose another folder"):
        fitted.save(victim)
    foreign = tmp_path / "notes"
    foreign.mkdir()
    (foreign / MODEL).write_text("mine")
    with pytest.raises(SettingsError, match="choose another folder"):
        fitted.save(foreign)
    assert files(victim) == before and (foreign / MODEL).read_text() == "mine"


def test_a_model_is_saved_again_where_it_was_loaded_from(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    Detector.load(folder, device="cpu").with_thresholds(7.5).save(folder)
    assert Detector.load(folder, device="cpu").threshold == 7.5
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_save_that_fails_leaves_the_model_as_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    before = files(folder)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    changed = Detector.load(folder, device="cpu").with_thresholds(7.5)
    monkeypatch.setattr(run_folder, "write_tensors", stop)
    with pytest.raises(KeyboardInterrupt):
        changed.save(folder)
    assert files(folder) == before


def test_what_a_model_has_seen_is_saved_with_it(tiny: Settings, tmp_path: Path) -> None:
    parts = draw(tmp_path / "parts", range(8))
    detector = Detector(tiny, device="cpu").fit(parts)
    detector.save(tmp_path / "one")
    Detector.load(tmp_path / "one", device="cpu").save(tmp_path / "two")
    trained = Detector(tiny, device="cpu").fit(parts, tmp_path / "run")
    trained.save(tmp_path / "three")
    told = files(tmp_path / "run")[FINGERPRINT]
    for name in ("one", "two", "three"):
        assert files(tmp_path / name)[FINGERPRINT] == told
        assert files(tmp_path / name).keys() >= {TRAINING}
    samples = tuple(replace(sample, split="test") for sample in parts.samples)
    test_again = replace(parts, samples=samples)
    found, note = without_seen(test_again, tmp_path / "one")
    assert not found.test and note is not None and note.startswith("8 of 8")


def test_an_image_that_is_gone_after_its_last_use_costs_nothing(tiny: Settings, tmp_path: Path) -> None:
    parts = draw(tmp_path / "parts", range(8))

    def stage(what: str, done: int, total: int) -> None:
        if what == "what images are like" and done == total:
            (tmp_path / "parts" / "3.png").unlink(missing_ok=True)

    Detector(tiny, device="cpu").fit(parts, tmp_path / "run", stage=stage).save(tmp_path / "one")
    assert not (tmp_path / "parts" / "3.png").exists()
    told = recorded_images(tmp_path / "one")
    assert told is not None and len(told["training"] | told["calibration"]) == 8


def test_a_recalibrated_model_remembers_its_training_images(tiny: Settings, tmp_path: Path) -> None:
    first, second = draw(tmp_path / "first", range(8)), draw(tmp_path / "second", range(6, 14))
    detector = Detector(tiny, device="cpu").fit(first)
    detector.save(tmp_path / "one")
    detector.recalibrate(second).save(tmp_path / "two")
    before, after = (recorded_images(tmp_path / name) for name in ("one", "two"))
    assert before is not None and after is not None
    assert set(before["training"].values()) < set(after["training"].values())
    assert not set(before["calibration"].values()) & set(after["calibration"].values())


def test_a_model_whose_images_are_unknown_says_so(
    run: Path, tmp_path: Path, surfaces: list[NDArray[Any]]
) -> None:
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    (bare / FINGERPRINT).unlink(missing_ok=True)
    Detector.load(bare, device="cpu").recalibrate(draw(tmp_path / "parts", range(8))).save(tmp_path / "again")
    assert recorded_images(tmp_path / "again") is None
    assert np.isfinite(Detector.load(tmp_path / "again", device="cpu").inspect(surfaces[0]).score)
