"""What counts in an anomaly map: a region of interest, and defects of a minimum area."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from excision.data.decode import read_pixels
from excision.errors import SettingsError
from excision.files import atomic_path
from excision.regions import label_regions

REGION = "region.png"


@dataclass(frozen=True, slots=True)
class Scope:
    """What counts; by default everything does.

    Attributes:
        region: (H, W) bool at the working size, True where a defect counts; None counts everywhere.
        minimum_area: pixels of the working image that a defect must cover.
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
        """Tell whether everything counts, so that score and map stay as they are."""
        return self.region is None and self.minimum_area == 1

    def score(self, anomaly_map: NDArray[np.float32]) -> float:
        """Give the largest value that some defect of the minimum area reaches throughout, inside the region.

        It is the maximum of the area opening of the map (Vincent, "Grayscale area openings and closings",
        1993), so that a score above a threshold means a defect above it that is large enough.

        Args:
            anomaly_map: (H, W) >= 0.

        Returns:
            >= 0; the maximum of the map inside the region where one pixel is enough.
        """
        counted = self._inside(anomaly_map)
        if self.minimum_area == 1:
            return float(counted.max())
        if self.minimum_area > counted.size:
            return 0.0
        # No region of that many pixels can lie above the value of that rank.
        highest = np.partition(counted, -self.minimum_area, axis=None)[-self.minimum_area]
        levels = np.unique(counted[(counted > 0) & (counted <= highest)])
        low, high = (
            0,
            len(levels),
        )  # all levels below `low` are reached by a large region, none from `high` on
        while low < high:
            middle = (low + high) // 2
            if self._largest(counted >= levels[middle]) >= self.minimum_area:
                low = middle + 1
            else:
                high = middle
        return float(levels[low - 1]) if low else 0.0

    def clean(self, anomaly_map: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
        """Lower what does not count to the threshold, and to zero outside the region.

        Args:
            anomaly_map: (H, W) >= 0.
            threshold: in the unit of the map.

        Returns:
            (H, W); above the threshold exactly in the defects that count.
        """
        counted = self._inside(anomaly_map)
        if self.minimum_area == 1:
            return counted
        labels, _ = label_regions(counted > threshold)
        small = np.bincount(labels.ravel()) < self.minimum_area
        small[0] = False
        return np.where(small[labels], np.float32(max(threshold, 0.0)), counted)

    def save(self, folder: Path) -> None:
        """Write the region as a picture, or remove that of before; the area belongs to the description."""
        path = folder / REGION
        if self.region is None:
            path.unlink(missing_ok=True)
            return
        with atomic_path(path) as temporary:
            Image.fromarray(self.region.astype(np.uint8) * np.uint8(255)).save(temporary, format="PNG")

    def _inside(self, anomaly_map: NDArray[np.float32]) -> NDArray[np.float32]:
        return anomaly_map if self.region is None else np.where(self.region, anomaly_map, np.float32(0))

    @staticmethod
    def _largest(mask: NDArray[np.bool_]) -> int:
        return int(np.bincount(label_regions(mask)[0].ravel())[1:].max(initial=0))


def read_region(path: Path, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a region of interest: a picture, white where a defect counts, or polygons in TOML.

    The TOML file has `size = [H, W]`, the size in pixels of the image that the polygons were drawn on, and
    `polygons`, a list of lists of corners [x, y]; what lies in any of them counts.

    Args:
        path: of the picture or the TOML file.
        size: (H, W) of the working image, to which the region is scaled.

    Raises:
        ImageError: the picture cannot be read.
        SettingsError: the file is damaged, or the region is empty.
    """
    picture = _polygons(path) if path.suffix.lower() == ".toml" else read_pixels(path).max(axis=2) > 0.5
    scaled = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.NEAREST)
    region: NDArray[np.bool_] = np.asarray(scaled, dtype=bool)
    if not region.any():
        raise SettingsError(f"{path}: the region of interest is empty: nothing would ever be found")
    return region


def _polygons(path: Path) -> NDArray[np.bool_]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        height, width = (int(side) for side in content["size"])
        canvas = Image.new("1", (width, height))
        for polygon in content["polygons"]:
            ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in polygon], fill=1)
    except (UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path}: these are no polygons ({error}); write size = [H, W] and "
            "polygons = [[[x, y], [x, y], [x, y]]]"
        ) from error
    return np.asarray(canvas, dtype=bool)
