"""COCO JSON: one file that lists images, categories and the regions of each image."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from excision.data.annotations import values
from excision.data.annotations.shapes import DrawnMask, Polygon, RunLengths, Shape, box, pack
from excision.data.layouts.annotated import (
    Entry,
    gathered,
    is_defect,
    joined_label,
    left_out_note,
    split_named,
)
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import image_files, subfolders
from excision.data.records import Split
from excision.data.references import Finder, files_in, name_below
from excision.data.text import head, read_json
from excision.errors import DatasetError

_FIRST_KEY = re.compile(r'\s*\{\s*"(?:info|licenses|images|annotations|categories|type)"\s*:')
_LIST = re.compile(r'"(?:images|annotations|categories)"\s*:\s*\[')
_IMAGE = re.compile(r'\s*\{.*?"images"\s*:\s*\[\s*\{.{,2000}?"file_name"\s*:', re.DOTALL)
_HEAD = 2**16


def _is_coco(path: Path) -> bool:
    """Tell whether a file is COCO JSON, in any order of its lists; a long one may hide the others."""
    text = head(path, _HEAD)
    if _IMAGE.match(text):
        return True
    listed = bool(_FIRST_KEY.match(text)) and bool(_LIST.search(text))
    return listed and ('"images"' in text or '"annotations"' in text or path.stat().st_size > _HEAD)


def _files(path: Path) -> list[Path]:
    """Give the annotation files: the file itself, or those in a folder and in the folders directly in it."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and _is_coco(path) else []
    return [f for folder in (path, *subfolders(path)) for f in files_in(folder, [".json"]) if _is_coco(f)]


def _root(path: Path) -> Path:
    """Give the folder of the data set, whichever of its parts was named."""
    folder = path.parent if path.is_file() else path
    return folder.parent if folder.name.lower() == "annotations" and not image_files(folder) else folder


@layout(
    "coco",
    "a COCO file (instances_train.json, _annotations.coco.json) beside its images, or that file",
    lambda path: bool(_files(path)),
    Precedence.ANNOTATED,
)
def read(path: Path) -> Contents:
    """Read all COCO files of a folder together; those named `instances_` alone if there are such."""
    files = _files(path)
    if not files:
        raise DatasetError(
            f'{path}: contains no COCO file, which is JSON with the lists "images" and "annotations"'
        )
    instances = [file for file in files if file.name.lower().startswith("instances_")]
    used = instances or files
    root = _root(path)
    shown = ", ".join(name_below(file, root) for file in used)
    notes = [f"Read from {shown}; images without a region are good."]
    passed = [file.name for file in files if file not in used]
    if passed:
        notes.append(f"Passed over {', '.join(passed)}: only files named instances_ hold regions.")
    readers = [_Reader(file, root) for file in used]
    entries = [entry for reader in readers for entry in reader.entries()]
    return gathered(path, root, readers, entries, notes)


class _Reader:
    """Reads one file, and counts what it had to interpret."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        # The name of the data set's own folder says nothing about a split.
        folder = "" if file.parent == root else file.parent.name
        self._split: Split | None = split_named(file.stem, folder)
        self._finder = Finder(root, _folders(file))
        self.missing: list[str] = []
        self._counts: Counter[str] = Counter()

    def entries(self) -> Iterator[Entry]:
        """Give the images whose files are there."""
        content = values.mapping(read_json(self._file), str(self._file))
        if not isinstance(content.get("images"), list):
            raise DatasetError(f'{self._file}: has no list "images", so it is not a COCO file')
        names = self._categories(content)
        regions = self._regions(content)
        seen: set[object] = set()
        for position, item in enumerate(content["images"], start=1):
            where = f"{self._file}, image {position}"
            image = values.mapping(item, where)
            key = _key(image.get("id"), where)
            if key in seen:
                raise DatasetError(f'{where}: another image has the id "{key}" too')
            seen.add(key)
            entry = self._entry(image, regions.pop(key, []), names, where)
            if entry is not None:
                yield entry
        self._counts["lost"] = sum(len(found) for found in regions.values())

    def notes(self) -> list[str]:
        """Say what was interpreted or left out."""
        name, count = self._file.name, self._counts
        notes = left_out_note(len(self.missing), f"images of {name} whose files were not found", self.missing)
        if count["boxes"]:
            notes.append(
                f"{name}: {count['boxes']} annotations have only a box; the whole box counts as defect."
            )
        if count["unmarked"]:
            notes.append(f"{name}: {count['unmarked']} annotations have neither a region nor a box.")
        if count["harmless"]:
            notes.append(
                f"{name}: {count['harmless']} annotations are of classes that mean good or background."
            )
        if count["lost"]:
            notes.append(f"{name}: {count['lost']} annotations belong to no image of the list.")
        return notes

    def _categories(self, content: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for position, item in enumerate(values.entries(content, "categories", str(self._file)), start=1):
            where = f"{self._file}, category {position}"
            category = values.mapping(item, where)
            key, name = _key(category.get("id"), where), values.label_text(category.get("name"), where)
            if found.setdefault(key, name) != name:
                raise DatasetError(f'{where}: the categories "{found[key]}" and "{name}" have the same id')
        return found

    def _regions(self, content: dict[str, Any]) -> dict[str, list[tuple[str, dict[str, Any]]]]:
        """Give the annotations of each image, each with where it stands."""
        found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for position, item in enumerate(values.entries(content, "annotations", str(self._file)), start=1):
            where = f"{self._file}, annotation {position}"
            region = values.mapping(item, where)
            if "id" in region:
                where = f"{where} (id {str(region['id'])[:40]})"
            found[_key(region.get("image_id"), where)].append((where, region))
        return found

    def _entry(
        self,
        image: dict[str, Any],
        regions: list[tuple[str, dict[str, Any]]],
        names: dict[str, str],
        where: str,
    ) -> Entry | None:
        reference = image.get("file_name")
        if not isinstance(reference, str):
            raise DatasetError(f'{where}: has no "file_name"')
        path = self._finder.find(reference, where)
        if path is None:
            self.missing.append(reference)
            return None
        size = _size(image, where)
        shapes: list[Shape] = []
        kinds: list[str] = []
        for place, region in regions:
            kind = _kind(region, names, place)
            if not is_defect(kind):
                self._counts["harmless"] += 1
                continue
            kinds.append(kind)
            shapes += self._shapes(region, size, place)
        mask = DrawnMask(f"{where} ({reference[:200]})", size, False, tuple(shapes)) if shapes else None
        return Entry(path, joined_label(kinds), mask, self._split, where)

    def _shapes(self, region: dict[str, Any], size: tuple[int, int] | None, where: str) -> list[Shape]:
        drawn = region.get("segmentation")
        if isinstance(drawn, dict):
            return [_run_lengths(drawn, size, where)]
        if isinstance(drawn, list):
            polygons = [polygon for polygon in _polygons(drawn, where) if polygon]
            if polygons:
                return [Polygon(pack(values.points(polygon, where))) for polygon in polygons]
        elif drawn:
            raise DatasetError(f"{where}: the segmentation is neither polygons nor run lengths")
        if region.get("bbox"):
            self._counts["boxes"] += 1
            return [_box(region["bbox"], where)]
        self._counts["unmarked"] += 1
        return []


def _folders(file: Path) -> list[Path]:
    """Give the folders that names may begin at: that of the file, `images/`, `train2017/` and the like."""
    near = [file.parent, file.parent / "images"]
    far = [file.parent.parent, file.parent.parent / "images"]
    own = file.stem.lower().removeprefix("instances_")
    plain = own.rstrip("0123456789")
    of_split = [folder / name for folder in (*near, *far) for name in dict.fromkeys((own, plain)) if name]
    return [*near, *of_split, *far]


def _key(value: Any, where: str) -> str:
    """Give an id as text; some tools write the same id as a number here and as text there."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DatasetError(f"{where}: has no id, or one that is neither a whole number nor text")
    return str(value)


def _kind(region: dict[str, Any], names: dict[str, str], where: str) -> str:
    if not names:
        return "defect"
    key = _key(region.get("category_id"), where)
    if key not in names:
        raise DatasetError(f'{where}: the category "{key[:40]}" is not in the list of categories')
    return names[key]


def _size(image: dict[str, Any], where: str) -> tuple[int, int] | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    return values.whole(image["height"], where), values.whole(image["width"], where)


def _polygons(drawn: list[Any], where: str) -> list[list[Any]]:
    """Give the polygons of a segmentation; some tools write a single one without the list around it."""
    if not drawn or not isinstance(drawn[0], list):
        return [drawn]
    if not all(isinstance(polygon, list) for polygon in drawn):
        raise DatasetError(f"{where}: the segmentation is not a list of polygons")
    # A polygon has at least three points, so lists of two numbers are the points of one.
    return [drawn] if len(drawn) > 2 and all(len(polygon) == 2 for polygon in drawn) else drawn


def _box(given: Any, where: str) -> Shape:
    if not isinstance(given, list) or len(given) != 4:
        raise DatasetError(f"{where}: the box is not x, y, width, height")
    (x, y), (width, height) = values.points(given, where)
    if min(width, height) < 0:
        raise DatasetError(f"{where}: the box has a negative width or height")
    return box(x, y, x + width, y + height)


def _run_lengths(given: dict[str, Any], size: tuple[int, int] | None, where: str) -> Shape:
    stated = given.get("size")
    if not isinstance(stated, list) or len(stated) != 2:
        raise DatasetError(f"{where}: the run lengths have no size [height, width]")
    height, width = (values.whole(side, where) for side in stated)
    if size is not None and (height, width) != size:
        raise DatasetError(
            f"{where}: the run lengths are of {width} x {height} pixels, the image of {size[1]} x {size[0]}"
        )
    counts = given.get("counts")
    if isinstance(counts, str):
        return RunLengths(counts.encode("ascii", "replace"), compressed=True)
    if not isinstance(counts, list):
        raise DatasetError(f"{where}: the run lengths have no counts")
    if not all(type(count) is int and 0 <= count < 2**40 for count in counts):
        raise DatasetError(f"{where}: a run length is not a number of pixels")
    return RunLengths(np.array(counts, np.int64).tobytes(), compressed=False)
