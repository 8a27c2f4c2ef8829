"""Normal images that can be trained on: found readable, with their sizes, and with what they look like."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, Sample
from excision.data.decode import array_image, given_array, probe_image
from excision.data.groups import Collector, GroupRule
from excision.data.groups.appearance import Looks
from excision.data.preparation import Finding, check_readable, readable, readable_headers
from excision.data.sizes import Size
from excision.errors import DatasetError, ImageError
from excision.progress import Progress
from excision.settings import Settings
from excision.system.files import sha256
from excision.tiling.geometry import Tiling
from excision.training.sizing import choose_tiling

Picture = NDArray[Any] | Path

_ALONE = GroupRule.parse("each")


class Usable(NamedTuple):
    """Normal images that can be trained on, by name.

    Attributes:
        samples: the images.
        tiling: how they are used in tiles; None if they are resized.
        sizes: (H, W) of each.
        colour: whether one has a colour.
        skipped: files that could not be read.
        pictures: file or array of each.
        origin: where they are from, for the fingerprint.
        columns: columns of the data set's table, each with its value for each image.
        looks: what images look like, if their groups are found from that.
    """

    samples: tuple[Sample, ...]
    tiling: Tiling | None
    sizes: dict[str, Size]
    colour: bool
    skipped: tuple[Finding, ...]
    pictures: dict[str, Picture]
    origin: dict[str, Any]
    columns: Mapping[str, Mapping[str, str]]
    looks: Mapping[str, Looks]


def find_usable(
    dataset: Dataset | Sequence[NDArray[Any] | str | Path],
    settings: Settings,
    reading: Progress | None,
    looking: bool,
) -> Usable:
    """Find the images that can be trained on.

    Args:
        dataset: a data set, or a sequence of normal images as arrays or paths.
        settings: settings of image, calibration and training.
        reading: called with (done, total) while the images are checked.
        looking: False if the groups of the images are known.

    Raises:
        DatasetError: there are no normal images, none can be read, or there is one alone.
        ImageError: an array is not an image.
    """
    rule = GroupRule.parse(settings.calibration.groups) if looking else _ALONE
    if isinstance(dataset, Dataset):
        return _from_dataset(dataset, settings, reading, rule)
    if isinstance(dataset, bytes) or not isinstance(dataset, Iterable):
        raise DatasetError(
            f"{type(dataset).__name__} holds no images: give a data set, its folder, or normal images as "
            "arrays or paths"
        )
    pictures = {str(i) if isinstance(p, np.ndarray) else str(p): _picture(p) for i, p in enumerate(dataset)}
    if not pictures:
        raise DatasetError("there are no normal training images: no image was given")
    paths = [picture for picture in pictures.values() if isinstance(picture, Path)]
    if len(paths) == len(pictures):
        samples = tuple(Sample(str(p), p, "train", "good", None, str(p)) for p in paths)
        return _from_dataset(Dataset(Path(), "images", samples), settings, reading, rule)
    if paths:
        raise DatasetError("some images are arrays and some are paths: give only one kind")
    return _from_arrays(pictures, settings, rule)


def _from_dataset(dataset: Dataset, settings: Settings, reading: Progress | None, rule: GroupRule) -> Usable:
    if not dataset.train:
        raise DatasetError(
            f"{dataset.root}: there are no normal training images; `excision check` shows what was understood"
        )
    tiling = choose_tiling(settings, (header.size for header in readable_headers(dataset.train)))
    collector = Collector(dataset.train, rule)
    decode = collector.decode if tiling is None else partial(_decode_large, tiling, collector)
    good, skipped = readable(dataset.train, reading, decode)
    if not good:
        first = f"; the first: {skipped[0].reason}" if tiling else ""
        raise DatasetError(
            f"{dataset.root}: none of the {len(dataset.train)} training images can be read{first}"
        )
    check_readable(len(good), len(skipped), dataset)
    headers = {sample.name: probe_image(sample.image) for sample in good}
    return Usable(
        samples=good,
        tiling=tiling,
        sizes={name: header.size for name, header in headers.items()},
        colour=any(header.colour for header in headers.values()),
        skipped=skipped,
        pictures={sample.name: sample.image for sample in good},
        origin=_origin(dataset),
        columns=dataset.columns,
        looks=collector.looks,
    )


def _origin(dataset: Dataset) -> dict[str, Any]:
    dropped = {"dropped": sorted(dataset.dropped)} if dataset.dropped else {}
    return {"root": dataset.root.name, "layout": dataset.layout, **dropped}


def _decode_large(tiling: Tiling, collector: Collector, path: Path) -> None:
    tiling.check(*probe_image(path).size, str(path))
    collector.decode(path)


def _from_arrays(pictures: dict[str, Picture], settings: Settings, rule: GroupRule) -> Usable:
    arrays = {
        name: checked_array(f"image {name} of the given images", picture)
        for name, picture in pictures.items()
        if isinstance(picture, np.ndarray)
    }
    if len(arrays) < 2:
        raise DatasetError(
            f"{len(arrays)} images are too few: calibration holds at least one out of training"
        )
    sizes = {name: (array.shape[0], array.shape[1]) for name, array in arrays.items()}
    tiling = choose_tiling(settings, sizes.values())
    if tiling is not None:
        for name, size in sizes.items():
            tiling.check(*size, f"image {name} of the given images")
    samples = tuple(Sample(name, Path(name), "train", "good", None, name) for name in arrays)
    collector = Collector(samples, rule)
    for sample in samples:
        collector.add(sample, arrays[sample.name])
    return Usable(
        samples=samples,
        tiling=tiling,
        sizes=sizes,
        colour=any(array.ndim == 3 and array.shape[2] >= 3 for array in arrays.values()),
        skipped=(),
        pictures=dict(arrays),
        origin={"root": "", "layout": "arrays"},
        columns={},
        looks=collector.looks,
    )


def checked_array(name: str, picture: NDArray[Any]) -> NDArray[Any]:
    """Give an array as a plain one, or refuse it by its name.

    Raises:
        ImageError: it is not an image.
    """
    try:
        plain = given_array(picture)
        array_image(plain, 1)
        return plain
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def _picture(image: NDArray[Any] | str | Path) -> Picture:
    return image if isinstance(image, np.ndarray) else Path(image)


def picture_hash(picture: Picture) -> str:
    """Give the SHA-256 of a file, or of the values of an array."""
    if isinstance(picture, Path):
        return sha256(picture)
    described = f"{picture.dtype}{picture.shape}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(picture).tobytes()).hexdigest()
