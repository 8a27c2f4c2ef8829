from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from excision.cameras.camera import Pixels
from excision.cameras.hints import Hint, hints_of, is_same, look_at


def part(seed: int, blur: float = 1.0, noise: float = 2.0) -> Pixels:
    """Draw a textured surface as a camera with noise sees it."""
    surface = np.random.default_rng(seed).normal(size=(300, 400))
    surface = gaussian_filter(surface, blur)
    surface = 128 + 40 * surface / surface.std()
    seen = surface + np.random.default_rng().normal(size=surface.shape) * noise
    pixels: Pixels = np.clip(seen, 0, 255).astype(np.uint8)
    return pixels


def test_the_same_part_is_told_from_another_whatever_the_noise() -> None:
    for seed in range(5):
        assert is_same(look_at(part(seed)), look_at(part(seed)))
        assert not is_same(look_at(part(seed)), look_at(part(seed + 1)))


def test_pictures_without_detail_are_never_the_same() -> None:
    flat = np.full((300, 400), 100, np.uint8)
    assert not is_same(look_at(flat), look_at(flat))
    noisy = [np.clip(np.random.default_rng(seed).normal(100, 3, (300, 400)), 0, 255) for seed in range(2)]
    assert not is_same(*(look_at(one.astype(np.uint8)) for one in noisy))


def test_a_part_that_has_moved_is_another_picture() -> None:
    assert not is_same(look_at(part(0)), look_at(np.roll(part(0), 12, axis=1)))


@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [
        (part(0), []),
        (np.full((50, 60), 255, np.uint8), ["over-exposed"]),
        (np.full((50, 60, 3), (255, 100, 100), np.uint8), ["over-exposed"]),
        (np.full((50, 60), 9000, np.uint16), ["under-exposed"]),
    ],
)
def test_light_is_judged(pixels: Pixels, wanted: list[Hint]) -> None:
    assert hints_of(look_at(pixels), 0.0, None) == wanted


def test_focus_is_compared_with_the_best_and_does_not_depend_on_the_light() -> None:
    sharp, blurred = look_at(part(0, noise=0)), look_at(part(0, blur=4.0, noise=0))
    dim = look_at((part(0, noise=0) * 0.8).astype(np.uint8))
    assert hints_of(blurred, sharp.sharpness, None) == ["out of focus"]
    assert hints_of(dim, sharp.sharpness, None) == []
    assert dim.sharpness == pytest.approx(sharp.sharpness, rel=0.1)


@pytest.mark.parametrize("shape", [(32, 8192), (1, 4096), (4096, 2), (1, 1), (2, 300, 3)])
def test_rows_of_a_line_scan_camera_are_judged(shape: tuple[int, ...]) -> None:
    one, other = (np.random.default_rng(seed).integers(90, 160, shape, np.uint8) for seed in range(2))
    assert hints_of(look_at(one), 0.0, None) == []
    if one.size > 1:
        assert is_same(look_at(one), look_at(one)) and not is_same(look_at(one), look_at(other))


def test_motion_is_a_change_since_the_picture_just_before() -> None:
    look = look_at(part(0))
    assert hints_of(look, look.sharpness, look_at(part(0))) == []
    assert hints_of(look, look.sharpness, look_at(np.roll(part(0), 12, axis=1))) == ["moving"]


def test_eight_and_sixteen_bits_are_judged_alike() -> None:
    eight = part(3)
    one, other = look_at(eight), look_at(eight.astype(np.uint16) * 257)
    assert one.white == other.white
    assert one.bright == pytest.approx(other.bright, abs=1e-6)
    assert one.sharpness == pytest.approx(other.sharpness, rel=1e-4)
    assert is_same(one, other)
