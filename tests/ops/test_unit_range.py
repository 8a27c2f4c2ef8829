"""Working images and the unit range: every one of the 65536 values, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from excision.ops.unit_range import from_unit, to_unit

EVERY_VALUE = np.arange(65536, dtype=np.uint16)


def test_to_unit_is_the_float32_nearest_to_the_exact_quotient() -> None:
    unit = to_unit(EVERY_VALUE.reshape(256, 256, 1))
    assert unit.shape == (256, 256, 1)
    assert unit.dtype == np.float32
    # Division in float64 and rounding once more cannot differ: 53 bits are more than twice 24.
    exact = (np.arange(65536, dtype=np.float64) / 65535).astype(np.float32)
    assert np.array_equal(unit.ravel(), exact)


def test_every_value_survives_the_way_there_and_back() -> None:
    back = from_unit(to_unit(EVERY_VALUE))
    assert back.dtype == np.uint16
    assert np.array_equal(back, EVERY_VALUE)


def test_from_unit_takes_the_nearest_value() -> None:
    drawn = np.random.default_rng(0).random(4000, dtype=np.float32)
    for unit, value in zip(drawn, from_unit(drawn), strict=True):
        # A float32 product is off by at most half a unit in its last place: 2 ** -9 below 65536.
        assert abs(Fraction(float(unit)) * 65535 - int(value)) <= Fraction(1, 2) + Fraction(1, 512)
