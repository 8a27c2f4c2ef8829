"""Golden images, and their file, which may be damaged or forged: sizes are checked before memory is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.system.files import atomic_path
from excision.tiling.image_format import MOST_PIXELS

if TYPE_CHECKING:
    import zipfile

GOLDEN = "golden.npz"
"""Name of the file in an exported folder."""

_MOST_IMAGES = 64
_MOST_VALUES = 3 * MOST_PIXELS
"""Most values of an array, so that the file takes at most 1.2 GiB of memory."""

_LONGEST_HEADER = 10_000  # bytes; numpy reads no longer one either
_KINDS: dict[str, tuple[np.dtype[Any], int]] = {
    "images": (np.dtype(np.uint16), 4),
    "scores": (np.dtype(np.float64), 1),
    "maps": (np.dtype(np.float32), 3),
}
"""Type and number of dimensions of each array."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden images, and the scores and anomaly maps that torch computed for them.

    Attributes:
        images: (N, H, W, C) uint16, working images.
        scores: (N,) float64.
        maps: (N, H, W) float32.
    """

    images: NDArray[np.uint16]
    scores: NDArray[np.float64]
    maps: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write `golden.npz`."""
        with atomic_path(folder / GOLDEN) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, images=self.images, scores=self.scores, maps=self.maps)

    @classmethod
    def load(cls, folder: Path) -> Golden:
        """Read `golden.npz`.

        Raises:
            ModelError: the file is missing or damaged, or holds other arrays than these.
        """
        return cls(*read_golden(folder / GOLDEN))


def read_golden(path: Path) -> tuple[NDArray[np.uint16], NDArray[np.float64], NDArray[np.float32]]:
    """Read the images (N, H, W, C), the scores (N,) and the maps (N, H, W).

    Raises:
        ModelError: the file is missing or damaged, an array is missing or has another type or shape, or a
            score or map is not finite.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            _check_names(archive)
            _check_shapes({name: _shape(archive, name) for name in _KINDS})
            images, scores, maps = (_array(archive, name) for name in _KINDS)
    except Exception as error:
        # A damaged archive can raise many types of error.
        raise ModelError(f"{path}: these are not golden images: {error}") from error
    if not (np.isfinite(scores).all() and np.isfinite(maps).all()):
        raise ModelError(f"{path}: these are not golden images: a score or an anomaly map is not finite")
    return images, scores, maps


def _check_names(archive: zipfile.ZipFile) -> None:
    names = [entry.filename for entry in archive.infolist()]
    if sorted(names) != sorted(f"{name}.npy" for name in _KINDS):
        raise ValueError(f"the archive must hold {', '.join(_KINDS)} and nothing else")


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Read the shape of an array, and compare it with the size of its entry in the archive."""
    from numpy.lib import format as npy

    wanted, dimensions = _KINDS[name]
    with archive.open(f"{name}.npy") as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} has version {version} of the format of arrays")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream, max_header_size=_LONGEST_HEADER)
        start = stream.tell()
    if dtype != wanted or len(shape) != dimensions:
        raise ValueError(f"{name} has {len(shape)} dimensions of {dtype}")
    values = math.prod(shape)
    if min(shape) < 1 or shape[0] > _MOST_IMAGES or values > _MOST_VALUES:
        raise ValueError(f"{name} has the shape {shape}")
    stored = archive.getinfo(f"{name}.npy").file_size - start
    if stored != values * wanted.itemsize:
        raise ValueError(f"{name} has {stored} bytes, and its shape needs {values * wanted.itemsize}")
    return shape


def _check_shapes(shapes: dict[str, tuple[int, ...]]) -> None:
    count, *size, channels = shapes["images"]
    if shapes["scores"] != (count,) or shapes["maps"] != (count, *size) or channels not in (1, 3):
        raise ValueError("images, scores and maps differ in shape: " + ", ".join(map(str, shapes.values())))


def _array(archive: zipfile.ZipFile, name: str) -> Any:
    from numpy.lib import format as npy

    with archive.open(f"{name}.npy") as stream:
        found = npy.read_array(stream, allow_pickle=False, max_header_size=_LONGEST_HEADER)
        if stream.read(1):
            raise ValueError(f"{name} is longer than its header says")
    return found
