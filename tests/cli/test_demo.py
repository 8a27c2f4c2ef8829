"""The demonstration makes a promise that its test images keep, but for rare chance."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import betabinom

from excision.cli import demo
from excision.method.calibration import calibrate


def test_the_promise_is_rarely_broken_by_chance() -> None:
    held_out = round(demo.IMAGES * demo.HOLDOUT)
    scores = np.random.default_rng(0).random(held_out).tolist()
    made = calibrate(scores, demo.RATE, confidence=demo.CONFIDENCE)
    assert made.promised_rate <= demo.RATE
    above = sum(score > made.threshold for score in made.scores)
    most = math.floor(made.promised_rate * demo.GOOD + 1e-9)
    assert betabinom.sf(most, demo.GOOD, above + 1, held_out - above) <= 0.1
