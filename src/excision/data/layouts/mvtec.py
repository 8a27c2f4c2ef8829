"""MVTec AD: `train/good/`, `test/<kind>/`, `ground_truth/<kind>/NAME_mask.png`, or a folder of such."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from excision.data.layouts.folder import GOOD_NAMES
from excision.data.layouts.masks import separate, settled
from excision.data.layouts.registry import Contents, layout
from excision.data.listing import image_files, list_images, own_subfolders, passed_over, subfolders
from excision.data.records import GOOD, Sample
from excision.errors import DatasetError


def _child(folder: Path, wanted: Iterable[str]) -> Path | None:
    """Give the sub-folder with one of these names in any letter case; None if there is none."""
    found = [path for path in subfolders(folder) if path.name.lower() in wanted]
    if len(found) > 1:
        raise DatasetError(
            f"{folder}: {' and '.join(path.name for path in found)} mean the same; keep one of them"
        )
    return found[0] if found else None


def _is_category(folder: Path) -> bool:
    return any(
        path.name.lower() in GOOD_NAMES
        for train in subfolders(folder)
        if train.name.lower() == "train"
        for path in subfolders(train)
    )


def _recognise(path: Path) -> bool:
    return path.is_dir() and (_is_category(path) or any(_is_category(folder) for folder in subfolders(path)))


@layout("mvtec", "train/good/ and test/<kind>/, or folders that contain these", _recognise)
def read(root: Path) -> Contents:
    """Read one category, or all categories of a folder together."""
    if _is_category(root):
        return _read_category(root, root)
    categories = [folder for folder in subfolders(root) if _is_category(folder)]
    parts = [_read_category(folder, root) for folder in categories]
    others = [
        image
        for folder in subfolders(root)
        if folder not in categories
        for image in list_images(folder).images
    ] + image_files(root)
    names = ", ".join(folder.name for folder in categories)
    joined = (
        f"Joined {len(categories)} categories into one data set: {names}. "
        "Give the folder of one to use it alone."
    )
    left_out = [f"Left out {len(others)} images that belong to no category."] if others else []
    return Contents(
        root,
        [sample for part in parts for sample in part.samples],
        [
            joined,
            *passed_over(own_subfolders(root), root),
            *left_out,
            *(note for part in parts for note in part.notes),
        ],
        [mask for part in parts for mask in part.unused_masks],
        [*others, *(image for part in parts for image in part.left_out)],
    )


def _read_category(category: Path, root: Path) -> Contents:
    """Read one category; masks may lie in ground_truth/, or beside the images."""
    train, test = _child(category, {"train"}), _child(category, {"test"})
    good = _child(train, GOOD_NAMES) if train else None
    if train is None or good is None:
        return Contents(root, [], [])
    tested = test or category / "test"
    listing = list_images(category)
    found = separate(
        category,
        listing.images,
        lambda image: any(part.lower() in GOOD_NAMES for part in image.relative_to(category).parts[:-1]),
        [tested.name],
    )
    samples: list[Sample] = []
    left_out: list[Path] = []
    others: set[str] = set()
    for image in found.images:
        if image.is_relative_to(good):
            samples.append(_sample(image, root, "train", GOOD))
        elif image.is_relative_to(tested) and image.parent != tested:
            samples.append(_sample(image, root, "test", image.relative_to(tested).parts[0]))
        elif image.is_relative_to(train) and image.parent != train:
            others.add(train.joinpath(*image.relative_to(train).parts[:1]).relative_to(root).as_posix())
        else:
            left_out.append(image)
    given, unused = settled(samples, found, category)
    notes = [
        *listing.notes(root),
        *found.notes,
        *(f"{name}/ was left out: training uses normal images only." for name in sorted(others)),
    ]
    for folder in sorted({image.parent for image in left_out}):
        count = sum(image.parent == folder for image in left_out)
        place = f"{folder.relative_to(root).as_posix()}/" if folder != root else "the folder itself"
        notes.append(f"Left out {count} images directly in {place}, because their label is unknown.")
    return Contents(root, given, notes, unused, left_out)


def _sample(image: Path, root: Path, split: str, label: str) -> Sample:
    name = image.relative_to(root).as_posix()
    label = GOOD if label.lower() in GOOD_NAMES else label
    return Sample(name, image, "train" if split == "train" else "test", label, None, name)
