"""KolektorSDD: `kosNN/PartM.jpg` with the mask `kosNN/PartM_label.bmp`."""

from __future__ import annotations

from pathlib import Path

from excision.data.groups.known import KOLEKTOR_IMAGE, with_groups
from excision.data.layouts.registry import Contents, layout, orphans
from excision.data.listing import image_files, list_images, subfolders
from excision.data.masks import marks_defect
from excision.data.records import GOOD, Sample
from excision.data.splits import choose_groups, with_training
from excision.errors import ImageError

_MASK_ENDING = "_label"
_TRAIN_SHARE = 0.5


def _recognise(path: Path) -> bool:
    return path.is_dir() and any(
        KOLEKTOR_IMAGE.search(f"{folder.name}/{image.name}")
        for folder in subfolders(path)
        if folder.name.lower().startswith("kos")
        for image in image_files(folder)
    )


@layout("kolektorsdd", "kosNN/PartM.jpg with kosNN/PartM_label.bmp", _recognise)
def read(root: Path) -> Contents:
    """Read the folder; normal images of half of the items are for training, all other images for testing.

    Nearly every item of the set has a part with a defect, so defective parts of the training items are in the
    test split too.
    """
    listing = list_images(root)
    masks = {
        (image.parent, image.stem.lower().removesuffix(_MASK_ENDING)): image
        for image in listing.images
        if image.stem.lower().endswith(_MASK_ENDING)
    }
    used: set[Path] = set()
    samples: list[Sample] = []
    notes: list[str] = []
    left_out: list[Path] = []
    for image in listing.images:
        name = image.relative_to(root).as_posix()
        if not KOLEKTOR_IMAGE.search(name):
            if image not in masks.values():
                left_out.append(image)
            continue
        mask = masks.get((image.parent, image.stem.lower()))
        try:
            samples.append(_sample(name, image, mask))
            used.update([mask] if mask is not None else [])
        except ImageError as error:
            notes.append(f"Left out {name}, whose label is unknown: {error}")
            left_out.append(image)
    strange = [image for image in left_out if not KOLEKTOR_IMAGE.search(image.as_posix())]
    if strange:
        notes.append(f"Left out {len(strange)} images that are not called PartN, such as {strange[0].name}.")
    divided, note = _divide(with_groups(samples))
    unused = orphans(root, set(masks.values()) - used)
    return Contents(root, divided, [*notes, note, *listing.notes(root)], unused, left_out)


def _sample(name: str, image: Path, mask: Path | None) -> Sample:
    if mask is None:
        raise ImageError(f"{image.stem}{_MASK_ENDING}.bmp is missing")
    defective = marks_defect(mask)
    return Sample(
        name, image, "test", "defect" if defective else GOOD, mask if defective else None, group=name
    )


def _divide(samples: list[Sample]) -> tuple[list[Sample], str]:
    items = {s.group for s in samples}
    training = choose_groups(items, _TRAIN_SHARE, seed=0) if len(items) > 1 else items
    divided = with_training(samples, training)
    note = (
        f"No split file: the normal images of {len(training)} of {len(items)} items, chosen by name, are for "
        "training; all others, and every defective image, are for testing."
    )
    return divided, note
