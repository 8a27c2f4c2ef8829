"""labelme: one JSON file for each annotated image, with the shapes drawn on it."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from excision.data.annotations import values
from excision.data.annotations.shapes import Bitmap, Disc, DrawnMask, Line, Polygon, Shape, box, pack
from excision.data.image_names import IMAGE_SUFFIXES
from excision.data.layouts.annotated import (
    Entry,
    contents,
    is_defect,
    joined_label,
    left_out_note,
    means_good,
    split_named,
    without_masks,
)
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import list_images
from excision.data.records import GOOD, Split
from excision.data.references import Finder, files_below, identity, is_file, name_below
from excision.data.text import head, read_json
from excision.errors import DatasetError

_PEEKED = 50
"""JSON files that are looked at to recognise the layout."""

_LINE_WIDTH = 10.0
_POINT_RADIUS = 5.0
"""Lines and points have no area; labelme's own conversion to masks draws them at these sizes."""

_MOST_LINE_POINTS = 10_000


def _is_labelme(path: Path) -> bool:
    text = head(path, 2**12)
    # The pixels of the image, which may be embedded first, hide what follows.
    return '"shapes"' in text or ('"version"' in text and '"flags"' in text) or '"imageData"' in text


def _recognise(path: Path) -> bool:
    return path.is_dir() and any(map(_is_labelme, islice(files_below(path, [".json"]), _PEEKED)))


@layout(
    "labelme",
    'NAME.json with "shapes" beside NAME.png, as labelme writes them',
    _recognise,
    Precedence.ANNOTATED,
)
def read(root: Path) -> Contents:
    """Read a folder; images without a JSON file are good, or if there is a folder good/, those in it."""
    if not root.is_dir():
        raise DatasetError(f"{root}: the layout labelme reads a folder, in which images and JSON files lie")
    reader = _Reader(root)
    annotated = list(reader.annotated())
    if not (annotated or reader.missing or reader.unclear):
        raise DatasetError(f'{root}: contains no JSON file of labelme, which has a list "shapes"')
    known: set[object] = {
        identity(image) for image in [*(entry.image for entry in annotated), *reader.unclear]
    }
    plain, unknown, notes = _without_json(root, known)
    return contents(
        root, [*annotated, *plain], [*notes, *reader.notes()], [*unknown, *reader.unclear], reader.missing
    )


class _Reader:
    """Reads the JSON files of a folder, and counts what it had to interpret."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._finder = Finder(root, [root])
        self._counts: Counter[str] = Counter()
        self.missing: list[str] = []
        self.unclear: list[Path] = []

    def annotated(self) -> Iterator[Entry]:
        """Give the images that have a JSON file."""
        for file in files_below(self._root, [".json"]):
            if not _is_labelme(file):
                continue
            content = values.mapping(read_json(file), str(file))
            if "shapes" not in content:
                continue
            image = self._image(file, content)
            if image is None:
                self.missing.append(name_below(file, self._root))
                continue
            entry = self._entry(file, image, content)
            if entry is None:
                self.unclear.append(image)
            else:
                yield entry

    def notes(self) -> list[str]:
        """Say what was interpreted or left out."""
        notes = left_out_note(len(self.missing), "JSON files whose images were not found", self.missing)
        notes += left_out_note(
            len(self.unclear),
            "images with a flag but no shape, because their label is unknown",
            [name_below(image, self._root) for image in self.unclear],
        )
        if self._counts["thin"]:
            notes.append(
                f"{self._counts['thin']} lines and points have no area; lines are drawn "
                f"{_LINE_WIDTH:g} pixels wide, points with a radius of {_POINT_RADIUS:g} pixels."
            )
        if self._counts["harmless"]:
            notes.append(f"{self._counts['harmless']} shapes are of classes that mean good or background.")
        return notes

    def _image(self, file: Path, content: dict[str, Any]) -> Path | None:
        """Find the image by the path in the file; without one, by its name beside the file."""
        reference = content.get("imagePath")
        found = None
        if isinstance(reference, str) and reference.strip():
            found = self._finder.find(reference, str(file), first=[file.parent])
        if found is not None and found.stem == file.stem:
            return found
        spellings = [ending for suffix in sorted(IMAGE_SUFFIXES) for ending in (suffix, suffix.upper())]
        beside = next(filter(is_file, map(file.with_suffix, spellings)), None)
        if found is not None and beside is not None:
            raise DatasetError(
                f"{file}: lies beside {beside.name}, but names {found.name} as its image; correct imagePath"
            )
        return found or beside

    def _entry(self, file: Path, image: Path, content: dict[str, Any]) -> Entry | None:
        kinds: list[str] = []
        shapes: list[Shape] = []
        for position, item in enumerate(values.entries(content, "shapes", str(file)), start=1):
            where = f"{file}, shape {position}"
            drawn = values.mapping(item, where)
            kind = values.label_text(drawn.get("label"), where)
            if not is_defect(kind):
                self._counts["harmless"] += 1
                continue
            kinds.append(kind)
            shapes.append(self._shape(drawn, where))
        if not kinds and not _flags_allow_good(content.get("flags")):
            return None
        mask = DrawnMask(str(file), _size(content, str(file)), False, tuple(shapes)) if shapes else None
        return Entry(image, joined_label(kinds), mask, _split(image, self._root), str(file))

    def _shape(self, drawn: dict[str, Any], where: str) -> Shape:
        kind = drawn.get("shape_type") or "polygon"
        points = values.points(values.entries(drawn, "points", where), where)
        if kind in ("polygon", "oriented_rectangle", "rotation") or (
            kind == "rectangle" and len(points) == 4
        ):
            return Polygon(pack(points))
        if kind in ("line", "linestrip", "point"):
            self._counts["thin"] += 1
            if len(points) > _MOST_LINE_POINTS:
                raise DatasetError(f"{where}: a line has more than {_MOST_LINE_POINTS} points; simplify it")
            if kind in ("line", "linestrip"):
                return Line(pack(points), _LINE_WIDTH)
            _need(points, 1, kind, where)
            return Disc(float(points[0, 0]), float(points[0, 1]), _POINT_RADIUS)
        if kind not in ("rectangle", "circle", "mask"):
            raise DatasetError(
                f"{where}: the shape type {str(kind)[:40]!r} is unknown; known are polygon, rectangle, "
                "oriented_rectangle, circle, line, linestrip, point and mask"
            )
        _need(points, 2, kind, where)
        (x0, y0), (x1, y1) = points.tolist()
        if kind == "rectangle":
            return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        if kind == "circle":
            return Disc(x0, y0, ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5)
        left, top, right, bottom = (int(value) for value in (x0, y0, x1, y1))
        return Bitmap(_png(drawn.get("mask"), where), top, left, (bottom - top + 1, right - left + 1))


def _need(points: Any, count: int, kind: str, where: str) -> None:
    if len(points) != count:
        raise DatasetError(f"{where}: a {kind} needs {count} points, but has {len(points)}")


def _png(given: Any, where: str) -> bytes:
    if not isinstance(given, str):
        raise DatasetError(f"{where}: a shape of type mask has no mask")
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DatasetError(f"{where}: the mask is not text in base64 ({error})") from error


def _flags_allow_good(flags: Any) -> bool:
    """Tell whether the flags of an image without shapes leave it good: none is set, or one such as "ok"."""
    names = [name for name, value in flags.items() if value] if isinstance(flags, dict) else []
    return not names or all(map(means_good, names))


def _size(content: dict[str, Any], where: str) -> tuple[int, int] | None:
    if content.get("imageHeight") is None or content.get("imageWidth") is None:
        return None
    return values.whole(content["imageHeight"], where), values.whole(content["imageWidth"], where)


def _folders(image: Path, root: Path) -> tuple[str, ...]:
    """Give the names of the folders between the root and an image, the outermost first."""
    return Path(name_below(image.parent, root)).parts if image.parent != root else ()


def _split(image: Path, root: Path) -> Split | None:
    return split_named(*_folders(image, root))


def _without_json(root: Path, known: set[object]) -> tuple[list[Entry], list[Path], list[str]]:
    """Take the images without a JSON file as good; only those in good/ if there is such a folder.

    Returns:
        The good images, the others, and notes on both.
    """
    others = [image for image in list_images(root).images if identity(image) not in known]
    others, notes = without_masks(root, others)
    in_good = [i for i in others if any(map(means_good, _folders(i, root)))]
    taken = in_good or others
    good = set(taken)
    unknown = [image for image in others if image not in good]
    entries = [Entry(image, GOOD, None, _split(image, root), str(image)) for image in taken]
    if taken:
        notes.append(f"{len(taken)} images without a JSON file are taken as good.")
    what = "images outside of the folder of good ones that have no JSON file, because their label is unknown"
    names = [name_below(image, root) for image in unknown]
    return entries, unknown, notes + left_out_note(len(unknown), what, names)
