"""Thresholds that a person sets, on both kinds of model folder."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from excision.detector import Detector
from excision.errors import SettingsError
from excision.method.run_folder import load_calibration
from excision.predictions import Predictor
from excision.runtime import Inspector

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"
IMAGE = min(FORMAT_1.glob("*.png"))


def predictor(kind: str) -> Predictor:
    if kind == "exported":
        return Inspector(FORMAT_1 / "exported", threads=1)
    return Detector.load(FORMAT_1 / "run", device="cpu")


@pytest.mark.parametrize("kind", ["exported", "run"])
def test_the_weights_stay_and_the_thresholds_change(kind: str) -> None:
    before = predictor(kind)
    (found,) = before.predict([IMAGE])
    other = before.with_thresholds(found.score * 2, None)
    (again,) = other.predict([IMAGE])
    assert again.score == found.score
    assert (again.threshold, again.review_threshold, again.verdict) == (found.score * 2, None, "good")
    assert other.threshold == found.score * 2
    assert other.calibration is not None and before.calibration is not None
    assert other.calibration.scores == before.calibration.scores
    assert "A person set this threshold" in other.calibration.explain()
    assert before.threshold == found.threshold, "the predictor itself stays as it is"
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(SettingsError, match="finite"):
            before.with_thresholds(wrong, None)


def test_an_exported_model_has_a_grey_zone() -> None:
    before = predictor("exported")
    (found,) = before.predict([IMAGE])
    other = before.with_thresholds(found.score * 2, found.score / 2)
    (again,) = other.predict([IMAGE])
    assert (again.verdict, again.review_threshold) == ("review", found.score / 2)
    assert other.review_threshold == found.score / 2
    assert other.with_thresholds(found.score, None).review_threshold is None
    with pytest.raises(SettingsError, match="above the decision threshold"):
        before.with_thresholds(1.0, 2.0)


def test_a_run_folder_has_none() -> None:
    assert predictor("run").review_threshold is None
    with pytest.raises(SettingsError, match="export the model"):
        predictor("run").with_thresholds(2.0, 1.0)


def test_a_run_folder_keeps_that_a_person_set_its_threshold(tmp_path: Path) -> None:
    Detector.load(FORMAT_1 / "run", device="cpu").with_thresholds(7.5).save(tmp_path)
    calibration = load_calibration(tmp_path)
    assert (calibration.threshold, calibration.wanted_rate) == (7.5, None)
    assert Detector.load(tmp_path, device="cpu").threshold == 7.5


@pytest.mark.parametrize("kind", ["exported", "run"])
def test_the_own_threshold_set_again_has_its_own_promise_again(kind: str) -> None:
    before = predictor(kind)
    own = before.calibration
    assert own is not None
    there = before.with_thresholds(2 * own.threshold, None)
    again = there.with_thresholds(3 * own.threshold, None).with_thresholds(own.threshold, None)
    assert again.calibration == own
    assert again.calibration.explain() == own.explain()
    assert there.calibration == own.at(2 * own.threshold)
