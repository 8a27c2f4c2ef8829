"""The rule that sets a threshold so that a false-alarm rate is kept with a confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.method.calibration.odd import FEWEST_GROUPS, LEVEL, SHARE, Odd, gap_chance
from excision.method.calibration.rates import ROUNDING, GroupedScores, upper_rate
from excision.settings.calibration import OddRule


class Choice(NamedTuple):
    """A threshold.

    Attributes:
        threshold: one of the scores.
        promised_rate: false-alarm rate that it promises.
        odd: an image whose score is far above those of the other groups, if it has to do with the threshold.
    """

    threshold: float
    promised_rate: float
    odd: Odd | None = None


def choose_on_average(grouped: GroupedScores, rate: float) -> Choice:
    """Take the smallest score that keeps the rate on average over such choices, or the largest."""
    # By ranks, so that equal scores count as different ones: so did the folders of before.
    promised = grouped.average_by_rank
    place = int(np.argmax(promised <= rate + ROUNDING)) if promised[-1] <= rate + ROUNDING else -1
    return Choice(float(grouped.scores[place]), float(promised[place]))


def choose(grouped: GroupedScores, rate: float, level: float, odd_image: OddRule, name: str | None) -> Choice:
    """Take the smallest score that is shown to keep the rate, and let no odd image decide alone.

    Args:
        grouped: scores of good images.
        rate: wanted rate.
        level: 1 - confidence.
        odd_image: what to do with an odd image.
        name: of the image with the largest score, where known.
    """
    # Whether a part of the level is spent may depend on sizes and rates, never on the scores: otherwise the
    # two rules together would fail more often than `level`.
    spends = odd_image == "pass_over" and _largest_decides(grouped.sizes, rate, level)
    kept = _keep(grouped, rate, (1 - SHARE) * level if spends else level)
    score, next_score = np.sort(grouped.largest)[::-1][:2] if grouped.count > 1 else (kept.threshold, None)
    chance = gap_chance(grouped.largest)
    if next_score is None or chance > LEVEL or kept.threshold < score:
        return kept
    left_out = Choice(float(next_score), _one_group_above(grouped.sizes, SHARE * level if spends else level))
    taken, other = (left_out, _keep(grouped, rate, level)) if spends else (kept, left_out)
    odd = Odd(name, float(score), float(next_score), chance, spends, other.threshold, other.promised_rate)
    return taken._replace(odd=odd)


def rate_without_odd(sizes: Sequence[int], rate: float, confidence: float) -> float | None:
    """Give the rate that is promised if the group of an odd image is passed over.

    Args:
        sizes: number of images of each group.
        rate: wanted rate.
        confidence: of the promise.

    Returns:
        None if no group is passed over, whatever the scores: there are too few groups to call one odd, or so
        many that the largest score does not decide.
    """
    counts, level = np.asarray(sizes, np.int64), 1 - confidence
    if len(counts) < FEWEST_GROUPS or not _largest_decides(counts, rate, level):
        return None
    return _one_group_above(counts, SHARE * level)


def smallest(scores: Sequence[float], is_enough: Callable[[float], bool]) -> float:
    """Give the smallest of ascending scores that is enough, or the largest if none is.

    Args:
        scores: ascending.
        is_enough: true for every score above one for which it is true.
    """
    low, high = 0, len(scores) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(scores[middle]) else (middle + 1, high)
    return scores[low]


def _keep(grouped: GroupedScores, rate: float, level: float) -> Choice:
    found = smallest(grouped.scores.tolist(), lambda score: grouped.keeps(score, rate, level))
    promised = grouped.upper_rate(found, level)
    if promised <= rate + ROUNDING and grouped.sizes.max() > 1:
        # With images in groups the number above the threshold depends on the scores, so that only the wanted
        # rate is certain.
        promised = rate
    return Choice(found, promised)


def _largest_decides(sizes: NDArray[np.int64], rate: float, level: float) -> bool:
    """Tell whether no group may lie wholly above the threshold, and a part of the level can be spared."""
    if _one_group_above(sizes, level) <= rate + ROUNDING:
        return False
    none = np.zeros(len(sizes))
    just_kept = upper_rate(none, sizes, level) <= rate < upper_rate(none, sizes, (1 - SHARE) * level)
    return not just_kept


def _one_group_above(sizes: NDArray[np.int64], level: float) -> float:
    """Give the rate that is promised if one group, the largest at worst, lies wholly above the threshold."""
    shares = np.zeros(len(sizes))
    shares[np.argmax(sizes)] = 1
    return upper_rate(shares, sizes, level)
