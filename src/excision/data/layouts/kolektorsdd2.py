"""KolektorSDD2: `train/10000.png` with `train/10000_GT.png`, and the same in `test/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from excision.data.layouts.registry import Contents, layout, orphans
from excision.data.listing import image_files, own_subfolders, passed_over
from excision.data.masks import marks_defect
from excision.data.records import GOOD, Sample, UnusedMask
from excision.errors import ImageError

_IMAGE = re.compile(r"^\d+\.png$", re.IGNORECASE)
_MASK = re.compile(r"^\d+_GT\.png$", re.IGNORECASE)
_MASK_ENDING = "_gt"
_SPLITS: tuple[Literal["train", "test"], ...] = ("train", "test")


def _recognise(path: Path) -> bool:
    return any(_MASK.match(image.name) for split in _SPLITS for image in image_files(path / split))


@layout("kolektorsdd2", "train/10000.png with train/10000_GT.png, and the same in test/", _recognise)
def read(root: Path) -> Contents:
    """Read both splits; an image is defective if its mask has a pixel that is not zero.

    The unsupervised protocol: defective training images are returned as such and are not used for training.
    """
    samples: list[Sample] = []
    notes: list[str] = passed_over(own_subfolders(root), root)
    unused: list[UnusedMask] = []
    left_out: list[Path] = []
    for split in _SPLITS:
        images = image_files(root / split)
        masks = {image.stem.lower(): image for image in images if _MASK.match(image.name)}
        # The masks of stray copies, such as "10301 (copy)_GT.png", are strays too.
        strays = [path for path in images if not _IMAGE.match(path.name) and not _MASK.match(path.name)]
        if strays:
            named = ", ".join(path.name for path in strays[:4])
            notes.append(f"Left out {len(strays)} stray files in {split}/: {named}.")
            left_out += [path for path in strays if not path.stem.lower().endswith(_MASK_ENDING)]
        for image in images:
            if _IMAGE.match(image.name):
                mask = masks.pop(f"{image.stem}{_MASK_ENDING}", None)
                try:
                    samples.append(_sample(root, image, mask, split))
                except ImageError as error:
                    notes.append(f"Left out {split}/{image.name}, whose label is unknown: {error}")
                    left_out.append(image)
        unused += orphans(root, masks.values())
    return Contents(root, samples, notes, unused, left_out)


def _sample(root: Path, image: Path, mask: Path | None, split: Literal["train", "test"]) -> Sample:
    if mask is None:
        raise ImageError(f"{image.stem}_GT{image.suffix} is missing")
    defective = marks_defect(mask)
    name = image.relative_to(root).as_posix()
    return Sample(name, image, split, "defect" if defective else GOOD, mask if defective else None, name)
