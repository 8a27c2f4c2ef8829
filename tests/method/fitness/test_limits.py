"""Limits of deviations: what they promise, and which good images widen them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.method.calibration import calibrate
from excision.method.fitness import Fitness
from excision.method.fitness.limits import promise_unfit, usual_limit, widen, within
from excision.method.fitness.norm import Comparison
from excision.method.fitness.stored import from_json, to_json
from tests.method.fitness.drawn import surface, working

LEVEL = 0.1 * 0.9


def promise(deviations: list[float], groups: list[str] | None = None) -> tuple[float, float]:
    names = [str(place) for place in range(len(deviations))]
    found = promise_unfit(deviations, groups or names, names, rate=0.001, confidence=0.9)
    return found.threshold, found.promised_rate


@pytest.mark.parametrize("count", [10, 40, 300])
@pytest.mark.parametrize("above", [0, 1])
def test_the_usual_limit_promises_what_was_seen_above_it(count: int, above: int) -> None:
    limit, promised = promise([2.0] * (count - above) + [10.0] * above)
    assert limit == usual_limit(count)
    assert promised == pytest.approx(stats.beta.ppf(1 - LEVEL, above + 1, count - above))


def test_part_of_a_group_counts_as_that_part() -> None:
    groups = [str(place // 5) for place in range(100)]
    none, part, whole = (promise([10.0] * n + [2.0] * (100 - n), groups)[1] for n in (0, 2, 5))
    assert part == pytest.approx(none + 0.4 * (whole - none))


def test_where_many_images_are_beyond_the_limit_it_is_raised() -> None:
    usual = usual_limit(40)
    limit, promised = promise([2.0] * 36 + [9.0, 10.0, 11.0, 12.0])
    assert (limit, usual < 9) == (12.0, True)
    assert promised == pytest.approx(1 - (0.01 / 2) ** (1 / 40))
    assert promise([2.0] * 36 + [9.0, 10.0, 11.0, 99.0])[0] == 16.0
    assert promise([2.0] * 780 + [9.0] * 19 + [99.0])[0] == 9.0


@pytest.mark.parametrize("tail", [1, 4])
def test_the_promise_is_kept_whatever_the_tail(tail: float) -> None:
    rng, broken, draws = np.random.default_rng(0), 0, 150
    distribution = stats.t(tail)
    for _ in range(draws):
        limit, promised = promise(np.abs(3 * distribution.rvs(30, random_state=rng)).tolist())
        broken += 2 * distribution.sf(limit / 3) > promised
    assert broken <= stats.binom.ppf(0.999, draws, 0.1)


def test_one_statistic_is_widened_on_one_side_alone() -> None:
    images = [{"noise": 1.0, "scale": -2.0}, {"noise": -9.0, "scale": 3.0}, {"noise": 99.0, "scale": 8.0}]
    widened = widen(images, 7.0)
    assert widened == {"noise": (9.0, 7.0)}
    for deviations, largest in (({"noise": -9.0}, 7.0), ({"noise": 8.0}, 8.0), ({"scale": -8.0}, 8.0)):
        assert within(Comparison({}, deviations), widened, 7.0).largest == pytest.approx(largest)


DEVIATIONS = st.fixed_dictionaries({name: st.floats(-30, 30) for name in ("noise", "scale", "unlike")})


@given(st.lists(DEVIATIONS, min_size=1, max_size=20), DEVIATIONS)
def test_widening_never_makes_an_image_unfit(images: list[dict[str, float]], new: dict[str, float]) -> None:
    limit = 7.0
    widened = widen(images, limit)
    found = within(Comparison({}, new), widened, limit)
    assert found.largest <= Comparison({}, new).largest
    for image in images:
        largest = Comparison({}, image).largest
        passes = within(Comparison({}, image), widened, limit).largest <= limit * (1 + 1e-12)
        assert passes == (largest <= 16.0)


def tinted(seed: int, blue: float = 0.8) -> np.ndarray:
    return working(surface(seed)[..., None] * np.array([1.0, 0.9, blue]))


def test_a_good_image_of_another_colour_leaves_the_other_limits_strict() -> None:
    images = [tinted(seed) for seed in range(60)]
    usual = Fitness.learn(images, unfit_rate=0.001, confidence=0.9)
    found = Fitness.learn([*images, tinted(60, 0.67)], unfit_rate=0.001, confidence=0.9)
    assert found.let_pass == ("60",) and found.odd == ()
    assert "blueness" in found.widened and "brightness" not in found.widened
    told = found.explain()
    assert "1 good image is unlike the others in" in told and "blueness" in told and "look at 60." in told
    assert usual.judge(tinted(61, 0.67))[1] and not found.judge(tinted(61, 0.67))[1]
    dark = working(0.5 * surface(61)[..., None] * np.array([1.0, 0.9, 0.67]))
    assert "darker" in "; ".join(found.judge(dark)[1])
    content = json.loads(json.dumps(to_json(found)))
    again = from_json(content)
    assert again.widened == found.widened and again.explain() == told
    for widened in ({"colour": [9, 9]}, {"blueness": [9]}, {"blueness": [1, 9]}):
        with pytest.raises(ValueError, match="widened"):
            from_json({**content, "widened": widened})
    promised = {**content["calibration"], "promised_rate": 0.001}
    with pytest.raises(ValueError, match="promised_rate"):
        from_json({**content, "calibration": promised})


def test_files_of_the_first_version_are_read() -> None:
    fitness = Fitness.learn(map(working, map(surface, range(40))), unfit_rate=0.001, confidence=0.9)
    scores, names = fitness.calibration.scores, fitness.calibration.names
    for old in (calibrate(scores, 0.001, names=names), calibrate(scores, 0.001, names=names).at(7.9)):
        before = replace(fitness, calibration=old, limit=old.threshold, widened={})
        content = {**json.loads(json.dumps(to_json(before))), "version": 1}
        content.pop("widened", None)
        again = from_json(content)
        assert again.limit == old.threshold and again.widened == {} and again.calibration == old
        assert again.explain() == before.explain()
        assert json.loads(json.dumps(to_json(again))) == content, "an exported model makes the same promise"
