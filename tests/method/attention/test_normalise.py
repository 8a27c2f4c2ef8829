"""Local normalisation, padding and grey against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from excision.method.attention.normalise import FLAT, local_normalise, reflect_pad
from excision.ops.colour import to_grey

FloatArray = NDArray[np.float64]


def block_means(plane: FloatArray, side: int) -> FloatArray:
    rows, columns = range(0, plane.shape[0], side), range(0, plane.shape[1], side)
    return np.array([[plane[y : y + side, x : x + side].mean() for x in columns] for y in rows])


def box_means(plane: FloatArray, radius: int) -> FloatArray:
    """Mean over a square window, of what of it lies inside."""
    result = np.empty_like(plane)
    for y, x in np.ndindex(plane.shape):
        result[y, x] = plane[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].mean()
    return result


def enlarge(plane: FloatArray, factor: int, size: tuple[int, int]) -> FloatArray:
    """Linear interpolation between the centres of the blocks, along one axis after the other."""
    for axis in (0, 1):
        length = plane.shape[axis]
        places = (np.arange(size[axis]) + 0.5) / factor - 0.5
        plane = np.apply_along_axis(
            lambda line, p, n: np.interp(p, np.arange(n), line), axis, plane, places, length
        )
    return plane


def slow_normalise(image: FloatArray, radius: int) -> FloatArray:
    shrink = max(1, radius // 4)
    centred = image - image.mean()
    small = [block_means(plane, shrink) for plane in (centred, centred**2)]
    window = min(4, *(side - 1 for side in small[0].shape))
    mean, square = (enlarge(box_means(plane, window), shrink, image.shape) for plane in small)
    deviation = np.sqrt(np.maximum(square - mean**2, 0) + FLAT**2)
    result: FloatArray = ((centred - mean) / deviation).clip(-6, 6)
    return result


@pytest.mark.parametrize("size", [(40, 40), (33, 47), (20, 90), (5, 7), (1, 1), (1, 30)])
@pytest.mark.parametrize("radius", [4, 8, 14, 32])
def test_local_normalise_agrees_with_the_slow_version(size: tuple[int, int], radius: int) -> None:
    rng = np.random.default_rng(0)
    image = (np.linspace(0.2, 0.7, size[1]) + 0.1 * rng.normal(size=size)).clip(0, 1)
    normalised = local_normalise(torch.from_numpy(image)[None, None], radius)
    np.testing.assert_allclose(normalised[0, 0], slow_normalise(image, radius), atol=1e-9)


def test_float32_is_precise_enough() -> None:
    image = (0.9 + 0.01 * np.random.default_rng(1).normal(size=(64, 64))).astype(np.float32)
    normalised = local_normalise(torch.from_numpy(image)[None, None], 8)[0, 0]
    np.testing.assert_allclose(normalised, slow_normalise(image.astype(float), 8), atol=2e-3)


def test_brightness_and_contrast_do_not_matter() -> None:
    image = 0.5 + 0.1 * torch.randn(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    normalised = local_normalise(image, 8)
    torch.testing.assert_close(local_normalise(image + 0.15, 8), normalised, atol=1e-4, rtol=0)
    torch.testing.assert_close(local_normalise(1 - image, 8), -normalised, atol=1e-4, rtol=0)
    stretched = local_normalise(0.5 + 2 * (image - 0.5), 8)
    torch.testing.assert_close(stretched, normalised, atol=0.02, rtol=0)


def test_flat_images_stay_flat_and_strong_contrast_is_cut_off() -> None:
    for brightness in (0.0, 0.3, 1.0):
        assert local_normalise(torch.full((1, 1, 40, 40), brightness), 8).abs().max() < 1e-3
    spot = torch.zeros(1, 1, 64, 64)
    spot[..., 32, 32] = 1.0
    assert local_normalise(spot, 32)[0, 0, 32, 32] == 6


@pytest.mark.parametrize("size", [(40, 30), (17, 17), (9, 9), (2, 2), (5, 5)])
@pytest.mark.parametrize("margin", [0, 1, 8, 16])
def test_reflect_pad_is_that_of_numpy(size: tuple[int, int], margin: int) -> None:
    image = np.random.default_rng(2).random((2, 1, *size), dtype=np.float32)
    expected = np.pad(image, [(0, 0)] * 2 + [(margin, margin)] * 2, mode="reflect")
    np.testing.assert_array_equal(reflect_pad(torch.from_numpy(image), margin), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 30), (3, 8)])
def test_reflect_pad_of_strips_keeps_the_image_and_invents_nothing(size: tuple[int, int]) -> None:
    image = torch.from_numpy(np.random.default_rng(3).random((1, 1, *size)))
    padded = reflect_pad(image, 16)
    assert padded.shape == (1, 1, size[0] + 32, size[1] + 32)
    assert torch.equal(padded[..., 16:-16, 16:-16], image)
    assert set(padded.flatten().tolist()) == set(image.flatten().tolist())


def test_to_grey() -> None:
    colour = torch.rand(2, 3, 5, 6)
    red, green, blue = colour.numpy().transpose(1, 0, 2, 3)
    np.testing.assert_allclose(to_grey(colour)[:, 0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-6)
    assert to_grey(colour[:, :1]) is not None
    assert torch.equal(to_grey(colour[:, :1]), colour[:, :1])
