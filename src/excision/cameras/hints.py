"""What to mind while pictures for training are taken: light, focus, motion, and the same part twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from excision.cameras.camera import Pixels

Hint = Literal["over-exposed", "under-exposed", "out of focus", "moving"]

ADVICE: dict[Hint, str] = {
    "over-exposed": "much of the picture is white: shorten the exposure, or dim the light",
    "under-exposed": "the picture is dark: lengthen the exposure, or add light",
    "out of focus": "it is less sharp than the best so far: check the focus, and that the part lies flat",
    "moving": "the picture before it differs: hold the part still, or shorten the exposure",
}
"""What each hint means, and what to do."""

MOST_WHITE = 0.01
"""Share of saturated pixels above which a picture is over-exposed."""

LEAST_BRIGHT = 0.25
"""Share of full scale that the brightest hundredth of a picture must reach."""

LEAST_SHARP = 0.5
"""Share of the best sharpness so far that a picture must reach."""

SAME = 0.98
"""Correlation of fine detail from which two pictures show the same part at the same place. Different pictures
of four real sets stayed below 0.97 (724 pairs of neighbouring files); a part of little detail in a noisy
picture may stay below it, too."""

_CENTRE = 1024  # pixels of the middle in which sharpness is measured
_GRID = 128  # cells along the longer side, for detail
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Look:
    """What the hints are made from.

    Attributes:
        white: share of pixels in which a channel is saturated, in [0, 1].
        bright: brightness that a hundredth of the pixels exceed, in [0, 1].
        sharpness: variance of the Laplacian over the squared mean, so that it does not grow with the light
            (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).
        detail: fine detail, with mean 0 and length 1, or all 0 where there is none.
    """

    white: float
    bright: float
    sharpness: float
    detail: NDArray[np.float32]


def look_at(pixels: Pixels) -> Look:
    """Measure a picture, (H, W) or (H, W, 3), uint8 or uint16."""
    most = np.iinfo(pixels.dtype).max
    step = max(1, min(pixels.shape[:2]) // _CENTRE)
    sample = pixels[::step, ::step]
    white = sample >= most - most // 255
    grey = _grey(sample, most)
    return Look(
        float((white.any(axis=2) if white.ndim == 3 else white).mean()),
        float(np.quantile(grey, 0.99)),
        _sharpness(_grey(_middle(pixels), most)),
        _detail(grey),
    )


def hints_of(look: Look, best: float, before: Look | None) -> list[Hint]:
    """Say what to mind about a picture.

    Args:
        look: of the picture.
        best: largest sharpness so far.
        before: of the picture that the camera took just before, if it did.
    """
    found: list[Hint] = []
    if look.white > MOST_WHITE:
        found.append("over-exposed")
    if look.bright < LEAST_BRIGHT:
        found.append("under-exposed")
    if look.sharpness < LEAST_SHARP * best:
        found.append("out of focus")
    if before is not None and not is_same(look, before):
        found.append("moving")
    return found


def is_same(one: Look, other: Look) -> bool:
    """Tell whether two pictures show the same part at the same place.

    Noise alone does not correlate, so that pictures without any detail are never taken for the same.
    """
    return one.detail.shape == other.detail.shape and float((one.detail * other.detail).sum()) >= SAME


def _grey(pixels: Pixels, most: int) -> NDArray[np.float32]:
    """Give brightness in [0, 1]."""
    values: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(most)
    return values if values.ndim == 2 else (values @ _LUMA).astype(np.float32)


def _middle(pixels: Pixels) -> Pixels:
    """Give the middle at full size, because a smaller picture would hide blur."""
    height, width = pixels.shape[:2]
    top, left = max(0, height - _CENTRE) // 2, max(0, width - _CENTRE) // 2
    return pixels[top : top + _CENTRE, left : left + _CENTRE]


def _sharpness(grey: NDArray[np.float32]) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    return float(laplacian.var() / max(float(grey.mean()) ** 2, 1e-6))


def _detail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take means over cells, which evens out the noise of the sensor, less their neighbourhood."""
    # A few rows of a line-scan camera are narrower than a cell would be.
    cell = max(1, min(max(grey.shape) // _GRID, *grey.shape))
    rows, columns = (size // cell for size in grey.shape)
    cells = grey[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    padded = np.pad(cells, 1, mode="edge")
    around = sum(padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3))
    fine = cells - around / np.float32(9)
    fine = fine - fine.mean()
    length = float(np.sqrt((fine * fine).sum()))
    detail: NDArray[np.float32] = fine / np.float32(length) if length > 1e-6 else np.zeros_like(fine)
    return detail
