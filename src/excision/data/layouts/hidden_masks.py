"""Masks that are not called so: a folder whose files all look like masks of the images of another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from excision.data import mask_names as names
from excision.data.listing import relative_name
from excision.data.mask_shapes import kind_of_picture
from excision.errors import DatasetError, ImageError

_COMPARED = 50
"""Folders with the names of another one that are compared with it."""


def kind_of(path: Path) -> str:
    """Tell what an image file is, as `kind_of_picture` does; "unreadable" if it cannot be decoded."""
    try:
        return kind_of_picture(path)
    except ImageError:
        return "unreadable"


@dataclass(slots=True)
class _Folder:
    """The images of one folder."""

    stems: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)

    def holds_masks(self) -> bool:
        found = False
        for file in self.files:
            kind = kind_of(file)
            if kind == "picture":
                return False
            found |= kind == "mask"
        return found


def refuse_hidden_masks(root: Path, images: Sequence[Path]) -> None:
    """Refuse a folder of masks that is not called one: all files are masks, named as images elsewhere.

    Raises:
        DatasetError: there is such a folder among those of the images.
    """
    folders: dict[Path, _Folder] = defaultdict(_Folder)
    for image in images:
        for stem in names.stems_of_mask(image.stem):
            folders[image.parent].stems.add(names.folded(stem))
        folders[image.parent].files.append(image)
    having: dict[str, list[_Folder]] = defaultdict(list)
    for folder in folders.values():
        for stem in folder.stems:
            having[stem].append(folder)
    for path, folder in folders.items():
        own = {names.folded(file.stem) for file in folder.files}
        possible = having[next(iter(own))][:_COMPARED]
        partners = [other for other in possible if other is not folder and own <= other.stems]
        if not partners or not folder.holds_masks():
            continue
        partner = next((other for other in partners if kind_of(other.files[0]) == "picture"), None)
        if partner is not None:
            better = relative_name(path.parent / "masks", root)
            raise DatasetError(
                f"{path}: looks like masks of the images in {partner.files[0].parent}: it has their names, "
                f"and every file is nearly black and white. Call it {better}/ "
                "if it holds masks, or list the images in a CSV file if it does not"
            )
