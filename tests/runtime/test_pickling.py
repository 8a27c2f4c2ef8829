"""An inspector travels to spawned workers, which open its folder anew and judge as it does."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Inspector
from excision.errors import ModelError
from excision.runtime.defect_criteria import DefectCriteria
from excision.runtime.model_folder import Description
from tests.compatibility.test_format_1 import HERE
from tests.conftest import draw_surface

IMAGES = [draw_surface(number, (64, 64)) for number in range(6)]


def strict() -> Inspector:
    """An inspector whose thresholds and criteria stand nowhere in its folder."""
    lowest, highest = sorted(map(score, IMAGES))[::5]
    inspector = Inspector(HERE / "exported", threads=1).with_thresholds(highest * 0.999, lowest * 1.0001)
    region = np.zeros(inspector.description.size, dtype=bool)
    region[: region.shape[0] // 2] = True
    inspector.criteria = DefectCriteria(region, minimum_area=2)
    return inspector


def score(image: np.ndarray) -> float:
    return Inspector(HERE / "exported", threads=1).inspect(image).score


def test_spawned_workers_give_the_same_verdicts() -> None:
    inspector = strict()
    alone = [inspector.inspect(image) for image in IMAGES]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        together = pool.map(inspector.inspect, IMAGES)
    for one, other in zip(alone, together, strict=True):
        assert one.score == other.score
        assert (one.threshold, one.review_threshold, one.verdict) == (
            other.threshold,
            other.review_threshold,
            other.verdict,
        )
        np.testing.assert_array_equal(one.anomaly_map, other.anomaly_map)


def test_what_travels_is_small_and_complete() -> None:
    inspector = strict()
    sent = pickle.dumps(inspector)
    size = (HERE / "exported" / "model.onnx").stat().st_size
    assert len(sent) < size / 4
    twin = pickle.loads(sent)
    assert twin is not inspector and twin._backend is not inspector._backend
    assert (twin.folder, twin.threads, twin.description) == (
        inspector.folder.absolute(),
        inspector.threads,
        inspector.description,
    )
    assert twin.inspect(IMAGES[0]).score == inspector.inspect(IMAGES[0]).score


def test_the_plain_thresholds_do_not_travel_in_place_of_those_in_force(tmp_path: Path) -> None:
    """Whoever sets the threshold of the folder meanwhile does not change what was sent."""
    folder = tmp_path / "line"
    shutil.copytree(HERE / "exported", folder)
    inspector = Inspector(folder)
    sent = pickle.dumps(inspector)
    Inspector(folder).recalibrate([1.0, 2.0, 3.0], 0.4)
    assert Inspector(folder).threshold != inspector.threshold
    assert pickle.loads(sent).threshold == inspector.threshold


def test_a_relative_folder_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(HERE / "exported", tmp_path / "line")
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(Inspector("line"))
    monkeypatch.chdir("/")
    assert pickle.loads(sent).folder == tmp_path / "line"
    shutil.rmtree(tmp_path / "line")
    with pytest.raises(ModelError, match="no such folder"):
        pickle.loads(sent)


def test_a_copy_shares_the_graph() -> None:
    inspector = strict()
    twin = copy.copy(inspector)
    assert twin._backend is inspector._backend and twin is not inspector
    assert vars(twin) == vars(inspector)


def test_predictions_travel_back() -> None:
    path = HERE / "0.png"
    found = Inspector(HERE / "exported").inspect(path)
    again = pickle.loads(pickle.dumps(found))
    assert again.to_dict() == found.to_dict()
    with Image.open(path) as image:
        assert again.size == (image.height, image.width)


def test_repr_is_one_short_line() -> None:
    inspector = Inspector(HERE / "exported")
    told = Description.load(HERE / "exported")
    assert repr(inspector) == (
        f"Inspector({str(HERE / 'exported')!r}, backend='onnx', precision='fp32', size={told.size}, "
        f"threshold={told.calibration.threshold:.4g})"
    )
    zoned = inspector.with_thresholds(2.0, 1.5)
    assert repr(zoned).endswith("threshold=2, review_threshold=1.5)")
