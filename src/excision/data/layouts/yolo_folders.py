"""Where the images of a YOLO data set lie, and what its classes are called."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from excision.data.annotations import values
from excision.data.layouts.annotated import left_out_note, split_named
from excision.data.listing import list_images, subfolders
from excision.data.records import Split
from excision.data.references import Finder, files_below, files_in, is_file, is_folder, parts_of
from excision.data.text import head, read_text
from excision.data.yaml import read_yaml
from excision.errors import DatasetError

_SUFFIXES = (".yaml", ".yml")
_KEYS = ("train", "val", "test")
_PEEKED = 20


@dataclass(slots=True)
class Folders:
    """What a YOLO data set consists of.

    Attributes:
        root: folder that the names of samples are relative to.
        source: the YAML file, or the folder if there is none, for messages.
        classes: names by number; empty if nothing names them.
        images: every image and its split.
        notes: how the data set was understood.
        missing: images that a list names, but that are not there.
    """

    root: Path
    source: Path
    classes: dict[int, str] = field(default_factory=dict)
    images: list[tuple[Path, Split | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def is_yolo(path: Path) -> bool:
    """Tell whether a path is a YOLO data set: its YAML file, a folder with one, or images/ with labels/."""
    return bool(_yaml_files(path)) or (path.is_dir() and bool(_label_folders(path)))


def find_folders(path: Path) -> Folders:
    """Find the images and class names of a data set.

    Raises:
        DatasetError: the YAML file cannot be used, names no folder that is there, or there are several.
    """
    files = _yaml_files(path)
    if len(files) > 1:
        raise DatasetError(
            f"{path}: contains several YAML files ({', '.join(f.name for f in files)}); name one of them"
        )
    if files:
        return _from_yaml(files[0])
    if not path.is_dir() or not _label_folders(path):
        raise DatasetError(
            f"{path}: contains neither a YAML file that names folders and classes, nor labels/"
        )
    found = Folders(path, path, _class_list(path))
    for holder in (path, *subfolders(path)):
        for image in list_images(holder / "images").images:
            found.images.append((image, split_named(*image.parent.relative_to(path).parts)))
    if not found.classes:
        found.notes.append("No YAML file names the classes; they are called by their numbers.")
    return found


def _is_yolo_yaml(path: Path) -> bool:
    lines = head(path).splitlines()
    keys = {line.partition(":")[0].strip("\"' ") for line in lines if ":" in line}
    return "names" in keys and bool(keys & set(_KEYS))


def _yaml_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in _SUFFIXES and _is_yolo_yaml(path) else []
    return [file for file in files_in(path, _SUFFIXES) if _is_yolo_yaml(file)]


def _label_folders(root: Path) -> list[Path]:
    """Give the folders labels/ beside images/, at the root or in its folders, that hold text files."""
    holders = [root, *subfolders(root)]
    return [
        holder / "labels"
        for holder in holders
        if (holder / "images").is_dir() and any(islice(files_below(holder / "labels", [".txt"]), _PEEKED))
    ]


def _class_list(root: Path) -> dict[int, str]:
    """Read the names from classes.txt, one a line, which some tools write beside the labels."""
    for folder in (root, *_label_folders(root)):
        file = folder / "classes.txt"
        if file.is_file():
            lines = [line for line in read_text(file).splitlines() if line.strip()]
            return {n: values.label_text(line, f"{file}, line {n + 1}") for n, line in enumerate(lines)}
    return {}


def _from_yaml(file: Path) -> Folders:
    content = values.mapping(read_yaml(file), str(file))
    if content.get("kpt_shape") is not None:
        raise DatasetError(f"{file}: is a data set of key points, which mark no defects")
    found = Folders(file.parent, file, _names(content.get("names"), file))
    missing: list[str] = []
    for key in _KEYS:
        for place in _places(content.get(key), f'{file}, "{key}"'):
            images = _images(place, content.get("path"), file, missing, found.missing)
            found.images += [(image, "train" if key == "train" else "test") for image in images]
    found.images = list(dict.fromkeys(found.images))
    found.notes.append(f"Read from {file.name}; images of val and test are for testing.")
    missing += found.missing
    found.notes += left_out_note(
        len(missing), f"folders or images of {file.name} that were not found", missing
    )
    if not found.images:
        raise DatasetError(
            f"{file}: none of the folders or images that it names is there ({', '.join(missing[:5])})"
        )
    return found


def _names(given: Any, file: Path) -> dict[int, str]:
    """Give the names of classes, which are a list, or a mapping from numbers."""
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(given, list):
        pairs = enumerate(given)
    elif isinstance(given, dict):
        pairs = given.items()
    else:
        raise DatasetError(f'{file}: "names" is neither a list nor a mapping from numbers to names')
    found = {}
    for key, name in pairs:
        number = int(key) if isinstance(key, int) or (isinstance(key, str) and key.isdecimal()) else -1
        if number < 0:
            raise DatasetError(f'{file}: "names" has the key {str(key)[:40]!r}, which is not a number')
        found[number] = values.label_text(name, f'{file}, "names"')
    return found


def _places(given: Any, where: str) -> list[str]:
    places = given if isinstance(given, list) else [] if given is None else [given]
    if not all(isinstance(place, str) and place.strip() for place in places):
        raise DatasetError(f"{where}: is not the path of a folder")
    return [str(place) for place in places]


def _images(place: str, base: Any, file: Path, missing: list[str], images: list[str]) -> list[Path]:
    """Give the images of a folder, or of a text file that lists them, and collect those that are missing."""
    where = str(file)
    starts = [file.parent]
    if isinstance(base, str) and base.strip(" ./\\"):
        parts = parts_of(base, where)
        starts += [file.parent.joinpath(*parts[n:]) for n in range(len(parts))]
        starts += [file.parent.parent.joinpath(*parts[n:]) for n in range(len(parts))]
    if isinstance(base, str):
        starts.append(Path(os.path.normpath(file.parent / base)))
    if not place.strip().strip("./\\"):
        return list_images(file.parent).images
    if place.lower().endswith(".txt"):
        return _listed(Finder(file.parent, starts), place, where, missing, images)
    parts = parts_of(place, where)
    for n in range(len(parts)):
        for start in starts:
            folder = start.joinpath(*parts[n:])
            if is_folder(folder):
                return list_images(folder).images
    if Path(place).is_absolute() and is_folder(Path(place)):
        return list_images(Path(place)).images
    missing.append(place)
    return []


def _listed(finder: Finder, place: str, where: str, missing: list[str], images: list[str]) -> list[Path]:
    lists = finder.find(place, where)
    if lists is None:
        missing.append(place)
        return []
    found = []
    for position, line in enumerate(read_text(lists).splitlines(), start=1):
        if line.strip():
            image = finder.find(line, f"{lists}, line {position}", first=[lists.parent])
            if image is None and Path(line.strip()).is_absolute() and is_file(Path(line.strip())):
                image = Path(line.strip())
            if image is None:
                images.append(line.strip())
            else:
                found.append(image)
    return found
