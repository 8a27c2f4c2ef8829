"""Images of known defects: found with their masks, in every layout that masks are read from.

A person says that they show defects. Where a labelled data set is given, its defective images are meant; in a
folder without labels, all images are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from excision.data.image_names import is_image_name
from excision.data.layouts import LAYOUTS, choose_layout
from excision.data.layouts.folder import GOOD_NAMES, labelled_good
from excision.data.layouts.masks import separate
from excision.data.layouts.unread_labels import find_unread_labels
from excision.data.listing import list_images, relative_name
from excision.data.own_output import own_output
from excision.data.records import Sample
from excision.errors import DatasetError

_DEFECT = "defect"


class FoundDefects(NamedTuple):
    """Images of known defects.

    Attributes:
        samples: named by their path as seen from the folder that holds the given one.
        notes: how folders were understood, one sentence each.
    """

    samples: tuple[Sample, ...]
    notes: tuple[str, ...]


def find_known_defects(paths: Sequence[Path]) -> FoundDefects:
    """Find images of defects and their masks in files, folders and labelled data sets.

    Args:
        paths: image files, folders of images with or without masks beside them, or data sets of any layout.

    Raises:
        DatasetError: a path does not exist, holds no defective image, holds labels that no layout reads, or
            two images have the same name.
    """
    samples: dict[str, Sample] = {}
    notes: list[str] = []
    for path in paths:
        root, found = _find(path, notes)
        if not found:
            raise DatasetError(
                f"{path}: there is no image of a defect. Name images of defects, a folder of such images, or "
                "a labelled data set with defective images"
            )
        for sample in found:
            name = (PurePosixPath(root.absolute().name) / sample.name).as_posix()
            if name in samples:
                raise DatasetError(
                    f"{path}: two images of known defects are called {name}; put them into one folder under "
                    "different names"
                )
            samples[name] = replace(sample, name=name)
    return FoundDefects(tuple(samples[name] for name in sorted(samples)), tuple(notes))


def _find(path: Path, notes: list[str]) -> tuple[Path, list[Sample]]:
    """Give the folder that names are relative to, and the defective images."""
    if path.is_file() and is_image_name(path.name):
        return path.parent, [Sample(path.name, path, "test", _DEFECT, None, path.name)]
    ours = own_output(path, named=True) if path.is_dir() else None
    if ours is not None:
        raise DatasetError(f"{path}: Excision wrote this folder ({ours}); name one of images of defects")
    if path.is_dir() and not _is_labelled(path):
        return path, _all_below(path, notes)
    chosen, told = choose_layout(path)
    contents = chosen.read(path)
    defective = [sample for sample in contents.samples if sample.defective]
    notes += told
    notes.append(
        f"{path} is a labelled data set (layout {chosen.name}): its {len(defective)} defective images are "
        "the known defects."
    )
    return contents.root, defective


def _is_labelled(folder: Path) -> bool:
    """Tell whether anything says which images of a folder are good."""
    fitting = {name for name, layout in LAYOUTS.items() if layout.recognise(folder)}
    return bool(fitting - {"folder"}) or bool(labelled_good(folder))


def _all_below(root: Path, notes: list[str]) -> list[Sample]:
    """Take all images below a folder as defective, except those in a folder of good ones."""
    listing = list_images(root)
    unread = find_unread_labels(root, listing)
    if unread is not None:
        raise DatasetError(
            f"{root}: every image would count as defective, but {relative_name(unread, root)} seems to say "
            "what they are, in a form that is not read. Give labels as a CSV file with the columns "
            "image,split,label,mask, or move that file elsewhere if all of them show defects"
        )
    found = separate(root, listing.images, lambda _: False, neutral=("train", "test"))
    notes += [*listing.notes(root), *found.notes]
    notes += [f"{mask.name}: this mask is not used, because {mask.reason}." for mask in found.unused]
    samples, good = [], 0
    for image in found.images:
        name = image.relative_to(root)
        if any(part.lower() in GOOD_NAMES for part in name.parts[:-1]):
            good += 1
            continue
        label = name.parts[-2] if len(name.parts) > 1 else _DEFECT
        shown = name.as_posix()
        samples.append(Sample(shown, image, "test", label, found.masks.get(image), shown))
    if good:
        notes.append(f"{root}: {good} images in folders of good images are no known defects.")
    return samples
