"""What a training works on: readable good images, parted for training and calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, Sample
from excision.data.decode import array_image
from excision.data.images import ImageCache, default_size, working_image
from excision.data.preparation import Finding, Progress, choose_channels, choose_size, readable
from excision.data.splits import hold_out
from excision.errors import DatasetError, ImageError
from excision.files import sha256
from excision.settings import ImageSettings, Settings

Picture = NDArray[Any] | Path


@dataclass(frozen=True)
class TrainingSet:
    """Good images, parted for training and calibration.

    Attributes:
        image: settings with size and channels settled.
        training: names of what is trained on.
        calibration: names of what sets the decision threshold.
        skipped: what could not be read.
    """

    image: ImageSettings
    training: tuple[str, ...]
    calibration: tuple[str, ...]
    skipped: tuple[Finding, ...]
    _pictures: dict[str, Picture]
    _cache: ImageCache
    _origin: dict[str, str]

    def read(self, index: int) -> NDArray[np.uint16]:
        """Give the working image (H, W, C), 65535 for 1, of a training image by its place."""
        picture = self._pictures[self.training[index]]
        if isinstance(picture, Path):
            return self._cache.get(picture)
        pixels = array_image(picture, self._cache.channels)
        return working_image(pixels, self._cache.size)

    def calibration_images(self) -> Iterator[Picture]:
        """Give the held-out images one after another."""
        return (self._pictures[name] for name in self.calibration)

    def fingerprint(self) -> dict[str, Any]:
        """Name the data by content: for training and calibration each image's name and SHA-256."""
        parts = {"training": self.training, "calibration": self.calibration}
        hashes = {part: {n: _hash(self._pictures[n]) for n in names} for part, names in parts.items()}
        return {**self._origin, **hashes}

    def facts(self) -> dict[str, Any]:
        """Give the counts and what was skipped, for the record of the training."""
        return {
            "n_training": len(self.training),
            "n_calibration": len(self.calibration),
            "skipped": {finding.name: finding.reason for finding in self.skipped},
        }


def prepare(
    dataset: Dataset | Sequence[NDArray[Any] | str | Path],
    settings: Settings,
    reading: Progress | None = None,
) -> TrainingSet:
    """Find the readable normal training images, settle size and channels, hold some out for calibration.

    Args:
        dataset: a data set, or a sequence of normal images as arrays or paths.
        settings: of image, calibration and training.
        reading: called as (done, all) while the images are checked.

    Raises:
        DatasetError: there are no normal images, none can be read, or too few to hold some out.
        ImageError: an array is no image.
    """
    if isinstance(dataset, Dataset):
        return _from_dataset(dataset, settings, reading)
    pictures = {str(i) if isinstance(p, np.ndarray) else str(p): _picture(p) for i, p in enumerate(dataset)}
    paths = [picture for picture in pictures.values() if isinstance(picture, Path)]
    if len(paths) == len(pictures):
        samples = tuple(Sample(str(p), p, "train", "good", None, str(p)) for p in paths)
        return _from_dataset(Dataset(Path(), "images", samples), settings, reading)
    if paths:
        raise DatasetError("the images are partly arrays and partly paths: give one kind")
    return _from_arrays(pictures, settings)


def _from_dataset(dataset: Dataset, settings: Settings, reading: Progress | None) -> TrainingSet:
    if not dataset.train:
        raise DatasetError(
            f"{dataset.root}: there are no normal training images; `excision check` shows what was understood"
        )
    good, skipped = readable(dataset.train, reading)
    if not good:
        raise DatasetError(f"{dataset.root}: none of the {len(dataset.train)} training images can be read")
    usable = replace(dataset, samples=good)
    size = settings.image.size or choose_size(usable)
    channels = settings.image.channels or choose_channels(usable)
    training, calibration = hold_out(good, settings.calibration.holdout)
    return TrainingSet(
        image=ImageSettings(size, channels),
        training=tuple(sample.name for sample in training),
        calibration=tuple(sample.name for sample in calibration),
        skipped=skipped,
        _pictures={sample.name: sample.image for sample in good},
        _cache=ImageCache(size, channels, settings.training.cache_mb * 2**20),
        _origin={"root": dataset.root.name, "layout": dataset.layout},
    )


def _from_arrays(pictures: dict[str, Picture], settings: Settings) -> TrainingSet:
    arrays = {name: picture for name, picture in pictures.items() if isinstance(picture, np.ndarray)}
    if len(arrays) < 2:
        raise DatasetError(
            f"{len(arrays)} images are too few: calibration holds at least one out of training"
        )
    for name, array in arrays.items():
        try:
            array_image(array, 1)
        except ImageError as error:
            raise ImageError(f"image {name} of the given ones: {error}") from error
    size = settings.image.size or default_size([(a.shape[0], a.shape[1]) for a in arrays.values()])
    colour = any(array.ndim == 3 and array.shape[2] == 3 for array in arrays.values())
    derived: Literal[1, 3] = 3 if colour else 1
    channels = settings.image.channels or derived
    samples = [Sample(name, Path(name), "train", "good", None, name) for name in arrays]
    training, calibration = hold_out(samples, settings.calibration.holdout)
    return TrainingSet(
        image=ImageSettings(size, channels),
        training=tuple(sample.name for sample in training),
        calibration=tuple(sample.name for sample in calibration),
        skipped=(),
        _pictures=pictures,
        _cache=ImageCache(size, channels, 0),
        _origin={"root": "", "layout": "arrays"},
    )


def _picture(image: NDArray[Any] | str | Path) -> Picture:
    return image if isinstance(image, np.ndarray) else Path(image)


def _hash(picture: Picture) -> str:
    if isinstance(picture, Path):
        return sha256(picture)
    described = f"{picture.dtype}{picture.shape}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(picture).tobytes()).hexdigest()
