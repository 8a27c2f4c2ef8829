"""Oriented edges and lines, against derivatives by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from excision.features.record import FINE_CELL
from excision.method.scoring.edge_features import count_features, edge_features

Array = NDArray[np.float64]


def picture(size: tuple[int, int], seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    blurred: Array = ndimage.gaussian_filter(rng.random(size), 1.5)
    return blurred


def features(image: Array) -> Array:
    found: Array = edge_features(torch.from_numpy(image)[None, None])[0].numpy()
    return found


def slow_features(image: Array) -> Array:
    """Directional derivatives from those along the axes; the size a multiple of 8."""
    seen = (image - image.mean()) / max(image.std(), 0.02)
    smooth, slope = np.array([1, 2, 1]) / 4, np.array([-1, 0, 1]) / 2

    def derive(plane: Array, rows: int, columns: int) -> Array:
        for axis, times in ((0, rows), (1, columns)):
            for step in range(2):
                kernel = slope if step < times else smooth
                # Past the border the picture goes on by its reflection, which one filter after the other
                # would take from what the first has made of it.
                plane = ndimage.correlate1d(plane, kernel, axis=axis, mode="constant")
        return plane

    found = []
    for width in (1, 2, 4):
        padded = np.pad(seen, 2, mode="reflect")
        (x, y), (xx, xy, yy) = (
            [derive(padded, *order)[2:-2, 2:-2] for order in orders]
            for orders in (((0, 1), (1, 0)), ((0, 2), (1, 1), (2, 0)))
        )
        responses = []
        for angle in np.pi / 4 * np.arange(4):
            c, s = np.cos(angle), np.sin(angle)
            responses += [c * x + s * y, c * c * xx + 2 * c * s * xy + s * s * yy]
        saturated = np.array(responses)
        saturated /= np.abs(saturated) + 0.1
        cell = 8 // width
        for plane in (saturated, np.abs(saturated)):
            _, height, across = plane.shape
            found.append(plane.reshape(8, height // cell, cell, across // cell, cell).mean(axis=(2, 4)))
        seen = seen.reshape(seen.shape[0] // 2, 2, seen.shape[1] // 2, 2).mean(axis=(1, 3))
    return np.concatenate(found)


@pytest.mark.parametrize("size", [(32, 32), (40, 64)])
def test_features_agree_with_the_slow_version(size: tuple[int, int]) -> None:
    image = picture(size)
    np.testing.assert_allclose(features(image), slow_features(image), atol=1e-6)


@pytest.mark.parametrize("size", [(33, 47), (32, 39), (65, 33)])
def test_any_size_has_the_features_of_every_place(size: tuple[int, int]) -> None:
    found = features(picture(size))
    assert found.shape == (count_features(1), -(-size[0] // FINE_CELL), -(-size[1] // FINE_CELL))
    assert np.abs(found).max() < 1


def test_other_light_and_exposure_change_nothing() -> None:
    image = picture((48, 48))
    np.testing.assert_allclose(features(0.6 * image + 0.2), features(image), atol=1e-9)


def test_noise_on_an_empty_picture_is_not_blown_up() -> None:
    noise = np.random.default_rng(0).normal(0, 1e-4, (48, 48))
    assert np.abs(features(0.5 + noise)).max() < 0.05


def test_a_faint_edge_counts_beside_a_strong_one() -> None:
    image = np.full((64, 64), 0.5)
    image[:, 12:] += 0.4
    image[:, 44:] -= 0.04
    found = np.abs(features(image)).max(axis=0)
    assert found[4, 5] > 0.3 * found[4, 1]


def test_a_colour_image_has_the_features_of_its_brightness_and_those_of_its_colours() -> None:
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)).double()
    brightness = 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:]
    found, grey = edge_features(image)[0], edge_features(brightness)[0]
    assert len(found) == count_features(3) == len(grey) + 4
    torch.testing.assert_close(found[: len(grey)], grey)
    red, green, blue = image[0]
    opponents = torch.stack((red - green, (red + green) / 2 - blue)) / brightness.std(correction=0)
    saturated = opponents / (opponents.abs() + 0.1)
    means = [plane.view(2, 5, 8, 5, 8).mean(dim=(2, 4)) for plane in (saturated, saturated.abs())]
    torch.testing.assert_close(found[len(grey) :], torch.cat(means))


def test_a_grey_picture_in_colours_has_no_colour() -> None:
    grey = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    found, alone = edge_features(grey.expand(1, 3, 40, 40))[0], edge_features(grey)[0]
    torch.testing.assert_close(found[: len(alone)], alone, atol=1e-4, rtol=1e-4)
    assert not found[len(alone) :].any()


def test_images_are_seen_one_by_one() -> None:
    images = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    together = edge_features(images)
    for place in range(3):
        torch.testing.assert_close(together[place], edge_features(images[place : place + 1])[0])
