"""The conformal p-value of a score against the scores that calibrate."""

from __future__ import annotations

from bisect import bisect_left

from excision.method.calibration import Calibration


def p_value(calibration: Calibration, score: float) -> float:
    """Return the share of good parts that are expected to score at least `score`, in (0, 1].

    With n scores of which m are at least this one it is (m + 1) / (n + 1).
    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2.
    """
    count = len(calibration.scores)
    return (count - bisect_left(calibration.scores, score) + 1) / (count + 1)
