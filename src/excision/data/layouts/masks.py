"""Finding the mask that belongs to an image by its name."""

from __future__ import annotations

from pathlib import Path

from excision.data.listing import list_images


def masks_below(folder: Path) -> dict[str, Path]:
    """Index the masks below a folder by their path within it, without the ending and without `_mask`.

    `bent/000_mask.png` and `bent/000.png` are both found as `bent/000`; the first takes precedence.
    """
    index: dict[str, Path] = {}
    for path in list_images(folder).images:
        # Sorted by name, so that NAME_mask.png comes after NAME.png and replaces it.
        key = path.relative_to(folder).with_suffix("").as_posix().removesuffix("_mask")
        index[key] = path
    return index
