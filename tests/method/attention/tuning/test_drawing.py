"""Strokes, regions, drawn defects and the batches made of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from excision.method.attention.digits import smooth_fields
from excision.method.attention.tuning.drawn_defects import draw_defect
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.attention.tuning.shapes import box_blur, random_region
from excision.method.attention.tuning.strokes import SIDE, pen_stroke
from excision.ops.colour import LUMA

FloatImage = NDArray[np.float32]


def brushed(seed: int, size: int = 64) -> FloatImage:
    rng = np.random.default_rng(seed)
    rows = rng.normal(0.5, 0.05, (size, 1)) + rng.normal(0, 0.01, (size, size))
    return rows.clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_a_pen_stroke_is_one_piece_and_inside_the_paper(seed: int) -> None:
    drawn = pen_stroke(np.random.default_rng(seed))
    assert drawn.shape == (SIDE, SIDE) and drawn.dtype == np.uint8
    assert ndimage.label(drawn > 64, np.ones((3, 3)))[1] == 1
    assert 0.01 < (drawn > 128).mean() < 0.5
    assert not drawn[[0, -1]].any() and not drawn[:, [0, -1]].any()
    np.testing.assert_array_equal(drawn, pen_stroke(np.random.default_rng(seed)))


def test_strokes_differ() -> None:
    assert len({pen_stroke(np.random.default_rng(seed)).tobytes() for seed in range(50)}) == 50


def test_regions_are_shares_of_a_pixel_and_of_every_kind() -> None:
    regions = [random_region(np.random.default_rng(seed), 48) for seed in range(60)]
    assert all(region.share.min() >= 0 and region.share.max() <= 1 for region in regions)
    assert {region.seam for region in regions} == {True, False}
    areas = [float(region.share.mean()) for region in regions]
    assert min(areas) < 0.05 and max(areas) > 0.4


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_box_blur_agrees_with_scipy_away_from_the_border(radius: int) -> None:
    plane = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    expected = ndimage.uniform_filter(ndimage.uniform_filter(plane, 2 * radius + 1), 2 * radius + 1)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(box_blur(plane, radius)[inner], expected[inner], atol=1e-5)


@pytest.mark.parametrize("shape", [(12, 9), (3, 20)])
def test_box_blur_averages_what_is_inside_at_the_border(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).random(shape)
    expected = plane
    for _ in range(2):
        expected = np.array(
            [
                [expected[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].mean() for x in range(shape[1])]
                for y in range(shape[0])
            ]
        )
    np.testing.assert_allclose(box_blur(plane.astype(np.float32), 2), expected, atol=1e-6)
    whole = box_blur(np.ones(shape, np.float32), 2)
    assert (whole <= 1).all() and whole == pytest.approx(1)


@pytest.mark.parametrize("knots", [3, 8])
def test_smooth_fields_are_noise_between_knots_as_torch_interpolates_it(knots: int) -> None:
    coarse = np.random.default_rng(2).standard_normal((1, 2, knots, knots), dtype=np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(coarse), size=(40, 40), mode="bicubic", align_corners=True
    )
    found = smooth_fields(np.random.default_rng(2), 2, 40, knots)
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-6)


def test_a_defect_changes_the_surface_only_near_where_it_says() -> None:
    changed = 0
    for seed in range(60):
        surface, rng = brushed(seed), np.random.default_rng(seed)
        kept = surface.copy()
        marked, share = draw_defect(surface, lambda seed=seed: brushed(1000 + seed), rng)  # type: ignore[misc]
        np.testing.assert_array_equal(surface, kept)
        assert marked.dtype == share.dtype == np.float32 and marked.shape == share.shape == surface.shape
        assert marked.min() >= 0 and marked.max() <= 1 and share.min() >= 0 and share.max() <= 1
        difference = np.abs(marked - surface)
        changed += difference.max() > 0.02
        if share.max() > 0.5 and share.mean() < 0.2 and difference.max() > 0.05:
            # Seams mark the border of what differs, so only strokes and spots are asked.
            there, elsewhere = difference[share > 0.1].mean(), difference[share == 0].mean()
            assert there > elsewhere or difference[share == 0].std() > 0.01
    assert changed > 45


def source(
    channels: int = 1, size: tuple[int, int] = (48, 72), seed: int = 0, replay: float = 0.3
) -> LessonSource:
    rng = np.random.default_rng(5)
    images = [(65535 * rng.random((*size, channels))).astype(np.uint16) for _ in range(3)]
    return LessonSource(3, lambda index: images[index], size, seed, replay)


@pytest.mark.parametrize("size", [(48, 72), (33, 130), (104, 60), (32, 32)])
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_depend_on_seed_and_step_alone(size: tuple[int, int], channels: int) -> None:
    first, second = source(channels, size), source(channels, size)
    second.batch(0)
    for one, two in zip(first.batch(3), second.batch(3), strict=True):
        np.testing.assert_array_equal(one, two)
    other, later = source(channels, size, seed=1).batch(3), first.batch(4)
    assert not np.array_equal(other.images, first.batch(3).images)
    assert not np.array_equal(later.images, first.batch(3).images)


def test_batches_have_good_and_marked_pieces_in_range() -> None:
    images, shares = source().batch(1)
    assert images.shape == shares.shape and images.shape[1:] == (1, 48, 72)
    assert images.min() >= 0 and images.max() <= 1 and shares.min() >= 0 and shares.max() <= 1
    marked = (shares.amax(dim=(1, 2, 3)) > 0).float().mean().item()
    assert 0.5 < marked < 0.95


def test_colour_is_seen_as_its_brightness() -> None:
    colour = np.full((40, 40, 3), (65535, 0, 0), dtype=np.uint16)
    images, shares = LessonSource(1, lambda _: colour, (40, 40), 0, replay=0.0).batch(0)
    good = images[shares.amax(dim=(1, 2, 3)) == 0]
    assert len(good)
    # Every piece has its own light, between exp(-0.3) and exp(0.3) of the true one.
    assert ((good > 0.99 * LUMA[0] * np.exp(-0.3)) & (good < 1.01 * LUMA[0] * np.exp(0.3))).all()


@pytest.mark.usefixtures("full_lessons")  # for shares of many pieces
def test_the_share_of_rehearsal_is_kept() -> None:
    """Good images are all black, so that what is grey is a lesson of the pre-training."""

    def grey(replay: float) -> float:
        read = LessonSource(1, lambda _: np.zeros((40, 40, 1), np.uint16), (40, 40), 0, replay)
        medians = [read.batch(step).images.flatten(1).median(dim=1).values for step in range(2)]
        return (torch.cat(medians) > 0.15).float().mean().item()

    assert grey(0.0) < 0.02 and grey(1.0) > 0.98
    assert 0.4 < grey(0.5) < 0.6
