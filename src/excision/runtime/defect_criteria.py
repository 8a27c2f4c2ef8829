"""Criteria for defects in an anomaly map: a region of interest and a minimum area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import read_pixels
from excision.data.images import resize_mask
from excision.errors import SettingsError
from excision.method.stored_calibration import require
from excision.ops.bands import band_rows
from excision.ops.connected_components import find_runs
from excision.runtime import description_checks as checks
from excision.system.files import atomic_path

FloatImage = NDArray[np.float32]

REGION = "region.png"

_MOST_BYTES = 2**20  # of a file of polygons
_MOST_PIXELS = 2**30  # of the image that they were drawn on


@dataclass(frozen=True, slots=True)
class DefectCriteria:
    """Which defects count; by default all do.

    Attributes:
        region: (H, W) bool, True where a defect counts; None means everywhere. If its size differs from that
            of the map, as for large images of any size, it is scaled to the map.
        minimum_area: number of pixels of the map that a defect must cover.
    """

    region: NDArray[np.bool_] | None = None
    minimum_area: int = 1

    def __post_init__(self) -> None:
        if self.minimum_area < 1:
            raise SettingsError(f"the minimum area is {self.minimum_area}: it must be at least 1 pixel")
        if self.region is not None and not self.region.any():
            raise SettingsError("the region of interest is empty: nothing would ever be found")

    @property
    def is_everything(self) -> bool:
        """Whether everything counts, so that score and map are unchanged."""
        return self.region is None and self.minimum_area == 1

    def score(self, anomaly_map: FloatImage) -> float:
        """Return the largest value that a defect of the minimum area in the region reaches at every pixel.

        It is the maximum of the area opening of the map (Vincent, "Grayscale area openings and closings",
        1993), so that a score above a threshold means a defect above it that is large enough.

        Args:
            anomaly_map: (H, W) >= 0.

        Returns:
            >= 0; with a minimum area of one pixel, the maximum of the map inside the region.
        """
        return self._highest(self._inside(anomaly_map))

    def clean(self, anomaly_map: FloatImage, threshold: float) -> FloatImage:
        """Lower areas that do not count to the threshold, and set the map to zero outside the region.

        Args:
            anomaly_map: (H, W) >= 0.
            threshold: in the unit of the map.

        Returns:
            (H, W), above the threshold exactly in the defects that count.
        """
        counted = self._inside(anomaly_map)
        if self.minimum_area > 1:
            counted = counted.copy() if counted is anomaly_map else counted
            self._lower_small(counted, threshold)
        return counted

    def apply(self, anomaly_map: FloatImage, threshold: float) -> float:
        """Return the score, and clean the map in place, since a copy of a large map might not fit in memory.

        Args:
            anomaly_map: (H, W) >= 0; changed.
            threshold: in the unit of the map.
        """
        self._erase_outside(anomaly_map)
        score = self._highest(anomaly_map)
        if self.minimum_area > 1:
            self._lower_small(anomaly_map, threshold)
        return score

    def save(self, path: Path) -> None:
        """Write the region as a picture, or remove an earlier one; `model.json` stores the minimum area."""
        if self.region is None:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary:
            Image.fromarray(self.region.astype(np.uint8) * np.uint8(255)).save(temporary, format="PNG")

    def _inside(self, anomaly_map: FloatImage) -> FloatImage:
        if self.region is None:
            return anomaly_map
        inside = anomaly_map.copy()
        self._erase_outside(inside)
        return inside

    def _erase_outside(self, anomaly_map: FloatImage) -> None:
        """Set the map to zero outside the region, scaled to the map by nearest neighbour."""
        if self.region is None:
            return
        rows, columns = (
            (2 * np.arange(side) + 1) * full // (2 * side)
            for side, full in zip(anomaly_map.shape, self.region.shape, strict=True)
        )
        for top, bottom in band_rows(*anomaly_map.shape):
            anomaly_map[top:bottom][~self.region[rows[top:bottom]][:, columns]] = 0

    def _highest(self, counted: FloatImage) -> float:
        if self.minimum_area == 1:
            return float(counted.max())
        values = counted[counted > 0]
        if self.minimum_area > values.size:
            return 0.0
        # No area of that many pixels can be above the value of that rank.
        values = values[values <= np.partition(values, -self.minimum_area)[-self.minimum_area]]
        levels = np.unique(values)
        # Bisection: a large enough area reaches every level below `low`, and none reaches `high` or above.
        low, high = 0, len(levels)
        while low < high:
            middle = (low + high) // 2
            if find_runs(counted >= levels[middle]).areas().max(initial=0) >= self.minimum_area:
                low = middle + 1
            else:
                high = middle
        return float(levels[low - 1]) if low else 0.0

    def _lower_small(self, counted: FloatImage, threshold: float) -> None:
        above = counted > threshold
        runs = find_runs(above)
        values = counted[above]
        values[(runs.areas() < self.minimum_area)[runs.numbers()]] = max(threshold, 0.0)
        counted[above] = values


def read_region(path: Path, size: tuple[int, int] | None) -> NDArray[np.bool_]:
    """Read a region of interest: a picture that is white where defects count, or polygons in TOML.

    The TOML file has `size = [H, W]`, the size in pixels of the image on which the polygons were drawn, and
    `polygons`, a list of lists of corners [x, y]; a defect counts inside any of them.

    Args:
        path: path of the picture or the TOML file.
        size: (H, W) of the working image, to which the region is scaled; None keeps the size as drawn.

    Raises:
        ImageError: the picture cannot be read.
        SettingsError: the file is damaged, or the region is empty.
    """
    picture = _polygons(path) if path.suffix.lower() == ".toml" else read_pixels(path).max(axis=2) > 0.5
    region = picture if size is None else resize_mask(picture, size)
    if not region.any():
        raise SettingsError(f"{path}: the region of interest is empty: nothing would ever be found")
    return region


def _polygons(path: Path) -> NDArray[np.bool_]:
    from PIL import ImageDraw

    from excision.system.toml_file import read_toml

    content = read_toml(path, _MOST_BYTES, "polygons")
    try:
        height, width = (checks.whole(side, "a side of size", 1, _MOST_PIXELS) for side in content["size"])
        require(height * width <= _MOST_PIXELS, f"size has more than {_MOST_PIXELS} pixels")
        canvas = Image.new("1", (width, height))
        for polygon in content["polygons"]:
            ImageDraw.Draw(canvas).polygon([_corner(corner) for corner in polygon], fill=1)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path}: these are not polygons ({error}); write size = [H, W] and "
            "polygons = [[[x, y], [x, y], [x, y]]]"
        ) from error
    return np.asarray(canvas, dtype=bool)


def _corner(corner: Any) -> tuple[float, float]:
    x, y = map(float, corner)
    # Pillow draws somewhere else instead of refusing it.
    require(math.isfinite(x) and math.isfinite(y), f"a corner is {corner}")
    return x, y
