"""The plain folder: `good/` beside folders of defects, or a folder of normal images only."""

from __future__ import annotations

from pathlib import Path

from excision.data.layouts.groups import with_groups
from excision.data.layouts.masks import masks_below
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.listing import Listing, image_files, list_images, subfolders
from excision.data.records import GOOD, Sample
from excision.data.splits import with_test_share
from excision.errors import DatasetError

_GOOD_NAMES = frozenset({GOOD, "normal", "ok"})
_MASK_FOLDERS = frozenset({"ground_truth", "masks"})


def _good_folders(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if folder.name.lower() in _GOOD_NAMES]


def _recognise(path: Path) -> bool:
    return path.is_dir() and bool(_good_folders(path) or image_files(path))


@layout(
    "folder",
    "good/ (or normal/, ok/) beside one folder for each kind of defect, or images alone",
    _recognise,
    Precedence.GENERAL,
)
def read(root: Path) -> Contents:
    """Read a folder whose subfolders are labels, or whose images are all normal."""
    good = _good_folders(root)
    if len(good) > 1:
        names = " and ".join(folder.name for folder in good)
        raise DatasetError(f"{root}: {names} both mean normal images; keep one of them")
    return _read_labelled(root, good[0]) if good else _read_images_only(root)


def _read_images_only(root: Path) -> Contents:
    listing = list_images(root)
    nested = sorted({image.relative_to(root).parts[0] for image in listing.images if image.parent != root})
    if nested:
        raise DatasetError(
            f"{root}: contains images both directly and in folders ({', '.join(nested[:5])}), so it is not "
            "clear which are normal; move the normal ones into good/"
        )
    samples = with_groups(_sample(image, root, GOOD, None) for image in listing.images)
    notes = ["No folders: every image is taken as normal and used for training. None is left for evaluation."]
    return Contents(root, samples, notes + listing.notes(root))


def _read_labelled(root: Path, good: Path) -> Contents:
    masks = {key: path for name in sorted(_MASK_FOLDERS) for key, path in masks_below(root / name).items()}
    samples: list[Sample] = []
    notes: list[str] = []
    for folder in subfolders(root):
        if folder.name.lower() in _MASK_FOLDERS:
            continue
        listing = list_images(folder)
        notes += listing.notes(root)
        samples += _labelled(listing, root, GOOD if folder == good else folder.name, masks)
    loose = len(image_files(root))
    if loose:
        notes.append(f"Left out {loose} images beside the folders, because their label is unknown.")
    return Contents(root, *with_test_share(with_groups(samples), notes))


def _labelled(listing: Listing, root: Path, label: str, masks: dict[str, Path]) -> list[Sample]:
    """Pair the images of one folder with their masks, which may also be beside them as NAME_mask.png."""
    stems = {image.with_suffix("") for image in listing.images}
    beside = {
        image.with_name(image.stem.removesuffix("_mask")): image
        for image in listing.images
        if image.stem.endswith("_mask") and image.with_name(image.stem.removesuffix("_mask")) in stems
    }
    taken = set(beside.values())
    samples = []
    for image in listing.images:
        if image not in taken:
            key = image.with_suffix("")
            mask = beside.get(key) or masks.get(key.relative_to(root).as_posix())
            samples.append(_sample(image, root, label, mask))
    return samples


def _sample(image: Path, root: Path, label: str, mask: Path | None) -> Sample:
    name = image.relative_to(root).as_posix()
    return Sample(name, image, "train", label, mask if label != GOOD else None, name)
