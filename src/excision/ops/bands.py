"""Large images in bands of rows, so that only one band is held in floating point."""

from __future__ import annotations

from collections.abc import Iterator

BAND = 2**22
"""Number of pixels that are converted to floating point at once when an image is read band by band."""


def band_rows(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Give the first row, and the row after the last, of bands of about `BAND` pixels."""
    rows = max(1, BAND // max(width, 1))
    return ((top, min(top + rows, height)) for top in range(0, height, rows))
