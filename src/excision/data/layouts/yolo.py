"""YOLO: `images/train/1.png` with `labels/train/1.txt`, and a YAML file that names folders and classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from excision.data.annotations import values
from excision.data.annotations.shapes import DrawnMask, Polygon, Shape, box, pack
from excision.data.layouts.annotated import (
    Entry,
    contents,
    is_defect,
    joined_label,
    left_out_note,
    without_masks,
)
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.layouts.yolo_folders import Folders, find_folders, is_yolo
from excision.data.references import files_below, is_file, name_below
from excision.data.text import read_text
from excision.errors import DatasetError

_MOST_LABEL_BYTES = 2**25

_LABELS = {"images": "labels", "Images": "Labels", "IMAGES": "LABELS"}

_TOLERANCE = 0.01
"""Coordinates may leave the image by this share of its side; they are clipped."""


@layout(
    "yolo",
    "images/ with labels/ of text files, or the YAML file of a YOLO data set (data.yaml)",
    is_yolo,
    Precedence.ANNOTATED,
)
def read(path: Path) -> Contents:
    """Read a YOLO data set; images whose text file is empty or missing are good."""
    folders = find_folders(path)
    reader = _Reader(folders)
    entries = list(reader.entries())
    return contents(folders.root, entries, [*folders.notes, *reader.notes()], missing=folders.missing)


class _Reader:
    """Reads the text files, and counts what it had to interpret."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._counts: Counter[str] = Counter()
        self._used: set[Path] = set()
        self._without: list[str] = []
        images, self._notes = without_masks(folders.root, [image for image, _ in folders.images])
        self._images = frozenset(images)

    def entries(self) -> Iterator[Entry]:
        """Give all images.

        Raises:
            DatasetError: no image has a text file, so that all would be good.
        """
        for image, split in self._folders.images:
            file = label_file(image)
            if not is_file(file) and image not in self._images:
                continue
            name = name_below(image, self._folders.root)
            if not is_file(file):
                self._without.append(name)
                yield Entry(image, "good", None, split, f"{self._folders.source}, image {name}")
                continue
            self._used.add(file)
            shapes, kinds = self._shapes(file)
            mask = DrawnMask(str(file), None, True, tuple(shapes)) if shapes else None
            yield Entry(image, joined_label(kinds), mask, split, f"{self._folders.source}, image {name}")
        if not self._used:
            raise DatasetError(
                f"{self._folders.source}: no image has a text file of labels. They are looked for in labels/ "
                "beside images/, such as labels/train/1.txt for images/train/1.png"
            )

    def notes(self) -> list[str]:
        """Say what was interpreted or left out."""
        notes = [*self._notes]
        if self._without:
            notes.append(f"{len(self._without)} images without a text file of labels are taken as good.")
        if self._counts["boxes"]:
            notes.append(f"{self._counts['boxes']} labels are boxes; the whole box counts as defect.")
        if self._counts["harmless"]:
            notes.append(f"{self._counts['harmless']} labels are of classes that mean good or background.")
        stray = [
            name_below(file, self._folders.root)
            for folder in sorted({file.parent for file in self._used})
            for file in files_below(folder, [".txt"])
            if file not in self._used
            and file.name != "classes.txt"
            and read_text(file, _MOST_LABEL_BYTES).strip()
        ]
        return notes + left_out_note(len(set(stray)), "text files of labels that belong to no image", stray)

    def _shapes(self, file: Path) -> tuple[list[Shape], list[str]]:
        shapes: list[Shape] = []
        kinds: list[str] = []
        for position, line in enumerate(read_text(file, _MOST_LABEL_BYTES).splitlines(), start=1):
            words = line.split()
            if words:
                where = f"{file}, line {position}"
                kind = self._kind(words[0], where)
                shape = self._shape(words[1:], where)
                if is_defect(kind):
                    shapes.append(shape)
                    kinds.append(kind)
                else:
                    self._counts["harmless"] += 1
        return shapes, kinds

    def _kind(self, word: str, where: str) -> str:
        if not (word.isascii() and word.isdigit()) or len(word) > 6:
            raise DatasetError(f"{where}: {word[:40]!r} is not the number of a class")
        names = self._folders.classes
        if names and int(word) not in names:
            raise DatasetError(
                f"{where}: the class {word} is not among the {len(names)} names in {self._folders.source}"
            )
        return names.get(int(word), f"class {int(word)}")

    def _shape(self, words: list[str], where: str) -> Shape:
        if len(words) != 4 and (len(words) < 6 or len(words) % 2):
            raise DatasetError(
                f"{where}: {len(words)} numbers follow the class; a box has 4, a polygon pairs of x and y, "
                "at least 3. Confidences and key points are not read"
            )
        numbers = [_number(word, where) for word in words]
        if len(numbers) > 4:
            return Polygon(pack(values.points(list(numbers), where)))
        x, y, width, height = numbers
        if min(width, height) < 0:
            raise DatasetError(f"{where}: the box has a negative width or height")
        self._counts["boxes"] += 1
        return box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def label_file(image: Path) -> Path:
    """Give the text file of an image: in `labels/` for the last folder `images/`, otherwise beside it."""
    parts = list(image.parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] in _LABELS:
            parts[place] = _LABELS[parts[place]]
            break
    return Path(*parts).with_suffix(".txt")


def _number(word: str, where: str) -> float:
    try:
        found = float(word)
    except ValueError:
        raise DatasetError(f"{where}: {word[:40]!r} is not a number") from None
    if not -_TOLERANCE <= found <= 1 + _TOLERANCE:
        raise DatasetError(
            f"{where}: {word[:40]} is outside of 0 to 1; coordinates are shares of the image's width and "
            "height, not pixels"
        )
    return float(np.clip(found, 0, 1))
