"""The plain folder: `good/` beside folders of defects, or a folder of normal images only."""

from __future__ import annotations

from pathlib import Path

from excision.data.groups.known import with_groups
from excision.data.layouts.masks import Separated, separate, settled
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import (
    image_files,
    list_images,
    own_subfolders,
    passed_over,
    subfolders,
)
from excision.data.mask_names import names_masks
from excision.data.masks import marks_defect
from excision.data.records import GOOD, Sample
from excision.data.splits import with_test_share
from excision.errors import DatasetError, ImageError

GOOD_NAMES = frozenset({GOOD, "normal", "ok"})
_IMAGE_NAMES = frozenset({"images", "imgs", "image", "img"})
_DEFECT = "defect"


def good_folders(root: Path) -> list[Path]:
    """List the folders directly in a folder that are named as those of good images."""
    return [folder for folder in subfolders(root) if folder.name.lower() in GOOD_NAMES]


def labelled_good(root: Path) -> list[Path]:
    """List the folders of good images beside folders of defects; none if nothing is labelled."""
    good = good_folders(root)
    inner = _images_beside_masks(root)
    # images/good/ and images/scratch/ beside masks/: the labels are below images/.
    return good_folders(inner) if not good and inner is not None else good


def _recognise(path: Path) -> bool:
    return path.is_dir() and bool(good_folders(path) or image_files(path) or _divided_by_masks(path))


def _divided_by_masks(root: Path) -> bool:
    """Tell whether a folder holds images/ and masks/, and nothing else that could be a label."""
    return _images_beside_masks(root) is not None


def _images_beside_masks(root: Path) -> Path | None:
    """Give the folder images/ if nothing but masks lie in the folders beside it."""
    others = [folder for folder in subfolders(root) if not names_masks(folder.name)]
    alone = len(others) == 1 and others[0].name.lower() in _IMAGE_NAMES and len(subfolders(root)) > 1
    return others[0] if alone else None


def lies_beside_good(path: Path) -> bool:
    """Tell whether a folder seems to be that of a kind of defect, because good images lie beside it."""
    path = path.absolute()
    named = path.name.lower()
    if named in GOOD_NAMES or named in _IMAGE_NAMES or named in ("train", "test") or names_masks(path.name):
        return False
    beside = [folder for folder in good_folders(path.parent) if folder != path]
    if not beside and path.parent.name.lower() == "test":
        beside = good_folders(path.parent.parent / "train")
    return bool(beside) and not good_folders(path)


@layout(
    "folder",
    "good/ (or normal/, ok/) beside one folder for each kind of defect, images alone, or images/ and masks/",
    _recognise,
    Precedence.GENERAL,
)
def read(root: Path) -> Contents:
    """Read a folder whose subfolders are labels, or whose images are all normal."""
    good = labelled_good(root)
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
    if lies_beside_good(root):
        first += f" Beside a folder of good images, {root.name}/ would hold defective ones."
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
    base = good.parent
    loose = [image for image in found.images if image.parent in (base, root)]
    samples = [
        _sample(image, root, GOOD if label == good.name else label)
        for image in found.images
        if image.parent not in (base, root)
        for label in image.relative_to(base).parts[:1]
    ]
    given, unused = settled(with_groups(samples), found, root)
    if loose:
        notes.append(f"Left out {len(loose)} images beside the folders, because their label is unknown.")
    return Contents(root, *with_test_share(given, [*notes, *found.notes]), unused, loose)


def _sample(image: Path, root: Path, label: str) -> Sample:
    name = image.relative_to(root).as_posix()
    return Sample(name, image, "train", label, None, name)
