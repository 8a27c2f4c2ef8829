"""Baselines on strips: they learn from tiles, and judge an image by its worst tile."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.baselines import BASELINES, baseline
from excision.baselines.base import Baseline
from excision.errors import ImageError, ModelError
from excision.features.efficientnet import weights_file
from excision.settings import ImageSettings, RecoverySettings, Settings, TrainingSettings
from excision.synthetic.surfaces import cast_grain

TILE = (64, 80)
STRIP = (70, 300)
TINY = Settings(
    image=ImageSettings(tile=TILE),
    recovery=RecoverySettings(width=4, depth=3),
    training=TrainingSettings(steps=6, batch=4, crop=48, learning_rate=5e-3),
)


def strip(number: int, size: tuple[int, int] = STRIP) -> NDArray[np.uint8]:
    return (cast_grain(np.random.default_rng(number), size) * 255).astype(np.uint8)


GOOD = [strip(number) for number in range(4)]


@pytest.fixture(scope="module", params=sorted(BASELINES))
def fitted(request: pytest.FixtureRequest) -> tuple[str, Baseline]:
    if request.param in ("patchcore", "padim"):
        try:
            weights_file()
        except ModelError as error:
            pytest.skip(str(error))
    return request.param, baseline(request.param)(TINY, device="cpu").fit(GOOD)


def tiles_by_hand(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Evenly spread on multiples of 16, with at least 32 pixels (two halos and a ramp) in common.

    What lies beyond the image is its reflection.
    """
    padded = np.pad(image, [(0, 10), (0, 4)], mode="reflect")
    corners = product((0, 16), (0, 48, 96, 128, 176, 224))
    return [padded[top : top + 64, left : left + 80] for top, left in corners]


def test_an_image_is_as_anomalous_as_its_worst_tile(fitted: tuple[str, Baseline]) -> None:
    method = fitted[1]
    image = strip(99)
    image[20:40, 150:156] = 250
    found = next(method.predict(image))
    scores = []
    with torch.no_grad():
        for tile in tiles_by_hand(image):
            pixels = torch.from_numpy(tile.astype(np.float32) / np.float32(255))
            scores.append(float(method.network(pixels[None, None]).scores[0]))
    assert found.score == pytest.approx(max(scores), rel=1e-5)
    assert found.anomaly_map.shape == STRIP == found.image.shape[:2]
    np.testing.assert_allclose(found.image[..., 0], image / 255, atol=1e-6)


def test_where_one_tile_speaks_alone_the_map_is_its_own(fitted: tuple[str, Baseline]) -> None:
    image = strip(98)
    found = next(fitted[1].predict(image))
    pixels = torch.from_numpy(image[:64, :80].astype(np.float32) / np.float32(255))
    with torch.no_grad():
        alone = fitted[1].network(pixels[None, None]).maps[0, 0].numpy()
    np.testing.assert_allclose(found.anomaly_map[:32, :56], alone[:32, :56], rtol=1e-4, atol=1e-6)


def test_it_comes_back_from_disk(fitted: tuple[str, Baseline], tmp_path: Path) -> None:
    name, method = fitted
    method.save(tmp_path)
    again = baseline(name).load(tmp_path, device="cpu")
    assert again.settings.image == ImageSettings(tile=TILE)
    assert (again.image_format.size, again.image_format.channels, again.image_format.tile) == (TILE, 1, TILE)
    before, after = (next(found.predict(GOOD)) for found in (method, again))
    assert before.score == after.score
    np.testing.assert_array_equal(before.anomaly_map, after.anomaly_map)


def test_an_image_smaller_than_a_tile_is_refused(fitted: tuple[str, Baseline]) -> None:
    with pytest.raises(ImageError, match=r"60 x 300 pixels .* smaller than a tile of 64 x 80"):
        next(fitted[1].predict(strip(1, (60, 300))))
