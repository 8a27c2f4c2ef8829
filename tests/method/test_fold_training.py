"""Calibration in folds: every good image is scored by a model that never saw its group, and none is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from excision import Detector
from excision.data import Dataset, Sample
from excision.errors import DatasetError, FewImagesWarning, SettingsError
from excision.method.calibration import calibrate
from excision.method.fold_training import out_of_fold_scores
from excision.method.run_folder import FOLDS, OTHER_FILES, VERDICT_FILES
from excision.progress import Progress
from excision.settings import CalibrationSettings, Settings
from excision.training.preparing import prepare
from excision.training.training_set import TrainingSet
from tests.conftest import draw_surface
from tests.method.recovery.test_resume import CrashError
from tests.method.recovery.test_training import with_training

IN_FOLDS = replace(
    with_training(steps=4),
    calibration=CalibrationSettings(folds=3, groups="column:group", cross_fit=False),
)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten tiles of four strips."""
    folder = tmp_path_factory.mktemp("strips")
    samples = []
    for number in range(10):
        path = folder / f"{number}.png"
        Image.fromarray(draw_surface(number)).save(path)
        group = f"strip {number * 4 // 10}"
        samples.append(Sample(path.name, path, "train", "good", None, group))
    return Dataset(folder, "images", tuple(samples), columns={"group": {s.name: s.group for s in samples}})


@pytest.fixture(scope="module")
def finished(strips: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    with pytest.warns(FewImagesWarning, match="10 good images in 4 groups calibrate in folds"):
        Detector(IN_FOLDS, device="cpu").fit(strips, run)
    return run


def outcome(run: Path) -> dict[str, bytes]:
    present = (name for name in VERDICT_FILES if (run / name).is_file())
    return {name: (run / name).read_bytes() for name in present}


def test_every_image_is_scored_by_a_model_that_never_saw_its_strip(strips: Dataset, finished: Path) -> None:
    found = Detector.load(finished, device="cpu").calibration
    assert found.folds == 3 and found.count_groups == 4 and len(found.scores) == 10
    scores = dict(zip(found.names, found.scores, strict=True))
    by_name = {sample.name: sample for sample in strips.samples}
    seen: set[str] = set()
    data = prepare(strips, IN_FOLDS)
    for names in data.folds(3):
        strips_of_fold = {by_name[name].group for name in names}
        others = [s for s in strips.samples if s.group not in strips_of_fold]
        assert {s.name for s in others}.isdisjoint(names) and not seen & strips_of_fold
        seen |= strips_of_fold
        rest = data.without(names)
        assert set(rest.training) == {s.name for s in others} and rest.calibration == names
    assert len(seen) == 4
    # A detector that is fitted to the others of the last fold, with that fold held out, scores it the same.
    held_out = data.without(names)
    alone = Detector(IN_FOLDS, device="cpu")
    alone._train(held_out, None, None, None)
    alone._learn_normal(held_out, None)
    assert alone.calibration.scores == tuple(sorted(scores[name] for name in names))


def test_the_threshold_follows_from_all_scores_by_groups(finished: Path) -> None:
    found = Detector.load(finished, device="cpu").calibration
    again = calibrate(found.scores, 0.01, groups=found.groups, names=found.names, folds=3)
    assert found == again
    assert "no theorem guarantees that" in found.explain() and "10 images in 4 groups" in found.explain()


def test_the_model_is_the_one_that_all_images_train(finished: Path) -> None:
    facts = json.loads((finished / "training.json").read_text())
    assert (facts["n_training"], facts["n_calibration"]) == (10, 10)
    names = {path.name for path in finished.iterdir()}
    assert names <= {*VERDICT_FILES, *OTHER_FILES}  # nothing of the folds is left
    fingerprint = json.loads((finished / "fingerprint.json").read_text())
    assert len(fingerprint["training"]) == 10 and not fingerprint["calibration"]


@pytest.mark.parametrize(
    ("moment", "error"),
    [(("fold 2 of 3", 2), KeyboardInterrupt), (("training", 2), CrashError)],
    ids=["in a fold", "after the folds"],
)
def test_stopped_anywhere_it_ends_with_the_same_files(
    moment: tuple[str, int], error: type[BaseException], strips: Dataset, finished: Path, tmp_path: Path
) -> None:
    def stage(what: str, done: int, _total: int) -> None:
        if (what, done) == moment:
            raise error

    run = tmp_path / "run"
    with pytest.raises(error), pytest.warns(FewImagesWarning):
        Detector(IN_FOLDS, device="cpu").fit(
            strips, run, progress=lambda done, *_: stage("training", done, 0), stage=stage
        )
    kept = {path: path.stat().st_mtime_ns for path in run.glob(f"{FOLDS}/*/scores.json")}
    assert len(kept) == (1 if moment[0] == "fold 2 of 3" else 3)
    steps: dict[str, list[int]] = {}

    def resumed(what: str, done: int, _total: int) -> None:
        steps.setdefault(what, []).append(done)
        assert all(not path.exists() or path.stat().st_mtime_ns == written for path, written in kept.items())

    Detector(IN_FOLDS, device="cpu").fit(strips, run, resume=True, stage=resumed)
    assert steps["fold 1 of 3"] == [1]
    if moment[0] == "fold 2 of 3":
        assert steps["fold 2 of 3"][0] == 3  # taken up where it was interrupted
    assert outcome(run) == outcome(finished) and not (run / FOLDS).exists()


@pytest.mark.parametrize(
    "damage", ["", "[]", '{"names": [], "scores": []}', '{"names": 3, "scores": ["x"]}', None]
)
def test_only_undamaged_scores_of_a_fold_are_taken_up(
    damage: str | None, strips: Dataset, tmp_path: Path
) -> None:
    data, scored = prepare(strips, IN_FOLDS), []

    def score(fold: TrainingSet, folder: Path | None, _progress: Progress) -> list[float]:
        assert folder is not None and folder.is_dir()
        scored.append(fold.calibration)
        return [float(name.split(".")[0]) for name in fold.calibration]

    first = out_of_fold_scores(data, 3, tmp_path, score)
    assert first == [float(name.split(".")[0]) for name in data.sources]
    if damage is not None:
        (tmp_path / FOLDS / "1" / "scores.json").write_text(damage)
    assert out_of_fold_scores(data, 3, tmp_path, score) == first
    assert len(scored) == (3 if damage is None else 4) and scored[3:] == scored[:1] * (damage is not None)


def test_recalibration_holds_images_out(strips: Dataset, finished: Path) -> None:
    detector = Detector.load(finished, device="cpu").recalibrate(strips)
    assert detector.calibration.folds == 0 and len(detector.calibration.scores) < 10


def test_one_group_alone_cannot_be_divided(strips: Dataset) -> None:
    alike = replace(strips, samples=tuple(replace(s, group="strip") for s in strips.samples))
    settings = replace(IN_FOLDS, calibration=CalibrationSettings(folds=3, groups="folder"))
    with pytest.raises(DatasetError, match="cannot be divided"):
        Detector(settings).fit(alike)


@pytest.mark.parametrize("folds", [-1, 1, 21])
def test_folds_that_make_no_sense_are_refused(folds: int) -> None:
    with pytest.raises(SettingsError, match=r"calibration\.folds"):
        CalibrationSettings(folds=folds)
    assert not Settings().calibration.folds
