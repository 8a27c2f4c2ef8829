"""Drawn images: a textured part on a dark ground, and a surface with grain that runs in one direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Working = NDArray[np.uint16]
SIZE = (128, 160)


def working(image: NDArray[np.floating]) -> Working:
    """Round an image (H, W) or (H, W, C) in [0, 1] to a working image."""
    planes = image if image.ndim > 2 else image[..., None]
    rounded: Working = np.rint(np.clip(planes, 0, 1) * 65535).astype(np.uint16)
    return rounded


def part(seed: int, *, down: float = 0, right: float = 0) -> NDArray[np.float64]:
    """Draw a bright part with a bore on the left and a slot, (H, W); its place varies by a pixel."""
    rng = np.random.default_rng(seed)
    dy, dx = rng.normal(0, 1, 2)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    y, x = y - SIZE[0] / 2 - dy - down, x - SIZE[1] / 2 - dx - right
    body = 1 / (1 + np.exp((np.hypot(y / 45, x / 60) - 1) * 40))
    bore = 1 / (1 + np.exp(np.hypot(y + 8, x + 30) - 19))
    slot = ((np.abs(y - 14) < 5) & (np.abs(x - 15) < 22)).astype(float)
    grain = gaussian_filter(rng.normal(0, 1, SIZE), 1.0)
    light = rng.normal(1, 0.03)
    image = 0.08 + body * (0.5 + 0.06 * grain) - 0.35 * bore - 0.2 * gaussian_filter(slot, 1)
    noisy: NDArray[np.float64] = light * image + rng.normal(0, 0.006, SIZE)
    return noisy


def surface(seed: int) -> NDArray[np.float64]:
    """Draw a surface with bright fibres that rise to the right, (H, W)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (2 * SIZE[0], 2 * SIZE[1]))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    smooth = gaussian_filter(noise, (1, 8))
    turned = smooth[(y - x // 2) % noise.shape[0], (x + y // 2) % noise.shape[1]]
    fibres = np.maximum(turned / turned.std(), 0) ** 2
    grey: NDArray[np.float64] = rng.normal(1, 0.03) * (0.35 + 0.07 * fibres) + rng.normal(0, 0.006, SIZE)
    return grey
