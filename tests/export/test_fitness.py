"""What images are like goes with a model: trained, exported, recalibrated, undone, and judged on the line."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision.cli import run as command_line
from excision.detector import Detector
from excision.errors import ModelError
from excision.method import run_folder
from excision.method.fitness import FITNESS
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import DESCRIPTION
from excision.synthetic.dataset import write_synthetic

OLD = Path(__file__).parents[1] / "compatibility" / "format_1"


@pytest.fixture
def line(exported_onnx: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported_onnx, tmp_path / "line"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good images of other parts than those of the training, under a light that is half as bright."""
    folder = tmp_path_factory.mktemp("fresh")
    write_synthetic(
        folder / "all", size=(64, 64), train=20, test_good=1, per_defect=1, surfaces=["woven_fabric"], seed=7
    )
    (folder / "dark").mkdir()
    for path in (folder / "all" / "train" / "good").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) * 0.4).astype(np.uint8)).save(
            folder / "dark" / path.name
        )
    return folder / "dark"


@pytest.fixture(scope="module")
def good(parts: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(sorted((parts / "test" / "good").iterdir())[0]))


def dark(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return (image * 0.1).astype(np.uint8)


def test_it_does_not_depend_on_what_else_computes_meanwhile(line: Path, good: NDArray[np.uint8]) -> None:
    inspectors = [Inspector(line, threads=1), Inspector(line, threads=2), Inspector(line, workers=2)]
    for image in (good, dark(good)):
        found = [inspector.inspect(image) for inspector in inspectors]
        expected = inspectors[0].fitness
        assert expected is not None
        statistics, unfit = expected.judge(inspectors[0].working(image))
        for each in found:
            assert (each.image_statistics, each.unfit) == (statistics, unfit)


def test_detector_and_inspector_say_the_same(run: Path, line: Path, good: NDArray[np.uint8]) -> None:
    detector, inspector = Detector.load(run, device="cpu"), Inspector(line)
    for image in (good, dark(good), 255 - good):
        one, other = detector.inspect(image), inspector.inspect(image)
        assert one.unfit == other.unfit
        assert one.image_statistics == other.image_statistics
    assert inspector.inspect(good).verdict != "unfit"
    found = inspector.inspect(dark(good))
    assert found.verdict == "unfit"
    assert "dark" in found.unfit[0] or "black" in found.unfit[0]
    assert np.isfinite(found.score)
    assert found.p_value is not None


def test_the_verdict_does_not_depend_on_other_images_nor_on_the_layout(
    line: Path, good: NDArray[np.uint8]
) -> None:
    inspector = Inspector(line)
    alone = inspector.inspect(dark(good))
    several = [*inspector.predict([good, np.asfortranarray(dark(good)), good])][1]
    assert several.unfit == alone.unfit
    assert several.image_statistics == alone.image_statistics


@pytest.mark.parametrize("clone", [copy.copy, lambda inspector: pickle.loads(pickle.dumps(inspector))])
def test_a_copy_judges_alike(clone: object, line: Path, good: NDArray[np.uint8]) -> None:
    inspector = Inspector(line)
    twin = clone(inspector)  # type: ignore[operator]  # a function
    assert twin.inspect(dark(good)).unfit == inspector.inspect(dark(good)).unfit
    assert inspector.with_thresholds(1.0).inspect(dark(good)).verdict == "unfit"


def test_a_new_light_is_learnt_and_undone(
    line: Path, fresh: Path, good: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    darker = (good * 0.4).astype(np.uint8)
    assert Inspector(line).inspect(darker).verdict == "unfit"
    before = (line / FITNESS).read_bytes()
    assert command_line(["calibrate", str(line), str(fresh), "--false-alarm-rate", "10%"]) == 0
    said = capsys.readouterr().out
    assert "Unfit images: At most" in said
    assert "20 images in 20 groups" in said
    now = Inspector(line)
    assert now.inspect(darker).verdict != "unfit"
    assert now.inspect(good).verdict == "unfit"
    assert command_line(["calibrate", str(line), "--undo"]) == 0
    assert (line / FITNESS).read_bytes() == before
    assert Inspector(line).inspect(darker).verdict == "unfit"


def test_no_image_is_judged_as_unfit_if_a_person_says_so(
    line: Path, fresh: Path, good: NDArray[np.uint8]
) -> None:
    arguments = ["calibrate", str(line), str(fresh), "--false-alarm-rate", "10%"]
    assert command_line([*arguments, "--unfit-rate", "0"]) == 0
    assert not (line / FITNESS).exists()
    found = Inspector(line).inspect(dark(good))
    assert (found.unfit, found.image_statistics) == ((), None)
    assert command_line(arguments) == 0
    assert not (line / FITNESS).exists()
    assert command_line([*arguments, "--unfit-rate", "1%"]) == 0
    assert Inspector(line).inspect(dark(good)).verdict == "unfit"
    assert command_line([*arguments, "--unfit-rate", "100%"]) == 2


def test_a_file_that_was_changed_or_removed_is_noticed(line: Path) -> None:
    content = (line / FITNESS).read_text()
    (line / FITNESS).write_text(content.replace('"limit": ', '"limit":  '))
    with pytest.raises(ModelError, match="not the file that"):
        Inspector(line)
    (line / FITNESS).unlink()
    with pytest.raises(ModelError, match="missing"):
        Inspector(line)


@pytest.mark.parametrize("interrupted", ["description", "renaming"])
def test_a_recalibration_that_is_killed_leaves_the_old_or_the_new(
    line: Path, fresh: Path, interrupted: str, good: NDArray[np.uint8], tmp_path: Path
) -> None:
    old = shutil.copytree(line, tmp_path / "old")
    assert command_line(["calibrate", str(line), str(fresh), "--false-alarm-rate", "10%"]) == 0
    # The order of writing is: the next file, model.json, the rename.
    shutil.copy(line / FITNESS, old / "fitness.next.json")
    if interrupted == "renaming":
        shutil.copy(line / DESCRIPTION, old / DESCRIPTION)
    found = Inspector(old).inspect((good * 0.4).astype(np.uint8))
    assert (found.verdict == "unfit") == (interrupted == "description")


def test_older_folders_judge_no_image_as_unfit(tmp_path: Path) -> None:
    for kind in ("exported", "run"):
        folder = shutil.copytree(OLD / kind, tmp_path / kind)
        model = Inspector(folder) if kind == "exported" else Detector.load(folder, device="cpu")
        height, width = model.image_format.size
        found = model.inspect(np.zeros((height, width), np.uint8))
        assert found.verdict != "unfit"
        assert found.image_statistics is None


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("limit", -1),
        ("grid", [8, 900]),
        ("ranges", {}),
        ("view", [[1.0]]),
        ("precision", [[1e999]]),
        ("cell_units", None),
        ("version", 3),
        ("calibration", {}),
        ("more", 1),
    ],
)
def test_a_damaged_file_is_refused_by_its_name(run: Path, tmp_path: Path, entry: str, value: object) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    content = json.loads((folder / FITNESS).read_text())
    (folder / FITNESS).write_text(json.dumps({**content, entry: value}))
    with pytest.raises(ModelError, match=FITNESS):
        run_folder.load_model(folder)
