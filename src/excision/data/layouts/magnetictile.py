"""MagneticTile: `MT_<Class>/Imgs/*.jpg` with masks `*.png` of the same names; `MT_Free` has no defects."""

from __future__ import annotations

from pathlib import Path

from excision.data.groups.known import with_groups
from excision.data.layouts.registry import Contents, layout, orphans
from excision.data.listing import image_files, list_images, own_subfolders, passed_over, subfolders
from excision.data.records import GOOD, Sample, UnusedMask
from excision.data.splits import with_training

_PREFIX = "MT_"
_TRAIN_SHARE = 0.8


def _classes(root: Path) -> list[Path]:
    folders = [folder for folder in subfolders(root) if folder.name.upper().startswith(_PREFIX)]
    return [folder for folder in folders if (folder / "Imgs").is_dir()]


def _recognise(path: Path) -> bool:
    return path.is_dir() and bool(_classes(path))


@layout("magnetictile", "MT_Free/Imgs/*.jpg and other MT_<Class>/Imgs/ with *.png masks", _recognise)
def read(root: Path) -> Contents:
    """Read all classes; the first four fifths of the normal tiles, by acquisition number, are for training.

    The exposures of one tile form a group, which is not divided.
    """
    samples: list[Sample] = []
    notes = passed_over(own_subfolders(root), root)
    unused: list[UnusedMask] = []
    for folder in _classes(root):
        files = image_files(folder / "Imgs")
        masks = {file.stem: file for file in files if file.suffix.lower() == ".png"}
        images = [file for file in files if file.suffix.lower() != ".png"]
        samples += [_sample(root, folder, image, masks.pop(image.stem, None)) for image in images]
        unused += orphans(root, masks.values())
    divided, division = _divide(with_groups(samples))
    known = {sample.image for sample in samples}
    left_out = [
        image
        for image in list_images(root).images
        if image not in known and not (image.parent.name == "Imgs" and image.suffix.lower() == ".png")
    ]
    if left_out:
        notes.append(f"Left out {len(left_out)} images that are in no MT_<Class>/Imgs/.")
    return Contents(root, divided, [*notes, *division], unused, left_out)


def _sample(root: Path, folder: Path, image: Path, mask: Path | None) -> Sample:
    kind = folder.name[len(_PREFIX) :].lower()
    label = GOOD if kind == "free" else kind
    name = image.relative_to(root).as_posix()
    return Sample(name, image, "test", label, mask if label != GOOD else None, name)


def _divide(samples: list[Sample]) -> tuple[list[Sample], list[str]]:
    # Groups are named by acquisition number, so this is the order of acquisition.
    normal = sorted((s for s in samples if not s.defective), key=lambda s: s.group)
    training = {s.group for s in normal[: round(_TRAIN_SHARE * len(normal))]}
    count = sum(s.group in training for s in normal)
    divided = with_training(samples, training)
    note = (
        f"No split file: the first {count} of {len(normal)} normal images by acquisition number are for "
        "training; the others, and every defective image, are for testing."
    )
    return divided, [note]
