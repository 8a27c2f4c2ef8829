"""Known defects that a caller gives: read, and kept apart from good images and test images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, Sample
from excision.data.known_defects import FoundDefects, find_known_defects
from excision.data.preparation import Finding
from excision.errors import DatasetError, ImageError, SettingsError
from excision.progress import Progress
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat
from excision.training.known_defects import KnownDefects, KnownImage, read_marked
from excision.training.usable import Picture, checked_array, picture_hash

GivenImage = NDArray[Any] | str | Path
Defects = str | Path | Dataset | FoundDefects | Sequence[GivenImage | tuple[GivenImage, GivenImage | None]]
"""Known defects: a file, a folder or a data set, those found in some, or images, each alone or with its mask,
which is an array (H, W) or a file."""


def check_tuned(settings: Settings) -> None:
    """Check that known defects have an effect.

    Raises:
        SettingsError: the attention is not tuned.
    """
    attention = settings.attention
    off = (
        "mask.enabled is false"
        if not settings.mask.enabled
        else "attention.tuning is 0"
        if not attention.tuning
        else 'attention.variant is "dino"'
        if attention.variant == "dino"
        else None
    )
    if off is not None:
        raise SettingsError(
            f"known defects sharpen the tuning of the attention, and {off}: without tuning they do nothing"
        )


def read_known_defects(
    given: Defects,
    image_format: ImageFormat,
    good: Mapping[str, str],
    test: Iterable[Sample],
    reading: Progress | None = None,
) -> KnownDefects:
    """Read known defects, and keep them apart from the good images and the test images.

    Args:
        given: what the caller gives.
        image_format: of the working images.
        good: SHA-256 of each good image of the training, by name.
        test: test images of the data set.
        reading: called with (done, total) while they are read.

    Raises:
        DatasetError: there is no known defect that can be used, or one is also a good image.
        ImageError: an array is not an image.
    """
    good_names = {digest: name for name, digest in good.items()}
    tested = {digest: sample for sample in test if (digest := _digest(sample.image)) is not None}
    usable: dict[str, KnownImage] = {}
    skipped: list[Finding] = []
    # Of two copies of an image, the one with a mask says more.
    images = sorted(_images(given), key=lambda image: image.mask is None)
    for done, image in enumerate(images, start=1):
        digest = _digest(image.image) or image.name
        same = tested.get(digest)
        other = good_names.get(digest) or (same.name if same is not None and not same.defective else None)
        if other is not None:
            raise DatasetError(
                f"{image.name}: is a known defect and, with the same content, the good image {other}; remove "
                "it from one of the two"
            )
        reason = _unusable(image, image_format, same, usable.get(digest))
        if reason is None:
            usable[digest] = image
        else:
            skipped.append(Finding(image.name, reason))
        if reading is not None:
            reading(done, len(images))
    if not usable:
        first = f"; the first, {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DatasetError(f"none of the {len(images)} images of known defects can be used{first}")
    return KnownDefects([*usable.values()], image_format, skipped)


def _unusable(
    image: KnownImage, image_format: ImageFormat, test: Sample | None, twin: KnownImage | None
) -> str | None:
    """Say why an image cannot be a lesson; None if it can."""
    if test is not None:
        return f"it is the test image {test.name}; take it out of the test images to train on it"
    if twin is not None:
        return f"it has the same content as {twin.name}"
    try:
        if image.mask is not None:
            read_marked(image, image_format)
        else:
            image_format.read(image.image)
    except ImageError as error:
        return str(error)
    return None


def _images(given: Defects) -> list[KnownImage]:
    if isinstance(given, str | Path):
        given = [given]
    if isinstance(given, FoundDefects):
        return [_of_sample(sample) for sample in given.samples]
    if isinstance(given, Dataset):
        return [_of_sample(sample) for sample in given.samples if sample.defective]
    if isinstance(given, np.ndarray | bytes) or not isinstance(given, Iterable):
        raise DatasetError(
            f"{type(given).__name__} holds no known defects: give a folder, a data set, or a list of images, "
            "each alone or as a pair with its mask"
        )
    items = list(given)
    if items and all(isinstance(item, str | Path) for item in items):
        return _images(find_known_defects([Path(str(item)) for item in items]))
    return [_of_item(place, item) for place, item in enumerate(items)]


def _of_sample(sample: Sample) -> KnownImage:
    return KnownImage(sample.name, sample.image, sample.mask)


def _of_item(place: int, item: Any) -> KnownImage:
    image, mask = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    name = str(image) if isinstance(image, str | Path) else str(place)
    if isinstance(mask, np.ndarray):
        if mask.ndim != 2:
            raise ImageError(f"known defect {name}: its mask has shape {mask.shape}, not (H, W)")
        mask = mask.astype(np.bool_)
    elif isinstance(mask, str | Path):
        mask = Path(mask)
    elif mask is not None:
        raise ImageError(
            f"known defect {name}: {type(mask).__name__} is not a mask: give a path or an array (H, W)"
        )
    if isinstance(image, np.ndarray):
        return KnownImage(name, checked_array(f"known defect {name}", image), mask)
    if not isinstance(image, str | Path):
        raise ImageError(
            f"known defect {name}: {type(image).__name__} is not an image: give a path or an array"
        )
    return KnownImage(name, Path(image), mask)


def _digest(picture: Picture) -> str | None:
    """Give the SHA-256 of an image; None if its file cannot be read, which is reported when it is opened."""
    try:
        return picture_hash(picture)
    except OSError:
        return None
