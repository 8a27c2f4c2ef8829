"""The tests that tell noise from change: against scipy, against a slow version, and at their level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.evaluation.paired import average_precision_change, holm, paired_auroc, sign_above, t_above


@given(st.floats(-30, 30), st.integers(1, 400))
def test_students_t(value: float, freedom: int) -> None:
    assert t_above(value, freedom) == pytest.approx(stats.t.sf(value, freedom), rel=1e-6, abs=1e-7)


@given(st.integers(0, 60), st.integers(0, 60))
def test_sign_test(rises: int, falls: int) -> None:
    wanted = stats.binomtest(rises, rises + falls, alternative="greater").pvalue if rises + falls else 1.0
    assert sign_above(rises, falls) == pytest.approx(wanted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p_values: list[float]) -> None:
    """Step by step, as the method is defined: the smallest is rejected at level / n, and so on."""
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
            if p_values[place] > level / (len(p_values) - step):
                break
            rejected.add(place)
        clear = [place for place, p in enumerate(adjusted) if abs(p - level) > 1e-9]
        assert {place for place in clear if adjusted[place] < level} == rejected & set(clear)


@pytest.mark.parametrize("seed", range(4))
def test_auroc_by_all_pairs(seed: int) -> None:
    """With ties, and with groups that hold several images of one or both kinds."""
    rng = np.random.default_rng(seed)
    defective = np.arange(40) < 15
    old, new = rng.integers(0, 9, (2, 40)) + 3.0 * defective
    groups = rng.integers(0, 12, 40)
    _, groups = np.unique(groups, return_inverse=True)
    found = paired_auroc(old, new, defective, groups)
    wins = [np.sign(scores[defective][:, None] - scores[~defective][None]) / 2 + 0.5 for scores in (old, new)]
    assert [found.old, found.new] == pytest.approx([each.mean() for each in wins])
    gain = wins[1] - wins[0]
    change = gain.mean()
    of_bad, of_good = gain.mean(1) - change, gain.mean(0) - change
    both = range(groups.max() + 1)
    bad = np.array([of_bad[groups[defective] == group].sum() for group in both]) / len(of_bad)
    good = np.array([of_good[groups[~defective] == group].sum() for group in both]) / len(of_good)
    i10, i01 = len(set(groups[defective])), len(set(groups[~defective]))
    variance = i10 / (i10 - 1) * (bad**2).sum() + i01 / (i01 - 1) * (good**2).sum()
    variance += 2 * len(both) / (len(both) - 1) * (bad * good).sum()
    assert found.error == pytest.approx(np.sqrt(variance))
    assert found.worse == pytest.approx(stats.t.cdf(change / np.sqrt(variance), min(i10, i01) - 1))


def test_noise_is_seldom_called_worse() -> None:
    """Two models that are equally good: at most the level of comparisons, up to the chance of this sample."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(400):
        defective = np.arange(40) < 8
        truth = 1.0 * defective + rng.normal(0, 0.6, 40)
        old, new = truth + rng.normal(0, 0.6, (2, 40))
        found = paired_auroc(old, new, defective, np.arange(40))
        called += found.worse is not None and found.worse <= 0.05
    assert called <= stats.binom.ppf(0.999, 400, 0.05)


def test_a_loss_is_called_worse() -> None:
    rng = np.random.default_rng(6)
    defective = np.arange(120) < 40
    old = 3.0 * defective + rng.normal(0, 1, 120)
    new = np.where(defective, old - 2, old)
    groups = np.arange(120)
    found = paired_auroc(old, new, defective, groups)
    assert found.worse is not None
    assert found.worse < 1e-4
    assert paired_auroc(old, old * 7, defective, groups).worse == 1.0
    change, low, high = average_precision_change(old, new, defective, groups)
    assert low <= change <= high < 0


def test_one_group_tells_nothing() -> None:
    defective = np.array([True, True, False, False])
    scores = np.array([3.0, 4, 1, 2])
    assert paired_auroc(scores, scores[::-1].copy(), defective, np.array([0, 0, 1, 2])).worse is None
