"""Resizing, working images, the cache and the default size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from excision.data.images import ImageCache, load_working_image, resize_image, resize_mask, working_image
from excision.errors import ImageError
from tests.data.conftest import Draw


@given(st.integers(8, 60), st.integers(8, 60), st.sampled_from([1, 3]), st.floats(0, 1, width=32))
def test_a_flat_image_stays_flat(height: int, width: int, channels: int, value: float) -> None:
    resized = resize_image(np.full((24, 40, channels), value, np.float32), (height, width))
    assert resized.shape == (height, width, channels)
    assert resized.dtype == np.float32
    assert np.allclose(resized, value, atol=1e-6)


def test_fine_stripes_average_out() -> None:
    stripes = np.zeros((128, 128, 1), np.float32)
    stripes[::2] = 1
    inner = resize_image(stripes, (32, 32))[2:-2]
    assert np.allclose(inner, 0.5, atol=0.02)


def test_halving_a_ramp_agrees_with_its_own_formula() -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))[..., np.newaxis]
    halved = resize_image(ramp, (32, 32))[..., 0]
    centres = (np.arange(32) * 2 + 0.5) / 63
    assert np.allclose(halved[:, 1:-1], centres[1:-1], atol=1e-5)


def test_no_resizing_changes_nothing() -> None:
    image = np.random.default_rng(0).random((9, 11, 3), dtype=np.float32)
    assert resize_image(image, (9, 11)) is image


def test_masks_take_the_nearest_pixel() -> None:
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = True
    assert np.array_equal(resize_mask(mask, (8, 12)), np.kron(mask, np.ones((2, 2))).astype(bool))


def test_working_images_lose_no_more_than_half_a_step() -> None:
    image = np.random.default_rng(0).random((40, 40, 1), dtype=np.float32)
    stored = working_image(image, (40, 40))
    assert stored.dtype == np.uint16
    assert np.abs(stored / 65535 - image).max() <= 0.5 / 65535 + 1e-7
    assert working_image(np.ones((40, 40, 1), np.float32), (20, 20)).min() == 65535


def test_the_cache_gives_the_same_bits_within_and_beyond_its_budget(draw: Draw) -> None:
    paths = [draw(f"{i}.png", size=(40, 50)) for i in range(6)]
    expected = [load_working_image(path, (32, 32), 3) for path in paths]
    for images_that_fit in (0, 2, 6):
        cache = ImageCache((32, 32), 3, budget_bytes=images_that_fit * expected[0].nbytes)
        for _ in range(2):
            for path, image in zip(paths, expected, strict=True):
                assert np.array_equal(cache.get(path), image)
        kept = [cache.get(path) is cache.get(path) for path in paths]
        assert sum(kept) == images_that_fit


def test_the_cache_keeps_its_budget_with_many_threads(draw: Draw) -> None:
    paths = [draw(f"{i}.png") for i in range(8)] * 5
    cache = ImageCache((16, 20), 1, budget_bytes=3 * 16 * 20 * 2)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(cache.get, paths))
    assert all(np.array_equal(a, b) for a, b in zip(images[:8], images[8:16], strict=True))
    assert sum(cache.get(path) is cache.get(path) for path in set(paths)) == 3


def test_cached_images_cannot_be_changed(draw: Draw) -> None:
    image = ImageCache((16, 20), 1, 10**6).get(draw("a.png"))
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 0


def test_the_cache_names_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no\.png"):
        ImageCache((16, 16), 1, 0).get(tmp_path / "no.png")


def test_pillow_agrees_on_the_filter(draw: Draw) -> None:
    path = draw("a.png", size=(60, 80))
    with Image.open(path) as image:
        expected = np.asarray(image.resize((40, 30), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(load_working_image(path, (30, 40), 1)[..., 0] / 257 - expected).max() <= 1
