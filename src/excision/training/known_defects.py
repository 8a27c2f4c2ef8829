"""Images of known defects, as working images with their masks; normal statistics never see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.data.annotations.base import Annotation
from excision.data.decode import probe_image
from excision.data.images import resize_image
from excision.data.masks import INVERTED, Mask, examine_mask
from excision.data.preparation import Finding
from excision.errors import ImageError
from excision.ops.connected_components import find_regions
from excision.tiling.image_format import ImageFormat
from excision.training import KNOWN_DEFECTS, KNOWN_MASKS
from excision.training.usable import Picture, picture_hash

MaskSource = NDArray[np.bool_] | Path | Annotation

_LEAST = 0.2
"""Share of a pixel of the working image that is marked if the whole pixel counts as marked: a hairline crack
may not be lost where the image is reduced."""

_SPECK = 0.01
"""Regions of less than this share of the largest one are not drawn on their own."""


_BUDGET = 256 * 2**20


@dataclass(frozen=True)
class MarkedDefect:
    """A working image with a defect whose pixels are marked.

    Attributes:
        pixels: (H, W, C) uint16; 65535 stands for 1.
        marked: (H, W) bool, True on the defect; true somewhere.
    """

    pixels: NDArray[np.uint16]
    marked: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.pixels.nbytes + self.marked.nbytes

    def some_pixel(self, rng: np.random.Generator) -> tuple[int, int]:
        """Choose a marked pixel, (y, x), every region being equally likely."""
        x, y, width, height = self._boxes[int(rng.integers(len(self._boxes)))]
        inside = np.flatnonzero(self.marked[y : y + height, x : x + width])
        row, column = divmod(int(inside[rng.integers(len(inside))]), width)
        return y + row, x + column

    def some_region(self, rng: np.random.Generator, margin: int) -> tuple[slice, slice]:
        """Choose a marked region, and return rows and columns of the box around it and its margin."""
        x, y, width, height = self._boxes[int(rng.integers(len(self._boxes)))]
        rows = slice(max(0, y - margin), min(self.marked.shape[0], y + height + margin))
        return rows, slice(max(0, x - margin), min(self.marked.shape[1], x + width + margin))

    @cached_property
    def _boxes(self) -> list[tuple[int, int, int, int]]:
        regions = find_regions(self.marked)
        largest = max(region.area for region in regions)
        return [region.box for region in regions if region.area >= _SPECK * largest]


Kept = TypeVar("Kept", MarkedDefect, NDArray[np.uint16])


class KnownImage(NamedTuple):
    """An image of a known defect, as it was given.

    Attributes:
        name: path of the file as given, or the number of an array.
        image: the file or the array.
        mask: where the defect is: (H, W) bool, a file or an annotation; None if nobody says.
    """

    name: str
    image: Picture
    mask: MaskSource | None


class KnownDefects:
    """Images of known defects in the format of a model, read again when memory does not hold them.

    Args:
        images: usable ones, at least one.
        image_format: size, channels and tiles of the working images.
        skipped: images that are not used.
        budget: bytes of decoded images that are kept in memory.

    Attributes:
        names: name of each image.
        marked: indices of the images whose defect is marked by a mask.
        unmarked: indices of the others.
        skipped: images that are not used.
    """

    def __init__(
        self,
        images: Sequence[KnownImage],
        image_format: ImageFormat,
        skipped: Sequence[Finding] = (),
        budget: int = _BUDGET,
    ) -> None:
        self.names = tuple(image.name for image in images)
        self.marked = tuple(i for i, image in enumerate(images) if image.mask is not None)
        self.unmarked = tuple(i for i, image in enumerate(images) if image.mask is None)
        self.skipped = tuple(skipped)
        self._images = tuple(images)
        self._format = image_format
        self._kept: dict[int, MarkedDefect | NDArray[np.uint16]] = {}
        self._free = budget

    def image(self, index: int) -> NDArray[np.uint16]:
        """Return the working image (H, W, C), with 65535 for 1, of an image.

        Raises:
            ImageError: it can no longer be read.
        """
        kept = self._kept.get(index)
        if kept is None:
            kept = self._keep(index, self._format.read(self._images[index].image))
        return kept.pixels if isinstance(kept, MarkedDefect) else kept

    def defect(self, index: int) -> MarkedDefect:
        """Return an image of `marked` with its mask.

        Raises:
            ImageError: it can no longer be read.
        """
        kept = self._kept.get(index)
        if not isinstance(kept, MarkedDefect):
            kept = self._keep(index, read_marked(self._images[index], self._format))
        return kept

    def _keep(self, index: int, read: Kept) -> Kept:
        if index not in self._kept and read.nbytes <= self._free:
            self._kept[index] = read
            self._free -= read.nbytes
        return read

    def fingerprint(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of each image and of what each mask marks, by the name of the image.

        Raises:
            ImageError: a mask can no longer be read.
        """
        return {
            KNOWN_DEFECTS: {image.name: picture_hash(image.image) for image in self._images},
            KNOWN_MASKS: {
                image.name: picture_hash(_mask(image.mask, _size(image.image)).marked)
                for image in self._images
                if image.mask is not None
            },
        }

    def facts(self) -> dict[str, Any]:
        """Return what is used and what is not, for the record of the training."""
        return {
            "with_mask": [self.names[index] for index in self.marked],
            "without_mask": [self.names[index] for index in self.unmarked],
            "skipped": {finding.name: finding.reason for finding in self.skipped},
        }


def read_marked(known: KnownImage, image_format: ImageFormat) -> MarkedDefect:
    """Read an image and its mask.

    Raises:
        ImageError: one of them cannot be read, they do not fit, or the mask marks nothing or looks inverted.
    """
    assert known.mask is not None
    size = _size(known.image)
    mask = _mask(known.mask, size)
    if not mask.marked.any():
        raise ImageError(f"{known.name}: its mask marks no pixel")
    if any(INVERTED in doubt for doubt in mask.doubts):
        raise ImageError(f"{known.name}: {next(doubt for doubt in mask.doubts if INVERTED in doubt)}")
    pixels = image_format.read(known.image)
    marked = mask.marked
    if pixels.shape[:2] != marked.shape:
        share = resize_image(marked[..., None].astype(np.float32), (pixels.shape[0], pixels.shape[1]))[..., 0]
        marked = share >= min(_LEAST, float(share.max()))
    return MarkedDefect(pixels, marked)


def _size(image: Picture) -> tuple[int, int]:
    return probe_image(image).size if isinstance(image, Path) else (image.shape[0], image.shape[1])


def _mask(mask: MaskSource, size: tuple[int, int]) -> Mask:
    if not isinstance(mask, np.ndarray):
        return examine_mask(mask, size)
    if mask.shape != size:
        raise ImageError(f"the mask is {mask.shape[:2]} pixels, its image {size} (height, width)")
    return Mask(mask)
