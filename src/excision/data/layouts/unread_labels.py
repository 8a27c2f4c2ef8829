"""Labels that no layout reads: without them, every image of a plain folder would count as good."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from excision.data.listing import Listing, list_images, relative_name, subfolders
from excision.data.references import files_in
from excision.data.text import head
from excision.errors import DatasetError

_WORKBOOK = ".xlsx"
_WORKBOOK_TEXTS = ("xl/sharedStrings.xml", "xl/worksheets/sheet1.xml")
_TABLES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".xml",
    ".yaml",
    ".yml",
    ".manifest",
    _WORKBOOK,
)
_SIDECARS = (".xml", ".json", ".txt")

_MOST_TEXT = 2**20

_NAMES = 50
"""Images whose names are searched in a table, and files beside images that are looked at."""

_LABEL = re.compile(
    r"(?<![a-z])(?:labels?|class(?:es)?|classification|categor(?:y|ies)|defects?|defective|good|not? ?ok|ng"
    r"|ok|anomal(?:y|ies|ous)|split|verdict|annotations?|objects?|bbox|bndbox|polygons?|segmentation|regions?"
    r"|shapes?)(?![a-z])",
    re.IGNORECASE,
)
_DRAWN = re.compile(
    r"<(?:object|bndbox|polygon|box)\b"
    r'|"(?:annotations|objects|regions|shapes|bbox|bboxes|points|polygon|segmentation|labels?|class|category)"'
    r"\s*:",
    re.IGNORECASE,
)
_OF_IMAGES = re.compile(r'"image_id"\s*:')
_NUMBER = re.compile(r"-?\d*\.?\d+(?:e-?\d+)?", re.IGNORECASE)


def refuse_unread_labels(root: Path) -> None:
    """Refuse a folder of images alone that holds labels or annotations in a form that no layout reads.

    Raises:
        DatasetError: a table names some of the images and speaks of labels, or annotations lie beside them.
    """
    found = find_unread_labels(root, list_images(root))
    if found is not None:
        table = "If it is a table of images and labels, name it instead of the folder. "
        table = table if found.suffix.lower() == ".csv" else ""
        raise DatasetError(
            f"{root}: every image would count as good, but {relative_name(found, root)} seems to say what "
            f"they are, in a form that is not read. {table}Give labels as a CSV file with the columns "
            "image,split,label,mask, move the good images into good/, or, if all of them are good, write "
            "--layout folder or move that file elsewhere"
        )


def find_unread_labels(root: Path, listing: Listing) -> Path | None:
    """Give a file in a folder that seems to say what its images are, in a form that no layout reads.

    Args:
        root: the folder.
        listing: the files below it.
    """
    endings = [suffix for suffix in _SIDECARS if suffix in listing.ignored]
    return next(_tables(root, listing.images), None) or next(_sidecars(listing.images, endings), None)


def _tables(root: Path, images: Sequence[Path]) -> Iterator[Path]:
    """Give the text files at the top that name images and speak of labels."""
    step = max(1, len(images) // _NAMES)
    # JSON may write letters beyond ASCII as escapes.
    names = {form for path in images[::step] for form in (path.name, json.dumps(path.name)[1:-1])}
    if not names:
        return
    named = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w.-])")
    for folder in (root, *subfolders(root)):
        for file in files_in(folder, _TABLES):
            text = _text(file)
            if (named.search(text) and _LABEL.search(named.sub("", text))) or _OF_IMAGES.search(text):
                yield file


def _text(file: Path) -> str:
    """Give the beginning of a text file, or of the texts in a workbook; empty if it cannot be read."""
    if file.suffix.lower() != _WORKBOOK:
        return head(file)
    texts = []
    try:
        with zipfile.ZipFile(file) as parts:
            for name in set(_WORKBOOK_TEXTS) & set(parts.namelist()):
                with parts.open(name) as stream:
                    texts.append(stream.read(_MOST_TEXT).decode("utf-8", "replace"))
    except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return ""
    return "\n".join(texts)


def _sidecars(images: Sequence[Path], endings: Sequence[str]) -> Iterator[Path]:
    """Give the files beside images that have their names and hold annotations."""
    beside = (image.with_suffix(suffix) for image in images for suffix in endings)
    for file in islice((path for path in beside if path.is_file()), _NAMES):
        text = head(file)
        if _lists_boxes(text) if file.suffix == ".txt" else _DRAWN.search(text):
            yield file


def _lists_boxes(text: str) -> bool:
    """Tell whether each line is the number of a class and at least four coordinates, as YOLO writes them."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    # The last line may be cut.
    rows = rows[:-1] if len(rows) > 1 else rows
    return bool(rows) and all(
        len(row) > 4 and row[0].isdecimal() and all(len(w) < 40 and _NUMBER.fullmatch(w) for w in row)
        for row in rows
    )
