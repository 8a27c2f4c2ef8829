"""MVTec AD: `train/good/`, `test/<kind>/`, `ground_truth/<kind>/NAME_mask.png`, or a folder of such."""

from __future__ import annotations

from pathlib import Path

from excision.data.layouts.masks import masks_below
from excision.data.layouts.registry import Contents, layout
from excision.data.listing import image_files, list_images, subfolders
from excision.data.records import GOOD, Sample


def _is_category(folder: Path) -> bool:
    return (folder / "train" / GOOD).is_dir()


def _recognise(path: Path) -> bool:
    return path.is_dir() and (_is_category(path) or any(_is_category(folder) for folder in subfolders(path)))


@layout("mvtec", "train/good/ and test/<kind>/, or folders that contain these", _recognise)
def read(root: Path) -> Contents:
    """Read one category, or all categories of a folder together."""
    if _is_category(root):
        return _read_category(root, root)
    categories = [folder for folder in subfolders(root) if _is_category(folder)]
    parts = [_read_category(folder, root) for folder in categories]
    samples = [sample for part in parts for sample in part.samples]
    names = ", ".join(folder.name for folder in categories)
    joined = (
        f"Joined {len(categories)} categories into one data set: {names}. "
        "Give the folder of one to use it alone."
    )
    return Contents(root, samples, [joined, *(note for part in parts for note in part.notes)])


def _read_category(category: Path, root: Path) -> Contents:
    masks = masks_below(category / "ground_truth")
    normal = list_images(category / "train" / GOOD)
    samples = [_sample(image, root, "train/good", None) for image in normal.images]
    notes = normal.notes(root)
    for folder in subfolders(category / "test"):
        listing = list_images(folder)
        notes += listing.notes(root)
        for image in listing.images:
            key = image.relative_to(category / "test").with_suffix("").as_posix()
            samples.append(_sample(image, root, f"test/{folder.name}", masks.get(key)))
    others = [folder for folder in subfolders(category / "train") if folder.name != GOOD]
    notes += [
        f"{folder.relative_to(root).as_posix()}/ was left out: training uses normal images only."
        for folder in others
    ]
    loose = len(image_files(category / "test"))
    if loose:
        notes.append(f"Left out {loose} images directly in test/, because their label is unknown.")
    return Contents(root, samples, notes)


def _sample(image: Path, root: Path, place: str, mask: Path | None) -> Sample:
    name = image.relative_to(root).as_posix()
    split, label = place.split("/", 1)
    return Sample(
        name, image, "train" if split == "train" else "test", label, mask if label != GOOD else None, name
    )
