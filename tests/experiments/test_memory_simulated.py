"""The short form of the simulation of networks that remember."""

from __future__ import annotations

import numpy as np

from tests.experiments.test_simulated import load

SIMULATED = load("memory_simulated")


def test_the_promise_holds_without_memory_and_memory_shows() -> None:
    rng = np.random.default_rng(0)
    draws = [SIMULATED.simulate(rng, 40, 1, 1.0) for _ in range(40)]
    # 4 are expected at most; 99.9 % of binomial draws are below 12.
    assert sum(draw.true > draw.promised for draw in draws) < 12
    remembering = [SIMULATED.simulate(rng, 40, 1, 0.3) for _ in range(20)]
    assert np.mean([draw.alone for draw in remembering]) > 0.5
