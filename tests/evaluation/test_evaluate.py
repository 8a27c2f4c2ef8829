"""Evaluation from files to figures, its numbers against scikit-learn on the same scores."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn import metrics as oracle

from excision.data import Dataset, load_dataset
from excision.errors import DatasetError, SettingsError
from excision.evaluation.evaluation import Evaluation
from excision.predictions import Prediction
from excision.report.writing import evaluate
from tests.evaluation.fakes import FakePredictor, save

KEYS = {
    "image_auroc", "image_ap", "image_f1_max", "pixel_auroc", "pixel_ap", "aupro", "threshold",
    "false_alarm_rate", "detection_rate", "n_normal", "n_defect", "ms_per_image",
    "kinds", "bounds", "skipped", "notes", "excision", "dataset",
}  # fmt: skip


def picture(rng: np.random.Generator, spot: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """A noisy surface with a spot so much brighter, and where the spot is."""
    pixels = rng.normal(100, 4, (64, 48))
    where = np.zeros((64, 48), bool)
    row, column = rng.integers(4, 50), rng.integers(4, 34)
    where[row : row + 10, column : column + 8] = True
    pixels[where] += spot
    return np.clip(pixels, 0, 255).astype(np.uint8), where


def write_dataset(
    root: Path, good: int = 12, kinds: Sequence[str] = ("pit", "scratch"), per_kind: int = 6
) -> Path:
    rng = np.random.default_rng(3)
    save(root / "train/good/000.png", picture(rng, 0)[0])
    for number in range(good):
        # Every fourth good part has a spot that looks like a weak defect.
        save(root / f"test/good/{number:03d}.png", picture(rng, 90 if number % 4 == 0 else 0)[0])
    for kind in kinds:
        for number in range(per_kind):
            pixels, where = picture(rng, 20 * number)
            save(root / f"test/{kind}/{number:03d}.png", pixels)
            save(root / f"ground_truth/{kind}/{number:03d}_mask.png", where)
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(write_dataset(tmp_path / "parts"))


def labels_and_scores(evaluation: Evaluation) -> tuple[list[bool], list[float]]:
    return [i.label != "good" for i in evaluation.images], [i.score for i in evaluation.images]


def test_image_figures_agree_with_scikit_learn(dataset: Dataset) -> None:
    evaluation = evaluate(FakePredictor(), dataset)
    defective, scores = labels_and_scores(evaluation)
    found = evaluation.to_json()
    assert set(found) >= KEYS
    assert found["image_auroc"] == pytest.approx(oracle.roc_auc_score(defective, scores), abs=1e-12)
    assert found["image_ap"] == pytest.approx(oracle.average_precision_score(defective, scores), abs=1e-12)
    f1 = max(oracle.f1_score(defective, np.array(scores) >= level) for level in scores)
    assert found["image_f1_max"] == pytest.approx(f1, abs=1e-12)
    verdicts = np.array(scores) > found["threshold"]
    assert found["detection_rate"] == oracle.recall_score(defective, verdicts)
    assert found["false_alarm_rate"] == 1 - oracle.recall_score(np.logical_not(defective), ~verdicts)
    assert 0 < found["false_alarm_rate"] < 1
    assert 0 < found["detection_rate"] < 1
    assert (found["n_normal"], found["n_defect"], found["dataset"]) == (12, 12, "parts")
    assert found["ms_per_image"] == pytest.approx(1000 * (0.001 + 32 / 1e6))


def test_pixel_figures_agree_with_scikit_learn(dataset: Dataset) -> None:
    predictor = FakePredictor(size=(64, 48))
    maps = {s.name: next(predictor.predict([s.image])).anomaly_map for s in dataset.test}
    truth = [
        np.asarray(Image.open(s.mask)).ravel() > 0 if isinstance(s.mask, Path) else np.zeros(64 * 48, bool)
        for s in dataset.test
    ]
    flat = np.concatenate([maps[s.name].ravel() for s in dataset.test])
    found = evaluate(predictor, dataset).to_json()
    expected = {
        "pixel_auroc": oracle.roc_auc_score(np.concatenate(truth), flat),
        "pixel_ap": oracle.average_precision_score(np.concatenate(truth), flat),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=min(found["bounds"][name] + 1e-9, 2e-3))
    assert 0 < found["aupro"] <= 1
    assert found["n_regions"] == 12


def test_detection_is_told_by_kind(dataset: Dataset) -> None:
    evaluation = evaluate(FakePredictor(), dataset)
    detected = Counter(i.label for i in evaluation.images if i.verdict == "defect")
    for kind in ("pit", "scratch"):
        entry = evaluation.to_json()["kinds"][kind]
        rate = detected[kind] / 6
        assert entry == {"images": 6, "detected": detected[kind], "detection_rate": rate, "unfit": 0}
    assert "good" not in evaluation.to_json()["kinds"]


def test_a_defect_without_mask_is_left_out_of_the_pixel_figures_and_counted(dataset: Dataset) -> None:
    for sample in dataset.test:
        if sample.label == "scratch":
            assert isinstance(sample.mask, Path)
            sample.mask.unlink()
    scratchless = load_dataset(dataset.root)
    evaluation = evaluate(FakePredictor(), scratchless)
    assert evaluation.n_defect == 12
    assert any("6 of 12 defective images have no mask" in note for note in evaluation.notes)
    for sample in scratchless.test:
        if sample.label == "scratch":
            sample.image.unlink()
    assert evaluate(FakePredictor(), load_dataset(dataset.root)).pixel == evaluation.pixel


def test_a_mask_of_another_size_is_told_and_left_out(dataset: Dataset) -> None:
    save(next(s.mask for s in dataset.test if isinstance(s.mask, Path)), np.ones((10, 10), bool))
    evaluation = evaluate(FakePredictor(), dataset)
    assert evaluation.n_defect == 12
    assert any("1 of 12" in note and "10 x 10" in note for note in evaluation.notes)


def test_unreadable_images_are_recorded_and_the_rest_go_on(dataset: Dataset, tmp_path: Path) -> None:
    broken = dataset.test[0]
    broken.image.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    evaluation = evaluate(FakePredictor(), dataset, tmp_path / "out")
    (skipped,) = evaluation.to_json()["skipped"]
    assert skipped["image"] == broken.name
    assert broken.image.name in skipped["reason"]
    assert len(evaluation.images) == 23
    assert broken.name in (tmp_path / "out/report.html").read_text("utf-8")


def test_several_workers_give_the_same_evaluation_in_the_same_order(dataset: Dataset, tmp_path: Path) -> None:
    dataset.test[0].image.write_bytes(b"broken")
    masks = [sample.mask for sample in dataset.test if isinstance(sample.mask, Path)]
    masks[0].unlink()
    save(masks[1], np.ones((10, 10), bool))
    found = []
    for workers in (1, 3):
        out, progress = tmp_path / str(workers), list[tuple[int, int]]()
        evaluation = evaluate(
            FakePredictor(), dataset, out, lambda *done, to=progress: to.append(done), workers=workers
        )
        assert progress == [(number, 24) for number in range(1, 25)]
        overlays = [path for path in (out / "overlays").rglob("*") if path.is_file()]
        assert len(overlays) == 23
        pictures = {
            path.relative_to(out): path.read_bytes() for path in (*overlays, *(out / "examples").iterdir())
        }
        found.append((replace(evaluation, ms_per_image=0).to_json(), pictures))
    assert found[0] == found[1]
    assert len(found[0][0]["skipped"]) == 1


def test_a_score_that_is_no_number_is_recorded(dataset: Dataset) -> None:
    class Broken(FakePredictor):
        def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
            for prediction in super().predict(images):
                yield replace(prediction, score=math.nan) if len(self.seen) == 1 else prediction

    evaluation = evaluate(Broken(), dataset)
    assert [s.name for s in evaluation.skipped] == [dataset.test[0].name]


@pytest.mark.parametrize(
    ("good", "kinds", "rate", "missing"),
    [(6, (), "detection_rate", "defective"), (0, ("pit",), "false_alarm_rate", "good")],
)
def test_one_class_gives_notes_instead_of_rank_figures(
    tmp_path: Path, good: int, kinds: Sequence[str], rate: str, missing: str
) -> None:
    dataset = load_dataset(write_dataset(tmp_path / "parts", good=good, kinds=kinds))
    (tmp_path / "out/figures").mkdir(parents=True)
    (tmp_path / "out/figures/roc.svg").touch()  # of an earlier evaluation
    (tmp_path / "out/evaluation.json").write_text('{"image_auroc": 0.5}')
    found = evaluate(FakePredictor(), dataset, tmp_path / "out").to_json()
    assert found["image_auroc"] is found["image_ap"] is found["image_f1_max"] is found[rate] is None
    assert any(f"no {missing} test images" in note for note in found["notes"])
    assert not (tmp_path / "out/figures/roc.svg").exists()
    assert (tmp_path / "out/figures/scores.svg").exists()


def test_no_test_images_says_what_to_do(tmp_path: Path) -> None:
    save(tmp_path / "parts/train/good/000.png", np.zeros((16, 16), np.uint8))
    save(tmp_path / "parts/train/good/001.png", np.ones((16, 16), np.uint8))
    dataset = load_dataset(tmp_path / "parts", "mvtec")
    with pytest.raises(DatasetError, match="test/good"):
        evaluate(FakePredictor(), dataset)


def test_all_images_unreadable_is_an_error_that_names_one(dataset: Dataset) -> None:
    for sample in dataset.test:
        sample.image.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="none of the 24 test images"):
        evaluate(FakePredictor(), dataset)


def test_a_file_in_place_of_the_folder_is_refused_before_any_work(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("taken")
    predictor = FakePredictor()
    with pytest.raises(SettingsError, match="is a file"):
        evaluate(predictor, dataset, tmp_path / "out")
    assert not predictor.seen


def test_progress_and_one_prediction_an_image(dataset: Dataset) -> None:
    predictor, steps = FakePredictor(), []
    evaluate(predictor, dataset, progress=lambda done, of: steps.append((done, of)))
    assert steps == [(n, 24) for n in range(1, 25)]
    assert predictor.seen == [sample.image for sample in dataset.test]


def test_an_infinite_threshold_is_null_in_json(dataset: Dataset, tmp_path: Path) -> None:
    evaluate(FakePredictor(threshold=math.inf), dataset, tmp_path / "out")
    found = json.loads((tmp_path / "out/evaluation.json").read_text("utf-8"))
    assert found["threshold"] is None
    assert found["detection_rate"] == 0


def test_evaluating_without_a_folder_imports_neither_matplotlib_nor_jinja2() -> None:
    code = (
        "import sys, excision.evaluation.evaluate; "
        "print([m for m in ('matplotlib', 'jinja2', 'torch', 'scipy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
