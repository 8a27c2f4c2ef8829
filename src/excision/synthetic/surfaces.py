"""Procedural images of three materials without defects: brushed metal, cast grain and woven fabric.

Each image is (H, W) float32 in [0, 1]. Images differ as those of a real line do: in light, position, texture
and sensor noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Size = tuple[int, int]


def smooth_noise(rng: np.random.Generator, size: Size, sigma_y: float, sigma_x: float) -> FloatImage:
    """Draw Gaussian noise, smoothed by a Gaussian of these standard deviations in pixels.

    Returns:
        (H, W) float32 of zero mean and unit standard deviation, periodic along both axes.
    """
    height, width = size
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    # The Fourier transform of a Gaussian is a Gaussian.
    keep = np.exp(-2 * np.pi**2 * ((fy * sigma_y) ** 2 + (fx * sigma_x) ** 2))
    keep[0, 0] = 0
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * keep, s=size)
    scaled: NDArray[np.float64] = noise / max(noise.std(), 1e-9)
    return scaled.astype(np.float32)


def brushed_metal(rng: np.random.Generator, size: Size) -> FloatImage:
    """Draw metal brushed along the rows: streaks of many lengths under a soft sheen across them."""
    height, _ = size
    streaks = 0.45 * smooth_noise(rng, size, 0.5, 12)
    streaks += 0.65 * smooth_noise(rng, size, 0.6, 60)
    streaks += 0.55 * smooth_noise(rng, size, 1.8, 400)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    sheen = np.exp(-(((y - rng.uniform(-0.7, 0.7)) / rng.uniform(0.5, 0.9)) ** 2))
    surface = 0.48 + 0.16 * sheen + rng.uniform(0.038, 0.05) * streaks * (0.75 + 0.5 * sheen)
    return photographed(rng, surface)


def cast_grain(rng: np.random.Generator, size: Size) -> FloatImage:
    """Draw a surface cast in sand: bumps of two sizes lit from the side, with small dark specks."""
    bumps = smooth_noise(rng, size, 2.0, 2.0) + 1.6 * smooth_noise(rng, size, 4.5, 4.5)
    slope_y, slope_x = np.gradient(bumps)
    angle = rng.normal(-2.2, 0.12)
    relief = np.cos(angle) * slope_x + np.sin(angle) * slope_y
    mottle = smooth_noise(rng, size, 22, 22)
    specks = np.clip(smooth_noise(rng, size, 0.9, 0.9) - 2.3, 0, 1)
    surface = 0.44 + rng.uniform(0.085, 0.1) * np.tanh(1.6 * relief) + 0.02 * mottle - 0.14 * specks
    return photographed(rng, surface)


def woven_fabric(rng: np.random.Generator, size: Size) -> FloatImage:
    """Draw woven round threads, with uneven position, thickness and shade."""
    period = rng.uniform(9.3, 9.7)
    warp = _threads(rng, size, period, along_rows=False)
    weft = _threads(rng, size, 1.1 * period, along_rows=True)
    # A thread passes over every second thread that it crosses and under the others.
    warp_height = warp.roundness + np.cos(np.pi * (weft.place - 0.5 + warp.index))
    weft_height = weft.roundness - np.cos(np.pi * (warp.place - 0.5 + weft.index))
    on_top = warp_height > weft_height
    height = np.where(on_top, warp_height, weft_height)
    shade = np.where(on_top, warp.shade * warp.roundness, 0.92 * weft.shade * weft.roundness)
    surface = 0.1 + 0.34 * shade + 0.085 * height + 0.012 * smooth_noise(rng, size, 30, 30)
    return photographed(rng, surface)


@dataclass(frozen=True, slots=True)
class _Threads:
    """Parallel threads, each field (H, W).

    Attributes:
        place: position across the threads in threads.
        index: number of the thread at each pixel.
        roundness: height of its round back, from 0 at its edges to 1.
        shade: brightness of its yarn, about 1.
    """

    place: FloatImage
    index: NDArray[np.int64]
    roundness: FloatImage
    shade: FloatImage


def _threads(rng: np.random.Generator, size: Size, period: float, *, along_rows: bool) -> _Threads:
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, along, count = (y, x, height) if along_rows else (x, y, width)
    sigma_y, sigma_x = (3.0, 25.0) if along_rows else (25.0, 3.0)
    wander = 0.7 * smooth_noise(rng, size, 40, 40) + 0.35 * smooth_noise(rng, size, sigma_y, sigma_x)
    place = (across + wander) / period + rng.uniform(1, 2)
    index = np.floor(place).astype(np.int64)
    side = 2 * (place - index) - 1
    roundness = np.sqrt(np.clip(1 - (0.97 * side) ** 2, 0, 1))
    shades = 1 + 0.04 * rng.standard_normal(int(count / period) + 8)
    twist = 0.05 * np.cos(2 * np.pi * (along / 4.5 + 0.7 * side))
    sigma_y, sigma_x = (0.6, 2.5) if along_rows else (2.5, 0.6)
    fibres = 0.07 * smooth_noise(rng, size, sigma_y, sigma_x)
    shade = shades[np.clip(index, 0, len(shades) - 1)] + twist + fibres
    return _Threads(place, index, roundness.astype(np.float32), shade.astype(np.float32))


def photographed(rng: np.random.Generator, surface: NDArray[np.floating]) -> FloatImage:
    """Add the effects of light and camera: uneven light, exposure, sensor noise."""
    height, width = surface.shape
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    tilt = rng.normal(0, 0.02) * y + rng.normal(0, 0.02) * x
    vignette = -0.03 * (x * x + y * y)
    light = rng.normal(1, 0.02) * (1 + tilt + vignette)
    noise = 0.008 * rng.standard_normal(surface.shape)
    return np.clip(surface * light + noise, 0, 1).astype(np.float32)


SURFACES: dict[str, Callable[[np.random.Generator, Size], FloatImage]] = {
    "brushed_metal": brushed_metal,
    "cast_grain": cast_grain,
    "woven_fabric": woven_fabric,
}
"""The surfaces by name."""
