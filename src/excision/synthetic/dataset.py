"""The built-in data set: procedural surfaces, a part, and defects, in the layout of MVTec AD.

Image k of a folder depends only on the seed, the folder and k: a larger data set begins with a smaller one.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.records import GOOD
from excision.errors import DatasetError, SettingsError
from excision.progress import Progress
from excision.synthetic.defects import DEFECTS, PART_DEFECTS, Defective, Draw
from excision.synthetic.parts import MACHINED_CONTRAST, machined_part
from excision.synthetic.surfaces import SURFACES, FloatImage, Size
from excision.system.cores import cores
from excision.system.files import remove_leftovers, write_bytes
from excision.system.in_order import in_order


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a data set.

    Attributes:
        draw: draws a good image of a size (H, W).
        defects: draws a defect, by the name of its folder.
        deviation: standard deviation of the brightness of the surface; None for that of the whole image.
    """

    draw: Callable[[np.random.Generator, Size], FloatImage]
    defects: dict[str, Draw]
    deviation: float | None = None

    def add_defect(self, rng: np.random.Generator, image: FloatImage, kind: str) -> Defective:
        """Draw a defect on a good image; give the image, and the mask (H, W) bool."""
        deviation = float(image.std()) if self.deviation is None else self.deviation
        return self.defects[kind](rng, image, deviation)


SUBJECTS = {name: Subject(draw, DEFECTS) for name, draw in SURFACES.items()} | {
    "machined_part": Subject(machined_part, PART_DEFECTS, MACHINED_CONTRAST)
}
"""The subjects: three surfaces, and a part displaced by a few pixels."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """One image to draw: its surface, its folder ("train/good", "test/pit") and its number there."""

    surface: str
    folder: str
    number: int

    def draw(self, seed: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Draw the image, (H, W) uint8, and the mask of its defect with values 0 and 255."""
        kind = self.folder.split("/")[1]
        rng = np.random.default_rng([seed, zlib.crc32(f"{self.surface}/{self.folder}".encode()), self.number])
        subject = SUBJECTS[self.surface]
        image = subject.draw(rng, size)
        if kind == GOOD:
            return _eight_bit(image), None
        image, mask = subject.add_defect(rng, image, kind)
        return _eight_bit(image), mask.astype(np.uint8) * np.uint8(255)


def write_synthetic(
    out: Path,
    *,
    seed: int = 0,
    size: tuple[int, int] = (256, 256),
    train: int = 80,
    test_good: int = 30,
    per_defect: int = 10,
    surfaces: Sequence[str] = tuple(SUBJECTS),
    progress: Progress | None = None,
) -> None:
    """Write the built-in data set; the same arguments give the same bytes.

    Args:
        out: folder for `train/good/`, `test/<kind>/` and `ground_truth/<kind>/` if one surface is given; each
            of several surfaces gets these in a folder of its name.
        seed: another seed gives other images.
        size: (H, W) in pixels, at least 64.
        train: number of normal training images per surface.
        test_good: number of normal test images per surface.
        per_defect: number of test images per surface and kind of defect.
        surfaces: names from `SUBJECTS`.
        progress: called after each image.

    Raises:
        SettingsError: a surface is unknown, the size too small, or a count negative.
        DatasetError: the folder contains other files, which would become part of the data set.
    """
    _check(seed, size, (train, test_good, per_defect), surfaces)
    pictures = list(_pictures(train, test_good, per_defect, surfaces))
    roots = {surface: out / surface if len(surfaces) > 1 else out for surface in surfaces}
    _refuse_other_files(out, [_places(roots[picture.surface], picture) for picture in pictures])

    def write(picture: _Picture) -> None:
        image, mask = picture.draw(seed, size)
        image_path, mask_path = _places(roots[picture.surface], picture)
        write_bytes(image_path, _png(image))
        if mask is not None:
            write_bytes(mask_path, _png(mask))

    for done, _ in enumerate(in_order(write, pictures, cores()), start=1):
        if progress is not None:
            progress(done, len(pictures))


def _pictures(train: int, test_good: int, per_defect: int, surfaces: Sequence[str]) -> Iterator[_Picture]:
    folders = {f"train/{GOOD}": train, f"test/{GOOD}": test_good}
    for surface in surfaces:
        kinds = {f"test/{kind}": per_defect for kind in SUBJECTS[surface].defects}
        for folder, count in (folders | kinds).items():
            for number in range(count):
                yield _Picture(surface, folder, number)


def _places(root: Path, picture: _Picture) -> tuple[Path, Path]:
    """Give the paths of an image and of its mask."""
    kind = picture.folder.split("/")[1]
    name = f"{picture.number:03d}"
    return root / picture.folder / f"{name}.png", root / "ground_truth" / kind / f"{name}_mask.png"


def _check(seed: int, size: tuple[int, int], counts: tuple[int, ...], surfaces: Sequence[str]) -> None:
    unknown = [name for name in surfaces if name not in SUBJECTS]
    if unknown or not surfaces or len(set(surfaces)) < len(surfaces):
        raise SettingsError(
            f"surfaces: give each at most once, from {', '.join(SUBJECTS)}; got {', '.join(surfaces)}"
        )
    if min(size) < 64:
        raise SettingsError(f"size is {size[0]} x {size[1]}: height and width must be at least 64 pixels")
    if min(seed, *counts) < 0:
        raise SettingsError("seed and counts must not be negative")


def _refuse_other_files(out: Path, places: list[tuple[Path, Path]]) -> None:
    """Refuse a folder with other files; a data set, or what was written of one, may be written over."""
    planned = {path for pair in places for path in pair}
    if _other_file(out, planned) is not None:
        remove_leftovers(*planned)
    other = _other_file(out, planned)
    if other is not None:
        raise DatasetError(f"{out}: contains other files ({other.name}); choose an empty folder")


def _other_file(out: Path, planned: set[Path]) -> Path | None:
    return next((path for path in sorted(out.rglob("*")) if path.is_file() and path not in planned), None)


def _eight_bit(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(image * 255).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()
