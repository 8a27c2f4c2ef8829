"""The manifest of Lookout for Vision, in the form of SageMaker Ground Truth: one JSON object a line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from excision.data.annotations import values
from excision.data.annotations.colours import ColouredMask
from excision.data.layouts.annotated import (
    Entry,
    gathered,
    joined_label,
    left_out_note,
    means_good,
    split_named,
)
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import subfolders
from excision.data.records import GOOD
from excision.data.references import Finder, files_below, files_in, identity, name_below
from excision.data.text import head, parse_json, read_text
from excision.errors import DatasetError, ImageError
from excision.system.names import printable

_SUFFIXES = (".jsonl", ".json", ".ndjson")
_SOURCE = re.compile(r'\s*\{[^{}]*"source-ref"\s*:')
_LINE_END = re.compile(r"\r\n|\n|\r")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_WHITE = 0xFFFFFF
_META = "-metadata"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if _SOURCE.match(head(path)) else []
    # The service kept its own manifests in folders of folders, train/.../manifests/output/output.manifest.
    found = set(files_below(path, [".manifest"]))
    found |= {file for folder in (path, *subfolders(path)) for file in files_in(folder, _SUFFIXES)}
    return [file for file in sorted(found) if _SOURCE.match(head(file))]


@layout(
    "lookout",
    'a manifest of Lookout for Vision or SageMaker Ground Truth: "source-ref" in each line',
    lambda path: bool(_files(path)),
    Precedence.ANNOTATED,
)
def read(path: Path) -> Contents:
    """Read all manifests of a folder together; addresses in S3 mean the local files whose paths end alike."""
    files = _files(path)
    if not files:
        raise DatasetError(
            f'{path}: contains no manifest, which has a JSON object with "source-ref" in each line'
        )
    root = path.parent if path.is_file() else path
    readers = [_Reader(file, root) for file in files]
    entries = [entry for reader in readers for entry in reader.entries()]
    notes = [f"Read from {', '.join(name_below(file, root) for file in files)}."]
    masks = [Entry(e.mask.path, GOOD, None, None, "") for e in entries if isinstance(e.mask, ColouredMask)]
    masks += [Entry(path, GOOD, None, None, "") for reader in readers for path in reader.empty_masks]
    return gathered(path, root, readers, entries, notes, masks)


class _Reader:
    """Reads one manifest, and counts what it had to interpret."""

    def __init__(self, file: Path, root: Path) -> None:
        self._file = file
        self._name = name_below(file, root)
        # The name of the data set's own folder says nothing about a split.
        self._split = split_named(file.stem, *reversed(Path(self._name).parts[:-1]))
        self._finder = Finder(root, [file.parent, root, root.parent])
        self._counts: Counter[str] = Counter()
        self.missing: list[str] = []
        self._maskless: list[str] = []
        self.empty_masks: list[Path] = []

    def entries(self) -> Iterator[Entry]:
        """Give the images whose files are there."""
        # Text in JSON may hold other characters that end a line elsewhere.
        lines = _LINE_END.split(read_text(self._file))
        for position, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{self._file}, line {position}"
                item = values.mapping(parse_json(line, where), where)
                reference = item.get("source-ref")
                if not isinstance(reference, str):
                    raise DatasetError(f'{where}: has no "source-ref", the address of an image')
                image = self._finder.find(reference, where)
                if image is None:
                    self.missing.append(reference)
                else:
                    yield self._entry(image, item, where)

    def notes(self) -> list[str]:
        """Say what was interpreted or left out."""
        name = self._name
        notes = left_out_note(len(self.missing), f"images of {name} whose files were not found", self.missing)
        if self._maskless:
            example = printable(self._maskless[0][:200])
            notes.append(
                f"{name}: {len(self._maskless)} masks were not found, such as {example}; "
                "these images have no mask."
            )
        if self._counts["contrary"]:
            notes.append(
                f"{name}: {self._counts['contrary']} labels contradict the class name, which counts."
            )
        return notes

    def _entry(self, image: Path, item: dict[str, Any], where: str) -> Entry:
        kind = self._kind(item, where)
        attribute = _mask_attribute(item)
        mask = self._mask(attribute, image, item, where) if attribute else None
        if kind == GOOD:
            self.empty_masks += [mask.path] if mask else []
            return Entry(image, GOOD, None, self._split, where)
        if mask is not None:
            kind = _kinds_of(mask, where) or kind
        return Entry(image, kind, mask, self._split, where)

    def _kind(self, item: dict[str, Any], where: str) -> str:
        """Give "good" or the class of the image; the class name counts before the number."""
        attribute = _label_attribute(item)
        if attribute is None:
            raise DatasetError(
                f'{where}: has no label: "anomaly-label" with "anomaly-label{_META}"; "class-name" in '
                "the latter is normal or anomaly"
            )
        meta = item.get(attribute + _META)
        given = meta.get("class-name") if isinstance(meta, dict) else None
        value = item.get(attribute)
        if given is None:
            if value not in (0, 1, "0", "1"):
                raise DatasetError(
                    f"{where}: the label {str(value)[:40]!r} is neither 0 (normal) nor 1 (anomaly)"
                )
            return GOOD if value in (0, "0") else "anomaly"
        name = values.label_text(given, where)
        kind = GOOD if means_good(name) else name
        if value in (0, 1) and (value == 0) != (kind == GOOD):
            self._counts["contrary"] += 1
        return kind

    def _mask(self, attribute: str, image: Path, item: dict[str, Any], where: str) -> ColouredMask | None:
        reference = item[attribute]
        if not isinstance(reference, str):
            raise DatasetError(f'{where}: "{attribute}" is not the address of a mask')
        # A mask often has the name of its image, so the name of the file alone proves nothing.
        path = self._finder.find(reference, where, fewest=2)
        if path is None or identity(path) == identity(image):
            self._maskless.append(reference)
            return None
        meta = item.get(attribute + _META)
        colour_map = meta.get("internal-color-map") if isinstance(meta, dict) else None
        return _coloured(path, colour_map, f'{where}, "internal-color-map"')


def _label_attribute(item: dict[str, Any]) -> str | None:
    """Give the attribute that holds the label of the image; Ground Truth names it after the labelling job."""
    if "anomaly-label" in item:
        return "anomaly-label"
    found = [
        key.removesuffix(_META)
        for key, value in item.items()
        if key.endswith(_META) and isinstance(value, dict) and "class-name" in value
    ]
    return found[0] if len(found) == 1 else None


def _mask_attribute(item: dict[str, Any]) -> str | None:
    found = [key for key in item if key.endswith("-ref") and key != "source-ref"]
    return "anomaly-mask-ref" if "anomaly-mask-ref" in found else found[0] if len(found) == 1 else None


def _coloured(path: Path, colour_map: Any, where: str) -> ColouredMask:
    """Read the map from the colours of a mask to classes; the background is white if the map does not say."""
    background: set[int] = set()
    classes: dict[int, str] = {}
    for entry in values.mapping(colour_map, where).values():
        known = values.mapping(entry, where)
        name, colour = values.label_text(known.get("class-name"), where), known.get("hex-color")
        if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
            raise DatasetError(f'{where}: the class "{name}" has no "hex-color" such as #2ca02c')
        number = int(colour[1:], 16)
        if name.upper() == "BACKGROUND":
            background.add(number)
        elif classes.setdefault(number, name) != name:
            raise DatasetError(f'{where}: the classes "{classes[number]}" and "{name}" have the same colour')
    if not background and _WHITE not in classes:
        background.add(_WHITE)
    if background & set(classes):
        raise DatasetError(f"{where}: a class has the colour of the background")
    return ColouredMask(path, frozenset(background), tuple(sorted(classes.items())))


def _kinds_of(mask: ColouredMask, where: str) -> str:
    """Give the label by the classes in the mask; a map of one class needs no look at the pixels."""
    names = {name for _, name in mask.classes}
    if len(names) == 1:
        return names.pop()
    try:
        found = mask.kinds()
    except ImageError as error:
        raise DatasetError(f"{where}: {error}") from error
    return joined_label(found) if found else ""
