"""Tiles joined again: no seam is seen, and small pictures are what reducing the whole would give."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from excision.errors import ImageError
from excision.ops.reduction import shrink_image, shrink_map, shrink_mask
from excision.predictions import Detection, Prediction
from excision.tiling import assembly, tile_threads
from excision.tiling.assembly import inspect_working, worst_tile
from excision.tiling.geometry import Tiling
from excision.tiling.tile_threads import TileThreads

TILING = Tiling((96, 128), 16, 12)


def say(tile: NDArray[np.uint16]) -> Prediction:
    """Every stage is a function of the pixel alone."""
    unit = tile.astype(np.float32) / np.float32(65535)
    return Prediction(
        score=float(unit[..., 0].max()),
        threshold=0.5,
        anomaly_map=unit[..., 0],
        image=unit,
        seconds=0.0,
        review_threshold=0.25,
        attention=2 * unit[..., 0] - 3,
        mask=unit[..., 0] > 0.9,
        masked_image=unit,
        recovery=1 - unit,
    )


def draw(height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.uint16]:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 65536, shape, dtype=np.uint16)


def reduce(values: NDArray[np.floating], factor: int) -> NDArray[np.float64]:
    """Mean of each block, one by one."""
    rows, columns = (range(0, side, factor) for side in values.shape[:2])
    return np.array(
        [[values[y : y + factor, x : x + factor].mean(axis=(0, 1)) for x in columns] for y in rows]
    )


@settings(max_examples=25)
@given(st.integers(96, 330), st.integers(128, 400), st.sampled_from([1, 3]))
def test_what_depends_on_the_pixel_alone_is_the_same_in_tiles(height: int, width: int, channels: int) -> None:
    image = draw(height, width, channels)
    found, expected = inspect_working(image, TILING, say), say(image)
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, atol=1e-6)
    np.testing.assert_allclose(found.attention, expected.attention, atol=1e-6)
    np.testing.assert_allclose(found.masked_image, expected.masked_image, atol=1e-6)
    np.testing.assert_allclose(found.recovery, expected.recovery, atol=1e-6)
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.image, expected.masked_image)
    assert found.reduction == 1 and found.score == found.anomaly_map.max()
    assert (found.threshold, found.review_threshold) == (0.5, 0.25)


def test_a_single_tile_keeps_its_bits() -> None:
    image = draw(*TILING.size, 1)
    found, expected = inspect_working(image, TILING, say), say(image)
    for name in ("anomaly_map", "attention", "mask", "masked_image", "recovery"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes()


@pytest.mark.parametrize("most", [64, 100])
def test_pictures_of_a_large_image_are_means_of_blocks(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "MOST_SHOWN", most)
    image = draw(211, 397, 3)
    found, expected = inspect_working(image, TILING, say), say(image)
    factor = -(-397 // most)
    assert found.reduction == factor
    np.testing.assert_allclose(found.anomaly_map, expected.anomaly_map, atol=1e-6)
    for name in ("attention", "masked_image", "recovery"):
        np.testing.assert_allclose(getattr(found, name), reduce(getattr(expected, name), factor), atol=1e-5)
    np.testing.assert_allclose(found.image, reduce(expected.masked_image, factor), atol=1e-5)
    blocks = reduce(expected.mask.astype(float), factor) > 0
    np.testing.assert_array_equal(found.mask, blocks)
    np.testing.assert_array_equal(shrink_mask(expected.mask, factor), blocks)


def test_reducing_keeps_the_single_highest_pixel() -> None:
    values = np.zeros((50, 70), dtype=np.float32)
    values[49, 69] = 7
    assert shrink_map(values, 8).shape == (7, 9) and shrink_map(values, 8)[6, 8] == 7
    np.testing.assert_allclose(
        shrink_image(draw(40, 60, 1), 7), reduce(draw(40, 60, 1) / 65535, 7), atol=1e-6
    )


def offset_by_tile() -> Callable[[NDArray[np.uint16]], Prediction]:
    """Each tile speaks on a level of its own, one above the other: the worst seam there can be."""
    levels = iter(range(1000))

    def speak(tile: NDArray[np.uint16]) -> Prediction:
        level = np.full(tile.shape[:2], next(levels) % 2, dtype=np.float32)
        return replace(say(tile), anomaly_map=level)

    return speak


def test_several_threads_give_every_bit_that_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where tiles end in another order than they began in."""
    monkeypatch.setattr(assembly, "MOST_SHOWN", 100)
    monkeypatch.setattr(tile_threads, "LARGE", 1)
    together, most, lock = [0], [0], threading.Lock()

    def speak(tile: NDArray[np.uint16]) -> Prediction:
        with lock:
            together[0] += 1
            most[0] = max(most[0], together[0])
        time.sleep(float(tile[0, 0, 0]) / 65535 / 100)
        with lock:
            together[0] -= 1
        return replace(say(tile), anomaly_map=np.float32(np.pi) * np.sin(say(tile).anomaly_map))

    image, threads = draw(500, 700, 3), TileThreads(4)
    one, several = (inspect_working(image, TILING, speak, threads=each) for each in (None, threads))
    for name in ("anomaly_map", "attention", "mask", "masked_image", "recovery", "image"):
        assert getattr(one, name).tobytes() == getattr(several, name).tobytes()
    assert one.score == several.score
    assert most[0] == 4
    # Tiles of two images take turns.
    most[0] = 0
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: inspect_working(image, TILING, speak, threads=threads), range(2)))
    assert most[0] == 4
    assert pickle.loads(pickle.dumps(threads)).count == 4


def test_no_seam_where_tiles_disagree() -> None:
    found = inspect_working(draw(96, 700, 1), TILING, offset_by_tile()).anomaly_map
    assert found.min() == 0 and found.max() == 1
    # A hard seam would jump by 1; a ramp spreads it.
    assert np.abs(np.diff(found, axis=1)).max() <= 1 / 16 + 1e-6


def test_the_border_of_a_tile_has_no_say() -> None:
    def speak(tile: NDArray[np.uint16]) -> Prediction:
        rim = np.full(tile.shape[:2], 99, dtype=np.float32)
        rim[TILING.halo : -TILING.halo, TILING.halo : -TILING.halo] = 0
        return replace(say(tile), anomaly_map=rim)

    found = inspect_working(draw(400, 512, 1), TILING, speak).anomaly_map
    inner = found[TILING.halo : -2 * TILING.halo, TILING.halo : -2 * TILING.halo]
    assert inner.max() == 0
    assert found[0].min() == 99


def test_an_image_smaller_than_a_tile_is_refused() -> None:
    with pytest.raises(
        ImageError, match=r"95 x 400 pixels .* smaller than a tile of 96 x 128.*smaller --tile"
    ):
        inspect_working(draw(95, 400, 1), TILING, say)


def test_a_method_without_stages_may_judge_an_image_by_its_worst_tile() -> None:
    scores = iter([3.0, 7.0, 5.0] * 10)

    def detect(tile: NDArray[np.uint16]) -> Detection:
        said = say(tile)
        return Detection(next(scores), 6.0, said.anomaly_map, said.image, 0.0)

    image = draw(96, 300, 1)
    found = inspect_working(image, TILING, detect, worst_tile)
    assert type(found) is Detection and (found.score, found.verdict) == (7.0, "defect")
    np.testing.assert_allclose(found.anomaly_map, say(image).anomaly_map, atol=1e-6)
