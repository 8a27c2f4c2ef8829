"""Rates of two models on the same images: McNemar's exact test, and intervals that hold the change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.evaluation.metrics import image_auroc
from excision.evaluation.paired import ranking_change, rate_change


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_of_independent_images(pairs: list[tuple[bool, bool]]) -> None:
    before, after = (np.array(each, dtype=np.bool_) for each in zip(*pairs, strict=True))
    found = rate_change(before, after, np.arange(len(before)))
    rises, falls = int((after & ~before).sum()), int((before & ~after).sum())
    wanted = stats.binomtest(rises, rises + falls).pvalue if rises + falls else 1.0
    assert (found.rises, found.falls) == (rises, falls)
    assert found.p_value == pytest.approx(wanted)
    assert found.low <= found.new - found.old + 1e-12 and found.new - found.old <= found.high + 1e-12
    if not rises + falls:
        # A change of that size would show on none of so many images with a chance of 2.5 %.
        assert (1 - found.high) ** len(before) == pytest.approx(0.025)


def test_the_interval_covers_the_true_change() -> None:
    rng, covered = np.random.default_rng(3), 0
    for _ in range(100):
        before = rng.random(80) < 0.5
        after = np.where(rng.random(80) < 0.3, rng.random(80) < 0.7, before)
        found = rate_change(before, after, np.arange(80))
        covered += found.low <= 0.3 * (0.7 - 0.5) <= found.high
    assert covered >= 0.9 * 100


def test_groups_are_exchanged_as_a_whole() -> None:
    before, after = np.zeros(40, dtype=np.bool_), np.zeros(40, dtype=np.bool_)
    after[:20] = True
    alone, grouped = (rate_change(before, after, np.arange(40) // size) for size in (1, 20))
    assert alone.p_value < 0.001 and grouped.p_value == 1.0
    assert grouped.high - grouped.low > alone.high - alone.low


def test_one_group_with_the_only_defect() -> None:
    defective = np.array([True, False, False, False])
    change, low, high = ranking_change(
        image_auroc, np.array([0.0, 1, 2, 3]), np.array([4.0, 1, 2, 3]), defective, np.arange(4)
    )
    assert change == 1.0 and low <= 1.0 <= high
