"""The learning rate over the steps; the loop itself is tested with what it trains."""

from __future__ import annotations

import numpy as np
import pytest

from excision.training.loop import warm_cosine


@pytest.mark.parametrize("total", [1, 2, 10, 1000])
def test_rate_rises_then_falls_and_stays_below_its_peak(total: int) -> None:
    rates = np.array([warm_cosine(step, total, 0.5) for step in range(total)])
    assert rates[0] > 0 and rates.max() <= 0.5 and rates.min() >= 0
    top = int(rates.argmax())
    assert (np.diff(rates[: top + 1]) >= 0).all() and (np.diff(rates[top:]) <= 0).all()
    if total >= 10:
        assert rates.max() == pytest.approx(0.5)
        assert rates[-1] < 0.15 * 0.5
