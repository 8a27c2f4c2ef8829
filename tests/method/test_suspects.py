"""Suspects: good images whose scores are out of line, by an exponential tail and a false discovery rate."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.method.attention.model import Attention
from excision.method.calibration import calibrate
from excision.method.cross_fitting import CrossFit
from excision.method.pipeline import Pipeline
from excision.method.suspect_search import search_suspects
from excision.method.suspects import ScoredImage, find_suspects, tail_p_values
from excision.predictions import Prediction
from excision.settings import CalibrationSettings, Settings
from excision.training.preparing import prepare
from excision.training.usable import Picture
from tests.conftest import draw_surface
from tests.evaluation.fakes import prediction


def scored(scores: list[float]) -> list[ScoredImage]:
    return [ScoredImage(f"{place:03}.png", score, "training") for place, score in enumerate(scores)]


def test_p_values_are_those_of_the_fitted_exponential_tail() -> None:
    scores = np.random.default_rng(0).exponential(1.0, 4000)
    found = tail_p_values(scores.tolist())
    above = scores > np.median(scores)
    np.testing.assert_allclose(found[above], stats.expon.sf(scores[above]), rtol=0.2, atol=0.01)
    assert np.all(found[~above] == 1)


def test_suspects_are_those_of_scipy_false_discovery_control() -> None:
    rng = np.random.default_rng(1)
    scores = [*rng.exponential(1.0, 190).tolist(), *rng.uniform(9, 30, 10).tolist()]
    adjusted = stats.false_discovery_control(tail_p_values(scores))
    wanted = {f"{place:03}.png" for place in np.flatnonzero(adjusted <= 0.1)}
    found = find_suspects(scored(scores))
    assert {suspect.name for suspect in found} == wanted
    assert {f"{place:03}.png" for place in range(190, 200)} <= wanted
    assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)


@pytest.mark.parametrize("share", [0.01, 0.03, 0.10])
def test_defects_among_the_images_do_not_hide_each_other(share: float) -> None:
    rng = np.random.default_rng(2)
    defects = round(share * 300)
    scores = [*rng.exponential(1.0, 300 - defects).tolist(), *[25.0] * defects]
    found = find_suspects(scored(scores))
    assert sum(suspect.score == 25 for suspect in found) == defects


def test_good_images_alone_are_rarely_suspects() -> None:
    """The false discovery rate is the chance of any suspect where there is no defect."""
    rng = np.random.default_rng(3)
    alarms = sum(bool(find_suspects(scored(rng.exponential(1.0, 200).tolist()))) for _ in range(300))
    # The scale is estimated, which adds to the 10 %.
    assert alarms / 300 < 0.2


def test_nothing_is_concluded_from_few_images_or_equal_scores() -> None:
    assert find_suspects(scored([0.0] * 18 + [100.0])) == ()
    assert find_suspects(scored([1.0] * 50)) == ()


@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=60), st.floats(0.01, 100))
def test_the_unit_of_the_scores_does_not_matter(scores: list[float], unit: float) -> None:
    once = tail_p_values(scores)
    assert np.all((once > 0) & (once <= 1))
    order = np.argsort(scores)
    assert np.all(np.diff(once[order]) <= 0)
    if np.ptp(np.quantile(scores, [0.5, 0.8])) > 1e-3:
        np.testing.assert_allclose(tail_p_values([unit * s for s in scores]), once, rtol=1e-6, atol=1e-12)


def test_held_out_images_are_inspected_several_at_once_too() -> None:
    settings = Settings(calibration=CalibrationSettings(holdout=0.5, groups="each"))
    data = prepare([draw_surface(number) for number in range(12)], settings)
    pipeline, meeting = Pipeline(settings, data.image_format, Attention()), threading.Barrier(2, timeout=60)
    found = prediction(np.zeros((4, 4, 1), np.float32))
    fit = CrossFit([pipeline], dict.fromkeys(data.sources, 0), lambda *_: found)

    def held_out(_: Picture) -> Prediction:
        meeting.wait()  # passes only if two are inspected at once
        return found

    assert len(data.calibration) == 6
    threshold = calibrate([1.0, 2.0], 0.5)
    assert list(search_suspects(data, threshold, lambda: fit, held_out, count=2)) == []
