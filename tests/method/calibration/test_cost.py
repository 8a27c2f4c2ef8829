"""The threshold of least expected cost: against a slow search, with its uncertainty and its promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.method.calibration import Calibration, Costs, calibrate
from excision.method.calibration.rates import GroupedScores

SCORES = st.integers(0, 30).map(float)


def expected_cost(good: list[float], bad: list[float], costs: Costs, threshold: float) -> float:
    false_alarms = sum(score > threshold for score in good) / len(good)
    escapes = sum(score <= threshold for score in bad) / len(bad)
    return (
        1 - costs.defect_share
    ) * costs.false_alarm * false_alarms + costs.defect_share * costs.escape * escapes


@given(
    good=st.lists(SCORES, min_size=1, max_size=30),
    bad=st.lists(SCORES, min_size=5, max_size=15),
    escape=st.floats(1, 1000),
    share=st.floats(0.001, 0.5),
)
@settings(max_examples=25, deadline=None)
def test_no_other_threshold_costs_less(
    good: list[float], bad: list[float], escape: float, share: float
) -> None:
    costs = Costs(escape, 1.0, share)
    try:
        found = calibrate(good, 0.1).at_least_cost(bad, costs)
    except SettingsError:
        assume(False)
    assert found.cost is not None
    least = min(expected_cost(good, bad, costs, t) for t in (-1.0, *good, *bad))
    assert found.cost.expected == pytest.approx(least)
    assert expected_cost(good, bad, costs, found.threshold) == pytest.approx(least)
    assert found.cost.missed == sum(score <= found.threshold for score in bad) / len(bad)


def test_it_says_how_certain_it_is_and_what_it_promises() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 300).tolist(), rng.normal(4, 1, 40).tolist()
    found = calibrate(good, 0.01).at_least_cost(bad, Costs(50, 1, 0.02))
    assert found.cost is not None and found.wanted_rate is None
    low, high = found.cost.threshold_interval
    assert low <= found.threshold <= high and high - low > 0.1
    assert found.cost.expected_interval[0] <= found.cost.expected <= found.cost.expected_interval[1]
    told = found.explain()
    for words in (
        "50 for an escape, 1 for a false alarm and 2 % defective parts",
        "40 marked parts",
        "90 % confidence",
    ):
        assert words in told
    again = calibrate(good, 0.01).at_least_cost(bad, Costs(50, 1, 0.02))
    assert again == found, "the bootstrap is the same every time"
    assert found.at(1.0).cost is None
    # A dearer escape lowers the threshold.
    assert calibrate(good, 0.01).at_least_cost(bad, Costs(5000, 1, 0.02)).threshold < found.threshold


def test_the_interval_covers_the_best_threshold() -> None:
    """Of normal scores N(0, 1) and N(3, 1), the densities weighed by cost cross at 3 / 2 + log(ratio) / 3."""
    costs, rng = Costs(20, 1, 0.05), np.random.default_rng(1)
    best = 1.5 + np.log(0.95 / (0.05 * 20)) / 3
    covered = 0
    for _ in range(20):
        good, bad = rng.normal(0, 1, 200).tolist(), rng.normal(3, 1, 60).tolist()
        choice = calibrate(good, 0.01).at_least_cost(bad, costs).cost
        assert choice is not None
        covered += choice.threshold_interval[0] <= best <= choice.threshold_interval[1]
    assert covered >= 14


def test_the_promise_holds_although_the_scores_chose_the_threshold() -> None:
    rng, failed, draws = np.random.default_rng(2), 0, 300
    ranks = GroupedScores(list(range(60)), range(60))
    promised = np.array([ranks.upper_rate_anywhere(rank, 0.1) for rank in range(60)])
    for _ in range(draws):
        good = np.sort(rng.random(60))
        # As unkind as a choice can be: where the promise is farthest below the true rate.
        failed += int(np.any(1 - good > promised))
    assert failed <= 0.1 * draws + 3 * (0.09 * draws) ** 0.5


@pytest.mark.parametrize(
    ("costs", "message"),
    [((0, 1, 0.1), "escape is 0"), ((1, -1, 0.1), "false alarm is -1"), ((1, 1, 1.0), "share .* is 1")],
)
def test_costs_that_make_no_sense_are_refused(costs: tuple[float, float, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Costs(*costs)


@pytest.mark.parametrize(
    ("bad", "costs", "message"),
    [
        ([9.0] * 4, Costs(1, 1, 0.1), "4 defective parts are too few"),
        ([0.5] * 9, Costs(1, 1, 0.001), "call every part good"),
        ([0.5] * 9, Costs(1e6, 1, 0.5), "call every part defective"),
    ],
)
def test_what_cannot_be_computed_is_refused(bad: list[float], costs: Costs, message: str) -> None:
    known: Calibration = calibrate([1.0, 2.0, 3.0], 0.1)
    with pytest.raises(SettingsError, match=message):
        known.at_least_cost(bad, costs)
