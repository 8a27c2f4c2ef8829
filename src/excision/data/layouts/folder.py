"""The plain folder: `good/` beside folders of defects, or a folder of normal images only."""

from __future__ import annotations

from pathlib import Path

from excision.data.layouts.groups import with_groups
from excision.data.layouts.mask_names import names_masks
from excision.data.layouts.masks import Separated, separate, settled
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import (
    image_files,
    list_images,
    own_subfolders,
    passed_over,
    subfolders,
)
from excision.data.masks import marks_defect
from excision.data.records import GOOD, Sample
from excision.data.splits import with_test_share
from excision.errors import DatasetError, ImageError

GOOD_NAMES = frozenset({GOOD, "normal", "ok"})
_IMAGE_NAMES = frozenset({"images", "imgs", "image", "img"})
_DEFECT = "defect"


def _good_folders(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if folder.name.lower() in GOOD_NAMES]


def _recognise(path: Path) -> bool:
    return path.is_dir() and bool(_good_folders(path) or image_files(path) or _divided_by_masks(path))


def _divided_by_masks(root: Path) -> bool:
    """Tell whether a folder holds images/ and masks/, and nothing else that could be a label."""
    others = [folder.name for folder in subfolders(root) if not names_masks(folder.name)]
    return len(others) == 1 and others[0].lower() in _IMAGE_NAMES and len(subfolders(root)) > 1


@layout(
    "folder",
    "good/ (or normal/, ok/) beside one folder for each kind of defect, images alone, or images/ and masks/",
    _recognise,
    Precedence.GENERAL,
)
def read(root: Path) -> Contents:
    """Read a folder whose subfolders are labels, or whose images are all normal."""
    good = _good_folders(root)
    if len(good) > 1:
        names = " and ".join(folder.name for folder in good)
        raise DatasetError(f"{root}: {names} both mean normal images; keep one of them")
    return _read_labelled(root, good[0]) if good else _read_unlabelled(root)


def _read_unlabelled(root: Path) -> Contents:
    listing = list_images(root)
    found = separate(root, listing.images, lambda _: False)
    nested = sorted({image.relative_to(root).parts[0] for image in found.images if image.parent != root})
    if nested and not _divided_by_masks(root):
        raise DatasetError(
            f"{root}: contains images both directly and in folders ({', '.join(nested[:5])}), so it is not "
            "clear which are normal; move the normal ones into good/"
        )
    notes = [*found.notes, *listing.notes(root)]
    if found.masks:
        return _read_by_masks(root, found, notes)
    samples = with_groups(_sample(image, root, GOOD) for image in found.images)
    first = "No folders: every image is taken as normal and used for training. None is left for evaluation."
    return Contents(root, samples, [first, *notes], found.unused)


def _read_by_masks(root: Path, found: Separated, notes: list[str]) -> Contents:
    """Read images whose masks alone tell which are defective."""
    samples, left_out = [], []
    for image in found.images:
        mask = found.masks.get(image)
        try:
            defective = mask is not None and marks_defect(mask)
        except ImageError as error:
            notes.append(f"Left out {image.relative_to(root).as_posix()}, whose label is unknown: {error}")
            left_out.append(image)
            continue
        samples.append(_sample(image, root, _DEFECT if defective else GOOD))
    given, unused = settled(with_groups(samples), found, root)
    count = sum(sample.defective for sample in given)
    first = (
        f"No folders of labels: the {count} images whose mask marks a defect are defective, and the other "
        f"{len(given) - count} are normal."
    )
    return Contents(root, *with_test_share(given, [first, *notes]), unused, left_out)


def _read_labelled(root: Path, good: Path) -> Contents:
    paths: list[Path] = []
    notes = passed_over(own_subfolders(root), root)
    for folder in subfolders(root):
        listing = list_images(folder)
        notes += listing.notes(root)
        paths += listing.images
    found = separate(root, [*paths, *image_files(root)], lambda image: image.is_relative_to(good))
    loose = [image for image in found.images if image.parent == root]
    samples = [
        _sample(image, root, GOOD if label == good.name else label)
        for image in found.images
        if image.parent != root
        for label in image.relative_to(root).parts[:1]
    ]
    given, unused = settled(with_groups(samples), found, root)
    if loose:
        notes.append(f"Left out {len(loose)} images beside the folders, because their label is unknown.")
    return Contents(root, *with_test_share(given, [*notes, *found.notes]), unused, loose)


def _sample(image: Path, root: Path, label: str) -> Sample:
    name = image.relative_to(root).as_posix()
    return Sample(name, image, "train", label, None, name)
