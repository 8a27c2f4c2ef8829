"""Drawn defects: on the part, of the stated size and contrast, the same every time."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.capability.drawing import Defect, draw, measured_contrast
from excision.capability.kinds import HABITS, KINDS, Kind, usual_width
from excision.capability.part import Part, find_part, has_background
from excision.capability.real import longest_extent

GREY = 30000


def plain(size: tuple[int, int] = (240, 200), level: int = GREY) -> np.typing.NDArray[np.uint16]:
    return np.full((*size, 1), level, np.uint16)


def defect(
    kind: Kind, size: float = 40, contrast: float = 0.2, seed: int = 1, width: float | None = None
) -> Defect:
    wide = usual_width(kind, size) if width is None else width
    return Defect(kind, size, wide, contrast, 0.6, (120.0, 100.0), seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [6.0, 20.0, 60.0])
def test_the_size_is_the_stated_one(kind: Kind, size: float) -> None:
    extents, areas = [], []
    for seed in range(12):
        drawn = draw(plain(), defect(kind, size, seed=seed))
        extents.append(longest_extent(*np.nonzero(drawn.mask)))
        areas.append(drawn.mask.sum())
    if HABITS[kind].line:
        assert np.median(extents) == pytest.approx(size, rel=0.25, abs=3)
        width = usual_width(kind, size)
        assert np.median(areas) > 0.4 * size * min(width, 1)
    else:
        assert np.median(areas) == pytest.approx(math.pi * size**2 / 4, rel=0.3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("contrast", [0.05, 0.2, 0.4])
def test_the_contrast_is_the_stated_one(kind: Kind, contrast: float) -> None:
    changes = []
    for seed in range(8):
        drawn = draw(plain(), defect(kind, 40, contrast, seed, width=12 if HABITS[kind].line else None))
        change = (drawn.image.astype(np.float64) - GREY)[drawn.place][..., 0] / 65535
        changes.append(abs(float(np.median(change[drawn.mask]))))
        assert measured_contrast(drawn.image[70:170, 50:150], _window(drawn)) == pytest.approx(
            contrast, rel=0.45
        )
    assert np.median(changes) == pytest.approx(contrast, rel=0.15)


def _window(drawn: object) -> np.typing.NDArray[np.bool_]:
    whole = np.zeros((240, 200), np.bool_)
    whole[drawn.place] = drawn.mask  # type: ignore[attr-defined]
    return whole[70:170, 50:150]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_defect_is_drawn_the_same(kind: Kind) -> None:
    image = np.random.default_rng(0).integers(20000, 40000, (240, 200, 3)).astype(np.uint16)
    before = image.copy()
    first, second = draw(image, defect(kind)), draw(image, defect(kind))
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(image, before)
    assert not np.array_equal(first.image, draw(image, defect(kind, seed=2)).image)
    outside = np.ones((240, 200), np.bool_)
    outside[first.place] = False
    assert np.array_equal(first.image[outside], image[outside])


@settings(max_examples=60)
@given(
    st.sampled_from(get_args(Kind)),
    st.floats(0.3, 150),
    st.floats(0.01, 1),
    st.floats(0, math.pi),
    st.tuples(st.integers(0, 79), st.integers(0, 59)),
    st.integers(0, 2**32 - 1),
)
def test_nothing_is_drawn_off_the_part(
    kind: Kind, size: float, contrast: float, direction: float, centre: tuple[int, int], seed: int
) -> None:
    image = plain((80, 60))
    part = np.zeros((80, 60), np.bool_)
    part[20:60, 10:50] = True
    wanted = Defect(
        kind, size, usual_width(kind, size), contrast, direction, (float(centre[0]), float(centre[1])), seed
    )
    drawn = draw(image, wanted, part)
    assert np.array_equal(drawn.image[~part], image[~part])
    assert 0 <= drawn.cut <= 1
    assert drawn.image.dtype == np.uint16


def test_thin_lines_fade_instead_of_vanishing() -> None:
    changes = [
        float(np.abs(draw(plain(), defect("crack", 60, 0.4, width=width)).image.astype(float) - GREY).sum())
        for width in (0.25, 0.5, 1.0, 2.0)
    ]
    assert changes == sorted(changes)
    assert changes[0] > 0


def test_a_part_is_told_from_its_background() -> None:
    rng = np.random.default_rng(0)
    image = (2000 + rng.normal(0, 300, (200, 300, 1))).clip(0).astype(np.uint16)
    y, x = np.mgrid[:200, :300]
    disc = (y - 90) ** 2 + (x - 160) ** 2 < 70**2
    hole = (y - 90) ** 2 + (x - 160) ** 2 < 15**2
    image[disc] = rng.integers(30000, 40000, (int(disc.sum()), 1))
    image[hole] = 2000
    found = find_part(image)
    assert found is not None
    assert (found & disc).sum() / (found | disc).sum() > 0.95
    top, left, bottom, right = Part.of(found).box
    assert (top, left, bottom, right) == pytest.approx((20, 90, 160, 230), abs=4)
    assert find_part(rng.integers(20000, 40000, (200, 300, 1)).astype(np.uint16)) is None
    assert find_part(plain()) is None
    assert has_background([found] * 4 + [None])
    assert not has_background([found] * 3 + [None] * 2)
