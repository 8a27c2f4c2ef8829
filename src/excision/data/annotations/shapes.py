"""Shapes drawn on an image, as they were read from an annotation file, and the mask they make together."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from excision.data.annotations.base import Annotation
from excision.data.annotations.fill import Points, disc_runs, line_runs, paint, polygon_runs
from excision.data.annotations.runs import decompress, runs_mask
from excision.errors import DatasetError, ImageError


class Shape(Protocol):
    """A shape that can be drawn into a mask."""

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:
        """Mark the pixels of the shape in a mask (H, W).

        Args:
            mask: changed in place.
            scale: pixels (x, y) for one unit of the coordinates.

        Raises:
            DatasetError: the shape does not fit the image, or contradicts itself.
        """


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline; `points` are the bytes of (N, 2) float64, x and y, as `pack` gives them."""

    points: bytes = field(repr=False)

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:
        """See `Shape.draw`."""
        paint(mask, polygon_runs(_unpack(self.points) * scale, _size(mask)))


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, which are stored as those of a polygon, of a width in pixels."""

    points: bytes = field(repr=False)
    width: float

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:
        """See `Shape.draw`."""
        paint(mask, line_runs(_unpack(self.points) * scale, self.width, _size(mask)))


@dataclass(frozen=True, slots=True)
class Disc:
    """A disc around (x, y), all in pixels."""

    x: float
    y: float
    radius: float

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:  # noqa: ARG002
        """See `Shape.draw`."""
        paint(mask, disc_runs(self.x, self.y, self.radius, _size(mask)))


@dataclass(frozen=True, slots=True)
class RunLengths:
    """Run lengths of the whole image: the bytes of int64, or the compressed string of COCO."""

    counts: bytes = field(repr=False)
    compressed: bool

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:  # noqa: ARG002
        """See `Shape.draw`."""
        counts = decompress(self.counts) if self.compressed else np.frombuffer(self.counts, np.int64)
        mask |= runs_mask(counts, _size(mask))


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A PNG whose pixels that are not zero are marked, with its top left pixel and its size (H, W)."""

    png: bytes = field(repr=False)
    top: int
    left: int
    size: tuple[int, int]

    def draw(self, mask: NDArray[np.bool_], scale: tuple[float, float]) -> None:  # noqa: ARG002
        """See `Shape.draw`."""
        (height, width), (image_height, image_width) = self.size, _size(mask)
        if height > image_height or width > image_width:
            raise DatasetError(f"a mask of {width} x {height} pixels is larger than the image")
        marked = self._decode()
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + height, image_height), min(self.left + width, image_width)
        if bottom > top and right > left:
            within = marked[top - self.top : bottom - self.top, left - self.left : right - self.left]
            mask[top:bottom, left:right] |= within

    def _decode(self) -> NDArray[np.bool_]:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self.png), formats=["PNG"]) as picture:
                found = (picture.height, picture.width)
                if found == self.size:
                    values = np.asarray(picture)
        except Exception as error:
            # On damaged data decoders raise almost any error.
            raise DatasetError(f"the mask in the file cannot be decoded ({error})") from error
        if found != self.size:
            raise DatasetError(
                f"the mask in the file is {found[1]} x {found[0]} pixels, but its two points span "
                f"{self.size[1]} x {self.size[0]}"
            )
        marked: NDArray[np.bool_] = (values.reshape(*found, -1) != 0).any(axis=2)
        return marked


@dataclass(frozen=True, slots=True)
class DrawnMask(Annotation):
    """The union of the shapes on one image.

    Attributes:
        where: file and entry that they come from, for messages.
        size: size (H, W) of the image as the file states it; None if it does not.
        relative: True if coordinates are shares of the width and height, otherwise they are pixels.
        shapes: at least one.
    """

    where: str
    size: tuple[int, int] | None
    relative: bool
    shapes: tuple[Shape, ...]

    def read(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """See `Annotation.read`."""
        if self.size is not None and self.size != size:
            turned = " (it may have been annotated before it was turned)" if self.size == size[::-1] else ""
            raise ImageError(
                f"{self.where}: the shapes were drawn on an image of {self.size[1]} x {self.size[0]} pixels, "
                f"but it has {size[1]} x {size[0]}{turned}"
            )
        mask = np.zeros(size, np.bool_)
        for shape in self.shapes:
            try:
                shape.draw(mask, (size[1], size[0]) if self.relative else (1, 1))
            except DatasetError as error:
                raise ImageError(f"{self.where}: {error}") from error
        return mask


def pack(points: Points) -> bytes:
    """Give (N, 2) points in the form in which shapes hold them."""
    return np.ascontiguousarray(points, np.float64).tobytes()


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Give a box by its edges."""
    return Polygon(pack(np.array([[left, top], [right, top], [right, bottom], [left, bottom]])))


def _unpack(points: bytes) -> Points:
    return np.frombuffer(points, np.float64).reshape(-1, 2)


def _size(mask: NDArray[np.bool_]) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]
