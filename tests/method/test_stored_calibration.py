"""Calibrations as files hold them: written and read again, of before, and damaged."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.method.calibration import Calibration, Costs, calibrate
from excision.method.stored_calibration import stored_calibration


def written(calibration: Calibration) -> Any:
    return json.loads(json.dumps(dataclasses.asdict(calibration), allow_nan=False))


@given(
    scores=st.lists(st.floats(0, 100), min_size=1, max_size=40),
    rate=st.floats(0.001, 0.9),
    confidence=st.sampled_from([None, 0.5, 0.9, 0.99]),
    count=st.integers(1, 40),
    odd_image=st.sampled_from(["pass_over", "keep"]),
    person=st.booleans(),
)
def test_what_was_written_is_read_again(
    scores: list[float], rate: float, confidence: float | None, count: int, odd_image: Any, person: bool
) -> None:
    groups = None if confidence is None else [place % count for place in range(len(scores))]
    names = [f"{place}.png" for place in range(len(scores))]
    known = calibrate(scores, rate, confidence=confidence, groups=groups, names=names, odd_image=odd_image)
    known = known.at(50.0) if person else known
    assert stored_calibration(written(known), "it") == known


def test_costs_and_an_odd_image_are_read_again() -> None:
    odd = calibrate([0.3, 0.5, 0.6, 0.9, 1.2, 1.7, 2.2, 29.0], 0.01)
    assert odd.odd is not None
    assert stored_calibration(written(odd), "it") == odd
    known = odd.at_least_cost([2.0, 3.0, 4.0, 5.0, 6.0, 7.0], Costs(5, 1, 0.1))
    assert known.cost is not None
    assert stored_calibration(written(known), "it") == known


def test_a_calibration_of_before_is_an_average_of_independent_images() -> None:
    old = {"threshold": 3.0, "wanted_rate": 0.01, "promised_rate": 0.25, "scores": [1.0, 2.0, 3.0]}
    found = stored_calibration(old, "it")
    assert found == calibrate([1.0, 2.0, 3.0], 0.01, confidence=None)
    assert (found.confidence, found.groups, found.names) == (None, (0, 1, 2), ())
    # Equal scores counted as different ones.
    tied = {"threshold": 2.0, "wanted_rate": 0.5, "promised_rate": 0.5, "scores": [1.0, 2.0, 2.0]}
    assert stored_calibration(tied, "it").promised_rate == pytest.approx(0.5)


def test_what_is_wrong_is_named() -> None:
    known = calibrate(
        [float(k) for k in range(40)], 0.1, groups=[k // 2 for k in range(40)], names=["n"] * 40
    )
    priced = written(known.at_least_cost([30.0 + k for k in range(9)], Costs(5, 1, 0.1)))["cost"]
    for change, reason in (
        ({"confidence": 0.95}, "its scores and rate give|its scores promise"),
        ({"confidence": 0.3}, "confidence"),
        ({"confidence": 1}, "confidence"),
        ({"confidence": "0.9"}, "confidence"),
        ({"groups": [10**9] * 40}, "number the groups"),
        ({"groups": [0, 2, *range(1, 39)]}, "number the groups"),
        ({"groups": [0] * 39}, "number the groups"),
        ({"groups": [0.0] * 40}, "number the groups"),
        ({"groups": [0] * 40}, "its scores promise"),
        ({"names": ["a"]}, "name the image"),
        ({"names": [1] * 40}, "name the image"),
        ({"names": "n" * 40}, "name the image"),
        ({"odd_image": "drop"}, "odd_image"),
        ({"odd_image": []}, "odd_image"),
        ({"promised_rate": known.promised_rate / 2}, "its scores promise"),
        ({"cost": priced}, "a cost and a wanted rate"),
        ({"cost": 3}, "must be an object"),
        ({"cost": {**priced, "costs": {**priced["costs"], "escape": -1.0}}}, "must be a number above 0"),
        ({"cost": {**priced, "costs": {**priced["costs"], "escape": "1"}}}, "finite numbers"),
        ({"cost": {**priced, "expected_interval": [1.0]}}, "two finite numbers"),
        ({"cost": {**priced, "missed": math.inf}}, "finite number"),
        ({"unknown": 1}, "unknown entry"),
    ):
        with pytest.raises(ValueError, match=reason):
            stored_calibration({**written(known), **change}, "it")
    halved = written(known)
    del halved["groups"]
    with pytest.raises(ValueError, match="no entry 'groups'"):
        stored_calibration(halved, "it")
