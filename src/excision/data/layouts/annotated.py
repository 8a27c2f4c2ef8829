"""From images with annotations to samples: what all layouts of annotation tools share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from excision.data.annotations.base import Annotation
from excision.data.groups.known import with_groups
from excision.data.layouts.masks import separate
from excision.data.layouts.registry import Contents
from excision.data.listing import list_images
from excision.data.records import GOOD, Sample, Split
from excision.data.references import identity, name_below
from excision.data.splits import with_test_share
from excision.errors import DatasetError
from excision.system.names import printable

_GOOD = (
    "good, normal, nominal, ok, okay, pass, passed, io, i.o., i. o., in ordnung, gut, gutteil, "
    "no defect, no defects, nodefect, defect free, non defective, not defective, defectfree"
)
GOOD_WORDS = frozenset(_GOOD.split(", "))
"""Labels of normal images, in lower case and with spaces between words."""

NOTHING = frozenset({"background", "_background_", "__ignore__"})
"""Classes that mark no defect, in lower case."""

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_SPLIT_WORD = re.compile(r"(?<![a-z])(train|training|val|valid|validation|test|testing)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One image as an annotation tool knows it.

    Attributes:
        image: the image file.
        label: "good", or the kinds of defect.
        mask: its mask or annotation.
        split: None if the tool does not divide images.
        where: what lists the image, for messages.
    """

    image: Path
    label: str
    mask: Path | Annotation | None
    split: Split | None
    where: str


def means_good(label: str) -> bool:
    """Tell whether a label says that an image is normal: `OK`, `no_defect`, `defect-free`."""
    return _BETWEEN_WORDS.sub(" ", label.lower()).strip() in GOOD_WORDS


def is_defect(name: str) -> bool:
    """Tell whether a class is a kind of defect, from its name."""
    return not means_good(name) and name.lower() not in NOTHING


def joined_label(kinds: Iterable[str]) -> str:
    """Give the label of an image with these kinds of defect, such as "dent+scratch"; "good" without any."""
    return "+".join(sorted(set(kinds))) or GOOD


def split_named(*names: str) -> Split | None:
    """Tell the split from names of files or folders, the most telling first: what is not train is test."""
    for name in names:
        found = {word.startswith("train") for word in _SPLIT_WORD.findall(name.lower())}
        if len(found) == 1:
            return "train" if found == {True} else "test"
    return None


def contents(
    root: Path,
    entries: Sequence[Entry],
    notes: Sequence[str],
    left_out: Sequence[Path] = (),
    missing: Sequence[str] = (),
) -> Contents:
    """Make samples of images.

    Args:
        root: folder that the names of the samples are relative to.
        entries: the images in any order.
        notes: how they were read.
        left_out: images in the folder whose label is unknown.
        missing: images that are listed, but whose files are not there.

    Raises:
        DatasetError: an image is listed twice, or some images have a split and others have none.
    """
    _refuse_repeated(entries)
    root = _common(root, [entry.image for entry in entries])
    splits = {entry.split for entry in entries}
    undivided = splits <= {None} or (splits == {"train"} and any(entry.label != GOOD for entry in entries))
    if not undivided and None in splits:
        without = next(entry for entry in entries if entry.split is None)
        raise DatasetError(
            f"{without.where}: its name says neither train nor test, but those of other files do; "
            "rename it, or give one file instead of the folder"
        )
    samples = with_groups(_sample(entry, root) for entry in entries)
    several = sum("+" in entry.label for entry in entries)
    found = list(notes)
    if several:
        found.append(f"{several} images show several kinds of defect; their label joins the names with +.")
    if undivided:
        samples, found = with_test_share([replace(s, split="train") for s in samples], found)
    return Contents(root, samples, found, left_out=left_out, missing=missing)


class Reader(Protocol):
    """Reads one annotation file.

    Attributes:
        missing: images that the file lists, but whose files are not there; known once it was read.
    """

    missing: list[str]

    def notes(self) -> Iterable[str]:
        """Say how the file was read."""


def gathered(
    path: Path,
    root: Path,
    readers: Sequence[Reader],
    entries: Sequence[Entry],
    notes: Sequence[str],
    masks: Sequence[Entry] = (),
) -> Contents:
    """Make samples of what several annotation files say together.

    Args:
        path: what the user named, a folder or one of the files.
        root: folder of the data set.
        readers: one for each file, when it has been read.
        entries: the images of all files.
        notes: which files were read.
        masks: mask files that the annotation files name.

    Raises:
        DatasetError: as `contents`.
    """
    others, told = unlisted(root, [*entries, *masks])
    how = [note for reader in readers for note in reader.notes()]
    missing = [reference for reader in readers for reference in reader.missing]
    # Who names one file of several does not mean the images of the others.
    return contents(root, entries, [*notes, *how, *told], others if path.is_dir() else [], missing)


def left_out_note(count: int, what: str, examples: Sequence[str]) -> list[str]:
    """Give the note that some entries were left out, with the first few of them; none if there are none."""
    if not count:
        return []
    return [
        f"Left out {count} {what}, such as {', '.join(printable(example[:200]) for example in examples[:3])}."
    ]


def without_masks(root: Path, images: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Take out mask files, which must not become good images, and say so.

    Raises:
        DatasetError: a folder with another name holds masks.
    """
    # Images that a file names may be spelled in another way than those of a listing.
    plain = {_plain(image): image for image in images}
    found = separate(_plain(_common(root, images)), list(plain), lambda _: True)
    count = len(plain) - len(found.images)
    note = f"Passed over {count} mask files: the annotations count." if count else ""
    return [plain[image] for image in found.images], [*found.notes, *([note] if note else [])]


def unlisted(folder: Path, entries: Iterable[Entry]) -> tuple[list[Path], list[str]]:
    """Give the images in the folder that no annotation file names, and the note on them."""
    listed = {identity(entry.image) for entry in entries}
    others = [image for image in list_images(folder).images if identity(image) not in listed]
    others, notes = without_masks(folder, others)
    names = [name_below(image, folder) for image in others]
    return others, notes + left_out_note(len(names), "images that no annotation file lists", names)


def _common(root: Path, images: Sequence[Path]) -> Path:
    """Give the root, or if images lie outside of it, the folder that holds them all."""
    folders = {_plain(image).parent for image in images}
    if all(folder.is_relative_to(_plain(root)) for folder in folders):
        return root
    return Path(os.path.commonpath(folders))


def _plain(path: Path) -> Path:
    """Write a path from the root of the system, without `..`; links are not followed."""
    return Path(os.path.normpath(path.absolute()))


def _sample(entry: Entry, root: Path) -> Sample:
    name = name_below(_plain(entry.image), _plain(root))
    mask = entry.mask if entry.label != GOOD else None
    return Sample(name, entry.image, entry.split or "train", entry.label, mask, name)


def _refuse_repeated(entries: Sequence[Entry]) -> None:
    seen: dict[object, Entry] = {}
    for entry in entries:
        other = seen.setdefault(identity(entry.image), entry)
        if other is not entry:
            raise DatasetError(
                f"{entry.where}: {entry.image} is the image that {other.where} lists already; "
                "keep one of the two entries"
            )
