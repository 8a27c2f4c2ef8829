"""A challenger takes the rule of the grey zone over, not the number: the same rate on its own scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from excision.method.calibration import calibrate
from excision.runtime.inspector import Inspector
from excision.runtime.model_folder import Description
from excision.station.improve.grey_zone import rate_of, take_over_zone, zone_of
from excision.station.improve.job import Job
from tests.compatibility.test_format_1 import HERE

RANDOM = np.random.default_rng(3)
OLD, NEW = RANDOM.gamma(4, 0.1, 300), RANDOM.gamma(9, 1.0, 200)


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(HERE / "exported", tmp_path / "deployed"))
    Inspector(folder).recalibrate(OLD, 0.02, 0.15)
    return folder


@pytest.fixture
def challenger(tmp_path: Path) -> Path:
    """A model whose scores are on another scale, and that has no zone yet."""
    folder = Path(shutil.copytree(HERE / "exported", tmp_path / "challenger"))
    Inspector(folder).recalibrate(NEW, 0.02)
    return folder


def job(deployed: Path, threshold: float | None = None, review: float | None = None) -> Job:
    return Job(
        "improve", "m", deployed.parent, deployed=deployed, threshold=threshold, review_threshold=review
    )


def test_a_calibrated_zone_keeps_its_rate(deployed: Path, challenger: Path) -> None:
    decision = Inspector(challenger).threshold
    for _ in range(2):
        assert take_over_zone(job(deployed), challenger) == []
        found = Description.load(challenger)
        assert found.review is not None and found.review.rate == 0.15
        assert found.review.threshold == calibrate(NEW.tolist(), 0.15).threshold < decision
        assert found.calibration.threshold == decision
    before, found = Description.load(deployed), Description.load(challenger)
    assert before.review is not None and found.review is not None
    shares = [float(np.mean(before.review.threshold < OLD)), float(np.mean(found.review.threshold < NEW))]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_a_zone_that_a_person_set_keeps_its_share(deployed: Path, challenger: Path) -> None:
    begins = float(np.quantile(OLD, 0.7))
    asked = job(deployed, float(OLD.max()), begins)
    zone = zone_of(asked)
    assert zone is not None and zone.threshold == begins and zone.wanted_rate is None
    assert rate_of(zone) == pytest.approx(0.3, abs=0.01)
    assert take_over_zone(asked, challenger) == []
    taken = Description.load(challenger).review
    assert taken is not None and np.mean(taken.threshold < NEW) == pytest.approx(0.3, abs=0.01)


def test_without_a_zone_there_is_none(deployed: Path, challenger: Path) -> None:
    # A person took the zone of the folder away.
    assert zone_of(job(deployed, 1.0)) is None
    assert take_over_zone(job(deployed, 1.0), challenger) == []
    assert Description.load(challenger).review is None
    assert zone_of(job(HERE / "run")) is None, "a run folder knows no zone"


def test_a_zone_above_the_threshold_is_said(deployed: Path, challenger: Path) -> None:
    Inspector(challenger).recalibrate(NEW, 0.4)
    (note,) = take_over_zone(job(deployed), challenger)
    assert "a rate of 15.00%, is not taken over" in note
    assert Description.load(challenger).review is None
