"""Cross-calibration: training images calibrate, too, where held-out ones alone promise too little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from excision import Detector, Settings, load_dataset
from excision.errors import NetworkMemoryWarning
from excision.method import cross_calibration
from excision.method.calibration import Calibration
from excision.method.cross_calibration import memory_p_value
from excision.method.run_folder import TRAINING, read_json
from excision.settings import ScoreSettings
from excision.synthetic.dataset import write_synthetic
from tests.conftest import draw_surface

IMAGES = [draw_surface(number) for number in range(1000, 1024)]


@pytest.fixture(scope="module")
def plain(tiny: Settings) -> Settings:
    """Nothing in these images lies askew: a search for several parts among them would take most time."""
    calibration = replace(tiny.calibration, groups="each")
    return replace(tiny, calibration=calibration, score=ScoreSettings(align=False))


@pytest.fixture(scope="module")
def crossing(plain: Settings) -> Settings:
    return replace(plain, calibration=replace(plain.calibration, cross_fit=True))


@pytest.fixture(scope="module")
def crossed(crossing: Settings) -> Detector:
    return Detector(crossing, device="cpu").fit(IMAGES)


def test_every_good_image_calibrates_and_the_model_is_the_same(crossed: Detector, plain: Settings) -> None:
    alone = Detector(plain, device="cpu").fit(IMAGES)
    calibration = crossed.calibration
    assert len(calibration.scores) == 24 and calibration.count_groups == 24
    assert calibration.cross_fitted == 24 - len(alone.calibration.scores)
    assert calibration.promised_rate < alone.calibration.promised_rate
    state, expected = crossed.pipeline.state_dict(), alone.pipeline.state_dict()
    assert all(bool((state[name] == expected[name]).all()) for name in expected)
    of_held_out = dict(zip(alone.calibration.names, alone.calibration.scores, strict=True))
    scores = dict(zip(calibration.names, calibration.scores, strict=True))
    assert {name: scores[name] for name in of_held_out} == of_held_out


def test_a_training_image_is_scored_without_its_group(crossed: Detector) -> None:
    """Its score differs from that of the model, whose statistics it took part in."""
    scores = dict(zip(crossed.calibration.names, crossed.calibration.scores, strict=True))
    own = {str(place): crossed.inspect(image).score for place, image in enumerate(IMAGES)}
    same = {name for name in own if own[name] == scores[name]}
    assert len(same) == 24 - crossed.calibration.cross_fitted


def test_the_promise_says_what_is_assumed(crossed: Detector) -> None:
    told = crossed.calibration.explain()
    assert "The networks were trained on 19 of these images, each of which was scored by" in told
    assert "the held-out images gave no sign that they do" in told


def test_it_is_the_same_again_and_in_other_calls(crossed: Detector, crossing: Settings) -> None:
    assert Detector(crossing, device="cpu").fit(IMAGES).calibration == crossed.calibration


def test_enough_held_out_images_calibrate_alone(crossing: Settings) -> None:
    chosen = replace(crossing, calibration=replace(crossing.calibration, false_alarm_rate=0.5, holdout=0.5))
    calibration = Detector(chosen, device="cpu").fit(IMAGES).calibration
    assert calibration.cross_fitted == 0 and len(calibration.scores) == 12


def test_networks_that_remember_leave_the_threshold_to_the_held_out_images(
    crossing: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_calibration, "LEVEL", 2.0)
    with pytest.warns(NetworkMemoryWarning, match="held-out images alone set the threshold"):
        calibration = Detector(crossing, device="cpu").fit(IMAGES).calibration
    assert calibration.cross_fitted == 0 and len(calibration.scores) == 5


def test_a_run_keeps_it(crossing: Settings, tmp_path: Path) -> None:
    write_synthetic(tmp_path / "data", surfaces=["brushed_metal"], train=20, test_good=2, size=(64, 64))
    dataset = load_dataset(tmp_path / "data")
    detector = Detector(replace(crossing, image=replace(crossing.image, size=(48, 48))), device="cpu")
    detector.fit(dataset, tmp_path / "run")
    again = Detector.load(tmp_path / "run", device="cpu")
    assert again.calibration == detector.calibration
    assert detector.calibration.cross_fitted == 16
    assert read_json(tmp_path / "run" / TRAINING)["n_calibration"] == 20


def test_a_stored_number_that_cannot_be_is_refused(crossed: Detector) -> None:
    import dataclasses

    from excision.method.stored_calibration import stored_calibration

    content = dataclasses.asdict(crossed.calibration)
    content = {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}
    assert isinstance(stored_calibration(content, "it"), Calibration)
    for wrong in (-1, 25, 1.5, True, None):
        with pytest.raises(ValueError, match="cross_fitted"):
            stored_calibration({**content, "cross_fitted": wrong}, "it")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(2, 6))
def test_memory_is_tested_as_scipy_does_by_permutation(seed: int, seen: int, new: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=seen + new)
    groups = [f"{place}" for place in range(seen + new)]
    found = memory_p_value(scores[:seen].tolist(), groups[:seen], scores[seen:].tolist(), groups[seen:])
    exact = stats.mannwhitneyu(scores[seen:], scores[:seen], alternative="greater", method="exact").pvalue
    assert abs(found - exact) < 0.05


def test_memory_shows_and_images_of_one_group_count_once() -> None:
    rng = np.random.default_rng(0)
    seen, new = rng.normal(size=60), rng.normal(size=20) + 2
    each = [f"{place}" for place in range(80)]
    assert memory_p_value(seen.tolist(), each[:60], new.tolist(), each[60:]) < 0.01
    few = [f"{place // 20}" for place in range(80)]
    assert memory_p_value(seen.tolist(), few[:60], new.tolist(), few[60:]) > 0.2
