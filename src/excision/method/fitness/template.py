"""Finds where in an image the part lies, by correlation with the median of training images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BEYOND = 0.5
"""How far beyond the template's own values a view counts, in units of the image's contrast: a strong defect
must not outweigh the part."""

_SEARCHED = 3
"""Shifts of up to this fraction of the view's sides, 1/3, are tried."""


class Found(NamedTuple):
    """Where the part lies, and how.

    Attributes:
        match: correlation with the template at the best shift, in [-1, 1].
        gain: by how much that is above the correlation without a shift.
        down: shift downwards as a share of the height.
        right: shift to the right as a share of the width.
        mirrored: by how much the match is larger if the image is mirrored left to right; mostly below 0.
        flipped: the same for top to bottom.
        turned: the same for a turn by 180 degrees.
        negative: match of the negative.
    """

    match: float
    gain: float
    down: float
    right: float
    mirrored: float
    flipped: float
    turned: float
    negative: float


class Template:
    """The median view of training images.

    Args:
        view: (h, w).
    """

    def __init__(self, view: Floats) -> None:
        self.view = view
        centred = view - view.mean()
        self._energy = float((centred * centred).sum())
        self._bounds = float(view.min()) - _BEYOND, float(view.max()) + _BEYOND
        # Twice the size, so that what is shifted out does not come in again on the other side.
        self._padded = (2 * view.shape[0], 2 * view.shape[1])
        self._conjugate = np.conj(np.fft.rfft2(centred, self._padded))

    def find(self, view: Floats) -> Found:
        """Find the template in a view (h, w) of another image."""
        least, most = self._bounds
        clipped = np.minimum(np.maximum(view, least), most)
        centred = clipped - clipped.mean()
        unit = float(np.sqrt((centred * centred).sum() * self._energy)) + 1e-9
        ways = np.concatenate((centred, centred[:, ::-1], centred[::-1], centred[::-1, ::-1]))
        (rows, columns), (tall, wide) = (side // _SEARCHED for side in view.shape), self._padded
        # Axis by axis, so that only the shifts that are looked at are transformed back.
        spectra = np.fft.fft(np.fft.rfft(ways.reshape(4, *view.shape), wide), tall, axis=1)
        found = np.fft.ifft(spectra * self._conjugate, axis=1)[:, np.arange(-rows, rows + 1)]
        correlations = np.fft.irfft(found, wide)[:, :, np.arange(-columns, columns + 1)] / unit
        upright, best = correlations[0], correlations.max(axis=(1, 2))
        y, x = divmod(int(upright.argmax()), upright.shape[1])
        match = float(best[0])
        mirrored, flipped, turned = (float(other) - match for other in best[1:])
        return Found(
            match=match,
            gain=match - float(upright[rows, columns]),
            down=(_peak(upright[:, x], y) - rows) / view.shape[0],
            right=(_peak(upright[y], x) - columns) / view.shape[1],
            mirrored=mirrored,
            flipped=flipped,
            turned=turned,
            negative=-float(upright.min()),
        )


def _peak(values: Floats, index: int) -> float:
    """Return the place of a maximum between samples, by a parabola through it and its neighbours."""
    if not 0 < index < len(values) - 1:
        return float(index)
    before, here, after = values[index - 1 : index + 2]
    bend = before - 2 * here + after
    return float(index + (0.5 * (before - after) / bend if bend < 0 else 0.0))
