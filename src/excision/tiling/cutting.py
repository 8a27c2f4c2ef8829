"""Cuts training tiles out of large normal images at full resolution."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data.images import any_full_image
from excision.system.files import atomic_path

MOST_TILES = 1024
"""Number of training tiles, divided evenly among the images; each image contributes at least one."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The position of a training tile.

    Attributes:
        source: name of the image it is cut from.
        origin: (y, x) of its first pixel.
    """

    source: str
    origin: tuple[int, int]

    @property
    def name(self) -> str:
        """Name of the tile for messages."""
        return f"{self.source} at row {self.origin[0]}, column {self.origin[1]}"


def choose_tiles(sizes: Mapping[str, tuple[int, int]], tile: tuple[int, int], seed: int) -> tuple[Tile, ...]:
    """Choose the positions of the training tiles.

    An image contributes at most as many tiles as cover it once. They are spread over the image, each at a
    random position within its share of it, so that they do not align with a regular pattern of the product; a
    tile that would extend beyond the image is moved to its border, about as often as in an inspection. The
    tiles of an image depend only on the seed, its name, its size and the number of images.

    Args:
        sizes: (H, W) of each image by name, each at least as large as a tile.
        tile: (H, W).
        seed: seed of the random positions.
    """
    most = max(1, MOST_TILES // max(len(sizes), 1))
    return tuple(
        Tile(name, origin)
        for name, size in sizes.items()
        for origin in _origins(name, size, tile, most, seed)
    )


def _origins(
    name: str, size: tuple[int, int], tile: tuple[int, int], most: int, seed: int
) -> list[tuple[int, int]]:
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    rows, columns = (-(-full // side) for full, side in zip(size, tile, strict=True))
    chosen = np.sort(rng.permutation(rows * columns)[:most])
    # The centre of the tile is anywhere in its share of the image.
    places = np.stack(np.divmod(chosen, columns), axis=1) + rng.random((len(chosen), 2))
    shares, sides, full = np.array((rows, columns)), np.array(tile), np.array(size)
    corners = np.rint(places / shares * full - sides / 2).astype(int).clip(0, full - sides)
    # Two tiles at a border may coincide.
    return sorted({(int(top), int(left)) for top, left in corners})


def cut_tiles(
    picture: NDArray[Any] | Path,
    origins: Mapping[Path, tuple[int, int]],
    tile: tuple[int, int],
    channels: int,
) -> None:
    """Cut tiles out of one image and write each to a file, unless the file exists.

    The image is decoded at most once, and interrupted cutting continues where it stopped.

    Args:
        picture: a path, or an array that `any_full_image` accepts.
        origins: maps the TIFF file of each tile to its origin (y, x).
        tile: (H, W).
        channels: 1 or 3.

    Raises:
        ImageError: the image cannot be read.
    """
    import tifffile

    missing = {path: origin for path, origin in origins.items() if not path.is_file()}
    if not missing:
        return
    full = any_full_image(picture, channels)
    for path, (top, left) in missing.items():
        pixels = np.ascontiguousarray(full[top : top + tile[0], left : left + tile[1]])
        with atomic_path(path) as temporary:
            tifffile.imwrite(temporary, pixels, photometric="rgb" if channels == 3 else "minisblack")
