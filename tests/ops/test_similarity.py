"""Blur, SSIM and gradient magnitude similarity against scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from excision.ops.filters import frugal_blur, gaussian_blur
from excision.ops.similarity import gms_map, msgms_map, ssim_map

FloatArray = NDArray[np.float64]
Blur = Callable[[torch.Tensor, float], torch.Tensor]
SIZES = [(24, 31), (16, 16), (13, 40)]


def pair(size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(0)
    first = ndimage.gaussian_filter(rng.random(size), 1.0)
    return first, (first + 0.1 * rng.normal(size=size)).clip(0, 1)


def tensors(*planes: FloatArray) -> list[torch.Tensor]:
    return [torch.from_numpy(plane)[None, None] for plane in planes]


def window(plane: FloatArray) -> FloatArray:
    """The 11 x 11 Gaussian window of Wang et al., applied by direct correlation."""
    offsets = np.arange(-5, 6)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    result: FloatArray = ndimage.correlate(plane, kernel / kernel.sum(), mode="mirror")
    return result


def slow_ssim(x: FloatArray, y: FloatArray) -> FloatArray:
    mx, my = window(x), window(y)
    vx, vy = window(x * x) - mx**2, window(y * y) - my**2
    cov = window(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    result: FloatArray = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return result


def slow_gms(x: FloatArray, y: FloatArray) -> FloatArray:
    def magnitude(plane: FloatArray) -> FloatArray:
        # scipy's Prewitt sums three differences; a third of each is the filter of Xue et al.
        across, down = (ndimage.prewitt(plane, axis, mode="nearest") / 3 for axis in (0, 1))
        result: FloatArray = np.hypot(across, down)
        return result

    mx, my = magnitude(x), magnitude(y)
    result: FloatArray = (2 * mx * my + 0.0026) / (mx**2 + my**2 + 0.0026)
    return result


BOTH = pytest.mark.parametrize("blur", [gaussian_blur, frugal_blur])


@BOTH
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_blur_is_that_of_scipy(size: tuple[int, int], sigma: float, blur: Blur) -> None:
    plane, _ = pair(size)
    radius = max(1, round(3 * sigma))
    expected = ndimage.gaussian_filter(plane, sigma, radius=radius, mode="mirror")
    np.testing.assert_allclose(blur(tensors(plane)[0], sigma)[0, 0], expected, atol=1e-9)


@BOTH
def test_blur_by_nothing_changes_nothing(blur: Blur) -> None:
    plane = tensors(pair((8, 8))[0])[0]
    assert torch.equal(blur(plane, 0), plane)


@BOTH
def test_blur_of_an_image_smaller_than_its_window(blur: Blur) -> None:
    plane = torch.rand(1, 2, 3, 30)
    blurred = blur(plane, 4.0)
    assert blurred.shape == plane.shape
    assert plane.min() <= blurred.min() and blurred.max() <= plane.max()
    torch.testing.assert_close(blur(torch.full((1, 1, 1, 1), 0.3), 9.0), torch.full((1, 1, 1, 1), 0.3))


def test_both_blurs_repeat_the_border_alike_where_the_window_is_larger_than_the_image() -> None:
    plane = torch.rand(1, 2, 3, 30, dtype=torch.float64)
    torch.testing.assert_close(frugal_blur(plane, 4.0), gaussian_blur(plane, 4.0))


@BOTH
def test_blur_keeps_images_and_channels_apart(blur: Blur) -> None:
    batch = torch.rand(2, 3, 12, 12)
    blurred = blur(batch, 1.0)
    torch.testing.assert_close(blurred[1:, 2:], blur(batch[1:, 2:], 1.0))


@pytest.mark.parametrize("size", SIZES)
def test_ssim(size: tuple[int, int]) -> None:
    x, y = pair(size)
    similarity = ssim_map(*tensors(x, y))[0, 0]
    np.testing.assert_allclose(similarity, slow_ssim(x, y), atol=1e-9)
    assert similarity.min() < 0.9


@pytest.mark.parametrize("size", SIZES)
def test_gms(size: tuple[int, int]) -> None:
    x, y = pair(size)
    similarity = gms_map(*tensors(x, y))[0, 0]
    np.testing.assert_allclose(similarity, slow_gms(x, y), atol=1e-6)
    assert similarity.min() < 0.9


def slow_msgms(x: FloatArray, y: FloatArray) -> FloatArray:
    """Mean over four halved sizes, each enlarged by bilinear interpolation between pixel centres."""
    size, maps = x.shape, []
    for scale in range(4):
        if scale:
            x, y = (p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).mean(axis=(1, 3)) for p in (x, y))
        small = slow_gms(x, y)
        places = [(np.arange(n) + 0.5) * m / n - 0.5 for n, m in zip(size, small.shape, strict=True)]
        grid = np.meshgrid(*places, indexing="ij")
        maps.append(ndimage.map_coordinates(small, grid, order=1, mode="nearest"))
    result: FloatArray = np.mean(maps, axis=0)
    return result


def test_msgms() -> None:
    x, y = pair((32, 48))
    first, second = tensors(x, y)
    found = msgms_map(first, second)[0, 0].numpy()
    np.testing.assert_allclose(found, slow_msgms(x, y), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 3), (5, 7), (33, 20)])
def test_msgms_takes_any_size(size: tuple[int, int]) -> None:
    first, second = torch.rand(2, 1, 3, *size)
    assert msgms_map(first, second).shape == (1, 3, *size)


@pytest.mark.parametrize("compare", [ssim_map, gms_map, msgms_map])
def test_equal_images_are_wholly_similar_and_order_is_no_matter(compare: object) -> None:
    assert callable(compare)
    first, second = torch.rand(2, 2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(compare(first, first), torch.ones_like(first))
    torch.testing.assert_close(compare(first, second), compare(second, first))
    similarity = compare(first, second)
    assert similarity.min() >= -1 and similarity.max() <= 1 + 1e-6


@pytest.mark.parametrize("compare", [ssim_map, gms_map, msgms_map])
@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_images(compare: object, brightness: float) -> None:
    assert callable(compare)
    flat = torch.full((1, 1, 16, 16), brightness, requires_grad=True)
    (1 - compare(flat, torch.full_like(flat, brightness))).sum().backward()
    assert flat.grad is not None and torch.isfinite(flat.grad).all()
