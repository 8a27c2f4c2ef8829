"""Known defects that a caller gives: what is used, what is refused, what a run remembers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision import Detector, Settings, load_dataset
from excision.capability.seen_images import without_seen
from excision.data.known_defects import find_known_defects
from excision.errors import DatasetError, ImageError, SettingsError
from excision.method.run_folder import FINGERPRINT, MODEL, TRAINING, read_json
from excision.runtime.trained_on import TRAINED_ON, TrainedOn
from excision.settings import AttentionSettings, MaskSettings
from excision.system.files import sha256
from excision.training import training_set
from excision.training.preparing import prepare
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture, picture_hash
from tests.conftest import SIZE, draw_surface


def scratched(number: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    image, mask = draw_surface(number).copy(), np.zeros(SIZE, np.bool_)
    mask[10:14, 5:30] = True
    image[mask] = 250
    return image, mask


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images and test images in parts/, known defects in known/."""
    root = tmp_path_factory.mktemp("data")
    for place in ("parts/train/good", "parts/test/good", "parts/test/scratch", "known"):
        (root / place).mkdir(parents=True)
    for number in range(10):
        Image.fromarray(draw_surface(number)).save(root / f"parts/train/good/{number}.png")
    Image.fromarray(draw_surface(20)).save(root / "parts/test/good/20.png")
    for number in (30, 31):
        Image.fromarray(scratched(number)[0]).save(root / f"parts/test/scratch/{number}.png")
    for number in (40, 41, 42):
        image, mask = scratched(number)
        Image.fromarray(image).save(root / f"known/{number}.png")
        if number < 42:
            Image.fromarray(mask.astype(np.uint8) * 255).save(root / f"known/{number}_mask.png")
    return root


def given(folder: Path, defects: Any) -> TrainingSet:
    dataset = load_dataset(folder / "parts")
    return prepare(dataset, Settings()).with_known(defects, dataset.test)


def copied(folder: Path, tmp_path: Path, *more: str) -> Path:
    known = Path(shutil.copytree(folder / "known", tmp_path / "known"))
    for name in more:
        shutil.copy(folder / "parts" / name, known / f"copy_{Path(name).name}")
    return known


def test_what_is_used_is_recorded_with_names_and_hashes(folder: Path) -> None:
    data = given(folder, folder / "known")
    assert data.known is not None and len(data.known.marked) == 2 and len(data.known.unmarked) == 1
    record = data.fingerprint()["known_defects"]
    assert record == {f"known/{n}.png": sha256(folder / f"known/{n}.png") for n in (40, 41, 42)}
    assert data.facts()["known_defects"] == {
        "with_mask": ["known/40.png", "known/41.png"],
        "without_mask": ["known/42.png"],
        "skipped": {},
    }
    plain = prepare(load_dataset(folder / "parts"), Settings())
    assert "known_defects" not in plain.fingerprint() and "known_defects" not in plain.facts()
    masks = data.fingerprint()["known_masks"]
    assert {**plain.fingerprint(), "known_defects": record, "known_masks": masks} == data.fingerprint()
    found = find_known_defects([folder / "known"])
    assert given(folder, found).fingerprint() == data.fingerprint()


def test_each_good_image_is_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Picture] = []

    def counting(picture: Picture) -> str:
        hashed.append(picture)
        return picture_hash(picture)

    monkeypatch.setattr(training_set, "picture_hash", counting)
    data = given(folder, folder / "known")
    data.fingerprint()
    assert sorted(map(str, hashed)) == sorted(str(picture) for _, picture in data.good_images())


def test_arrays_and_pairs_with_masks(folder: Path) -> None:
    image, mask = scratched(50)
    data = given(folder, [(image, mask), scratched(51)[0], (scratched(52)[0], None)])
    assert data.known is not None and data.known.names == ("0", "1", "2")
    assert data.known.marked == (0,)
    path = folder / "known" / "40.png"
    pair = given(folder, [(str(path), folder / "known" / "40_mask.png")])
    assert pair.known is not None and pair.known.marked == (0,)


@pytest.mark.parametrize("place", ["train/good/3.png", "test/good/20.png"])
def test_a_good_image_cannot_be_a_known_defect(folder: Path, tmp_path: Path, place: str) -> None:
    known = copied(folder, tmp_path, place)
    with pytest.raises(DatasetError, match=f"copy_.* is a known defect and.* the good image {place}"):
        given(folder, known)


def test_a_test_image_stays_one(folder: Path, tmp_path: Path) -> None:
    data = given(folder, copied(folder, tmp_path, "test/scratch/30.png"))
    assert data.known is not None and len(data.known.names) == 3
    (skipped,) = data.known.skipped
    assert (
        skipped.name == "known/copy_30.png" and "it is the test image test/scratch/30.png" in skipped.reason
    )
    with pytest.raises(DatasetError, match="none of the 2 images of known defects can be used; the first"):
        given(folder, folder / "parts")


def test_what_cannot_be_a_lesson_is_skipped_with_its_reason(folder: Path, tmp_path: Path) -> None:
    known = copied(folder, tmp_path)
    shutil.copy(known / "40.png", known / "twin.png")
    (known / "broken.png").write_bytes(b"no image")
    masks = {"empty": np.zeros(SIZE), "inverted": np.full(SIZE, 255), "small": np.full((9, 9), 255)}
    masks["inverted"][20:25, 20:25] = 0
    for number, (name, mask) in enumerate(masks.items()):
        Image.fromarray(draw_surface(60 + number)).save(known / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8)).save(known / f"{name}_mask.png")
    data = given(folder, known)
    assert data.known is not None and len(data.known.names) == 3
    reasons = {Path(finding.name).stem: finding.reason for finding in data.known.skipped}
    assert set(reasons) == {"twin", "broken", *masks}
    assert "the same content as known/40.png" in reasons["twin"]
    assert "marks no pixel" in reasons["empty"] and "inverted" in reasons["inverted"]
    assert "9 x 9" in reasons["small"]


@pytest.mark.parametrize(
    "odd",
    [
        [],
        5,
        [object()],
        [np.zeros((3, 3, 7))],
        [(draw_surface(1), np.zeros((2, 2)))],
        [(draw_surface(1), 7)],
    ],
)
def test_what_is_no_known_defect_is_refused(folder: Path, odd: Any) -> None:
    with pytest.raises((DatasetError, ImageError), match="known defect"):
        given(folder, odd)


@pytest.mark.parametrize(
    "section", [{"attention": AttentionSettings(tuning=0)}, {"mask": MaskSettings(enabled=False)}]
)
def test_without_tuning_known_defects_are_refused(folder: Path, tiny: Settings, section: Any) -> None:
    with pytest.raises(SettingsError, match="without tuning they do nothing"):
        Detector(replace(tiny, **section)).fit(folder / "parts", defects=folder / "known")


def test_a_run_with_known_defects(folder: Path, tiny: Settings, tmp_path: Path) -> None:
    settings = replace(tiny, attention=AttentionSettings(tuning=3))
    known, run = folder / "known", tmp_path / "run"
    fitted = Detector(settings, device="cpu").fit(folder / "parts", run, defects=known)
    assert [*read_json(run / FINGERPRINT)["known_defects"]] == [f"known/{n}.png" for n in (40, 41, 42)]
    assert read_json(run / TRAINING)["known_defects"]["with_mask"] == ["known/40.png", "known/41.png"]
    assert len(fitted.calibration.scores) == read_json(run / TRAINING)["n_calibration"] < 10
    (run / MODEL).unlink()
    masks = [(sample, scratched(50)[1]) for sample in sorted(known.glob("4?.png"))]
    with pytest.raises(SettingsError, match="begun with 3 images of known defects and their masks"):
        Detector(settings, device="cpu").fit(folder / "parts", run, resume=True, defects=masks)
    with pytest.raises(SettingsError, match="begun with 3 images of known defects"):
        Detector(settings, device="cpu").fit(folder / "parts", run, resume=True)
    resumed = Detector(settings, device="cpu").fit(folder / "parts", run, resume=True, defects=known)
    assert resumed.threshold == fitted.threshold


def test_evaluation_leaves_known_defects_out(folder: Path, tmp_path: Path) -> None:
    dataset = load_dataset(folder / "parts")
    used = {"known/1.png": sha256(folder / "parts/test/scratch/30.png")}
    run, exported, old = tmp_path / "run", tmp_path / "exported", tmp_path / "old"
    for place in (run, exported, old):
        place.mkdir()
    content: dict[str, Any] = {"training": {}, "calibration": {}, "known_defects": used}
    content["training"] = {"x": "0" * 64}
    (run / FINGERPRINT).write_text(json.dumps(content))
    TrainedOn.of(["0" * 64], [], used.values()).save(exported)
    for place in (run, exported):
        found, note = without_seen(dataset, place)
        assert [sample.name for sample in found.test] == ["test/good/20.png", "test/scratch/31.png"]
        assert note == (
            "1 of 2 defective test images are known defects that this model was trained with, such as "
            "test/scratch/30.png, and are left out"
        )
    TrainedOn.of(["0" * 64], []).save(old)
    assert "known_defects" not in json.loads((old / TRAINED_ON).read_text())
    assert without_seen(dataset, old) == (dataset, None)
