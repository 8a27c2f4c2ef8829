"""The data of a training: readable normal images, split for training and calibration."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, Sample
from excision.data.decode import array_image, check_decodes, given_array, probe_image
from excision.data.groups import Grouping, GroupRule, group_samples
from excision.data.images import ImageCache, any_full_image, working_image
from excision.data.preparation import Finding, check_readable, readable, readable_headers
from excision.data.sizes import Reduction, Size, default_size, strip_tile
from excision.data.splits import choose_groups, hold_out, make_folds
from excision.errors import DatasetError, ImageError, SettingsError
from excision.progress import Progress
from excision.settings import Settings
from excision.system.files import sha256
from excision.tiling.cutting import Tile, choose_tiles, cut_tiles
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import Channels, ImageFormat

Picture = NDArray[Any] | Path


@dataclass(frozen=True)
class TrainingSet:
    """Normal images, split for training and calibration.

    Attributes:
        image_format: size, channels and tiles of the working images.
        training: names of the training images, or of the tiles cut from them.
        calibration: names of the images held out to set the decision threshold.
        skipped: files that could not be read.
        reduction: how far resizing reduces the images; None if they are used in tiles.
        grouping: which of the images belong together, what that was found from, and how sure it is.
    """

    image_format: ImageFormat
    training: tuple[str, ...]
    calibration: tuple[str, ...]
    skipped: tuple[Finding, ...]
    reduction: Reduction | None
    grouping: Grouping
    _pictures: dict[str, Picture]
    _cache: ImageCache
    _origin: dict[str, Any]
    _tiles: tuple[Tile, ...] = ()

    def read(self, index: int) -> NDArray[np.uint16]:
        """Return the working image (H, W, C), with 65535 for 1, of a training image by its index."""
        picture = self._pictures[self.training[index]]
        if isinstance(picture, Path):
            return self._cache.get(picture)
        pixels = array_image(picture, self._cache.channels)
        return working_image(pixels, self._cache.size)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the training images, whether used whole or in tiles."""
        return tuple(dict.fromkeys(tile.source for tile in self._tiles)) or self.training

    @property
    def groups(self) -> Mapping[str, str]:
        """The group of each training image (of `sources`, not of tiles) and calibration image, by name."""
        return self.grouping.of

    def folds(self, count: int) -> tuple[tuple[str, ...], ...]:
        """Divide the names of the training images into folds of whole groups, at most `count`."""
        groups = self.source_groups
        fold_of = make_folds(groups.values(), count)
        return tuple(
            tuple(name for name in self.sources if fold_of[groups[name]] == fold)
            for fold in range(max(fold_of.values()) + 1)
        )

    def without(self, fold: tuple[str, ...]) -> TrainingSet:
        """Return the set in which a fold of the training images calibrates and the others train.

        It shares the tiles: it can be read while this set is materialised.
        """
        left_out = set(fold)
        tiles = tuple(tile for tile in self._tiles if tile.source not in left_out)
        names = tuple(tile.name for tile in tiles) or tuple(n for n in self.training if n not in left_out)
        return replace(self, training=names, calibration=fold, _tiles=tiles)

    @property
    def source_groups(self) -> dict[str, str]:
        """Return the group of each training image by name; if there is only one, each image is its own."""
        found = {name: self.groups[name] for name in self.sources}
        return found if len(set(found.values())) > 1 else {name: name for name in found}

    @property
    def training_groups(self) -> tuple[str, ...]:
        """The group of each of `training`, in their order; a tile is of the group of its image."""
        groups = self.source_groups
        sources = [tile.source for tile in self._tiles] or self.training
        return tuple(groups[source] for source in sources)

    @contextmanager
    def materialised(self, folder: Path | None, cutting: Progress) -> Iterator[None]:
        """Cut the training tiles, so that they can be read; does nothing if images are used whole.

        Args:
            folder: folder for the tiles; existing tiles are kept. None uses a temporary folder.
            cutting: called with (done, total) images.

        Raises:
            ImageError: an image can no longer be read.
        """
        with tempfile.TemporaryDirectory() as scratch:
            for done, source in enumerate(self.sources if self._tiles else (), start=1):
                self._cut(source, folder or Path(scratch))
                cutting(done, len(self.sources))
            yield

    def _cut(self, source: str, folder: Path) -> None:
        places = {}
        for number, tile in enumerate(self._tiles):
            if tile.source == source:
                path = folder / f"{number:05d}.tif"
                places[path], self._pictures[tile.name] = tile.origin, path
        cut_tiles(self._pictures[source], places, self._cache.size, self._cache.channels)

    def picture(self, name: str) -> Picture:
        """Return a training or calibration image by its name; raises KeyError if there is none."""
        return self._pictures[name]

    def training_images(self) -> Iterator[Picture]:
        """Return the training images one after another, as whole images even if training uses tiles."""
        return (self._pictures[name] for name in self.sources)

    @property
    def calibrating(self) -> tuple[str, ...]:
        """Names of the images whose scores set the threshold: held-out ones, or all if folds calibrate."""
        return self.calibration or self.sources

    def calibrating_images(self) -> Iterator[Picture]:
        """Iterate over the images whose scores set the threshold."""
        return (self._pictures[name] for name in self.calibrating)

    def calibration_images(self) -> Iterator[Picture]:
        """Iterate over the held-out images."""
        return (self._pictures[name] for name in self.calibration)

    def fingerprint(self) -> dict[str, Any]:
        """Return the name and SHA-256 of each image, for training and calibration, and the groups."""
        parts = {"training": self.sources, "calibration": self.calibration}
        hashes = {part: {n: _hash(self._pictures[n]) for n in names} for part, names in parts.items()}
        return {**self._origin, **hashes, "groups": dict(sorted(self.groups.items()))}

    def facts(self) -> dict[str, Any]:
        """Return the counts and the skipped files, for the record of the training."""
        return {
            "n_training": len(self.sources),
            **({"n_tiles": len(self._tiles)} if self._tiles else {}),
            "n_calibration": len(self.calibrating),
            "groups": self._group_facts(),
            **({"reduction": dataclasses.asdict(self.reduction)} if self.reduction else {}),
            "skipped": {finding.name: finding.reason for finding in self.skipped},
        }

    def _group_facts(self) -> dict[str, Any]:
        counts = {
            part: len({self.groups[name] for name in names})
            for part, names in (("training", self.sources), ("calibration", self.calibration))
        }
        return {**counts, "basis": self.grouping.basis, "sure": self.grouping.sure}


def prepare(
    dataset: Dataset | Sequence[NDArray[Any] | str | Path],
    settings: Settings,
    reading: Progress | None = None,
    recorded: Mapping[str, str] | None = None,
) -> TrainingSet:
    """Find the readable normal images, determine size and channels, and hold some out for calibration.

    Args:
        dataset: a data set, or a sequence of normal images as arrays or paths.
        settings: settings of image, calibration and training.
        reading: called with (done, total) while the images are checked.
        recorded: groups of a run that has begun, by the image's name, as its fingerprint records them; an
            image that it does not name has the group that the data set states. None finds the groups.

    Raises:
        DatasetError: there are no normal images, none can be read, too few to hold some out, or the rule of
            `calibration.groups` does not fit their names.
        ImageError: an array is not an image.
    """
    return _part(_usable(dataset, settings, reading), settings, recorded)


def _usable(
    dataset: Dataset | Sequence[NDArray[Any] | str | Path], settings: Settings, reading: Progress | None
) -> _Usable:
    """Find the images that can be trained on."""
    if isinstance(dataset, Dataset):
        return _from_dataset(dataset, settings, reading)
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
        return _from_dataset(Dataset(Path(), "images", samples), settings, reading)
    if paths:
        raise DatasetError("some images are arrays and some are paths: give only one kind")
    return _from_arrays(pictures, settings)


class _Usable(NamedTuple):
    """Normal images that can be trained on, by name."""

    samples: tuple[Sample, ...]
    tiling: Tiling | None
    sizes: dict[str, Size]
    colour: bool
    skipped: tuple[Finding, ...]
    pictures: dict[str, Picture]
    origin: dict[str, Any]
    columns: Mapping[str, Mapping[str, str]]


def _part(usable: _Usable, settings: Settings, recorded: Mapping[str, str] | None) -> TrainingSet:
    """Determine size and channels, and split the images for training and calibration."""
    sizes = list(usable.sizes.values())
    tiling = usable.tiling
    size = tiling.size if tiling else settings.image.size or default_size(sizes)
    derived: Channels = 3 if usable.colour else 1
    channels = settings.image.channels or derived
    samples, grouping = _grouped(usable, settings, recorded)
    training, calibration = _split(samples, settings)
    tiles: tuple[Tile, ...] = ()
    if tiling is not None:
        shown = {sample.name: usable.sizes[sample.name] for sample in training}
        tiles = choose_tiles(shown, size, settings.training.seed)
    return TrainingSet(
        image_format=ImageFormat(size, channels, tiling),
        training=tuple(each.name for each in tiles or training),
        calibration=tuple(sample.name for sample in calibration),
        skipped=usable.skipped,
        reduction=None if tiling else Reduction.to(size, sizes),
        grouping=grouping,
        _pictures=usable.pictures,
        _cache=ImageCache(size, channels, settings.training.cache_mb * 2**20),
        _origin=usable.origin,
        _tiles=tiles,
    )


def _split(samples: tuple[Sample, ...], settings: Settings) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the samples for training and those that are held out: none if folds of them calibrate."""
    chosen = settings.calibration
    if not chosen.folds:
        return hold_out(samples, chosen.holdout)
    # One group alone is an error here, too: nothing would be left to train on beside its fold.
    choose_groups((sample.group for sample in samples), chosen.holdout, seed=0)
    return tuple(sorted(samples, key=lambda sample: sample.name)), ()


def _grouped(
    usable: _Usable, settings: Settings, recorded: Mapping[str, str] | None
) -> tuple[tuple[Sample, ...], Grouping]:
    """Give the samples their groups: those of the run that has begun, or those that are found."""
    if recorded is None:
        return group_samples(
            usable.samples, GroupRule.parse(settings.calibration.groups), columns=usable.columns
        )
    samples = tuple(replace(s, group=recorded.get(s.name, s.group)) for s in usable.samples)
    return samples, Grouping({s.name: s.group for s in samples}, "the groups that the run began with", True)


def _from_dataset(dataset: Dataset, settings: Settings, reading: Progress | None) -> _Usable:
    if not dataset.train:
        raise DatasetError(
            f"{dataset.root}: there are no normal training images; `excision check` shows what was understood"
        )
    tiling = _tiling(settings, (header.size for header in readable_headers(dataset.train)))
    decode = check_decodes if tiling is None else partial(_decode_large, tiling)
    good, skipped = readable(dataset.train, reading, decode)
    if not good:
        first = f"; the first: {skipped[0].reason}" if tiling else ""
        raise DatasetError(
            f"{dataset.root}: none of the {len(dataset.train)} training images can be read{first}"
        )
    check_readable(len(good), len(skipped), dataset)
    headers = {sample.name: probe_image(sample.image) for sample in good}
    return _Usable(
        samples=good,
        tiling=tiling,
        sizes={name: header.size for name, header in headers.items()},
        colour=any(header.colour for header in headers.values()),
        skipped=skipped,
        pictures={sample.name: sample.image for sample in good},
        origin=_origin(dataset),
        columns=dataset.columns,
    )


def _origin(dataset: Dataset) -> dict[str, Any]:
    dropped = {"dropped": sorted(dataset.dropped)} if dataset.dropped else {}
    return {"root": dataset.root.name, "layout": dataset.layout, **dropped}


def _tiling(settings: Settings, sizes: Iterable[Size]) -> Tiling | None:
    """Return the tiling of the settings, or that of strips; `sizes` is evaluated only if it is needed."""
    if settings.image.tile is not None or settings.image.size is not None or settings.score.top > 0:
        return settings.tiling
    known = list(sizes)
    tile = strip_tile(known) if known else None
    try:
        return replace(settings, image=replace(settings.image, tile=tile)).tiling
    except SettingsError:
        # Networks deeper than the default need larger tiles than fit into the strips.
        return None


def _decode_large(tiling: Tiling, path: Path) -> None:
    tiling.check(*probe_image(path).size, str(path))
    any_full_image(path, 1)


def _from_arrays(pictures: dict[str, Picture], settings: Settings) -> _Usable:
    arrays = {
        name: _checked(name, picture) for name, picture in pictures.items() if isinstance(picture, np.ndarray)
    }
    if len(arrays) < 2:
        raise DatasetError(
            f"{len(arrays)} images are too few: calibration holds at least one out of training"
        )
    sizes = {name: (array.shape[0], array.shape[1]) for name, array in arrays.items()}
    tiling = _tiling(settings, sizes.values())
    if tiling is not None:
        for name, size in sizes.items():
            tiling.check(*size, f"image {name} of the given images")
    return _Usable(
        samples=tuple(Sample(name, Path(name), "train", "good", None, name) for name in arrays),
        tiling=tiling,
        sizes=sizes,
        colour=any(array.ndim == 3 and array.shape[2] >= 3 for array in arrays.values()),
        skipped=(),
        pictures=dict(arrays),
        origin={"root": "", "layout": "arrays"},
        columns={},
    )


def _checked(name: str, picture: NDArray[Any]) -> NDArray[Any]:
    """Give an array as a plain one, or refuse it by its name."""
    try:
        plain = given_array(picture)
        array_image(plain, 1)
        return plain
    except ImageError as error:
        raise ImageError(f"image {name} of the given images: {error}") from error


def _picture(image: NDArray[Any] | str | Path) -> Picture:
    return image if isinstance(image, np.ndarray) else Path(image)


def _hash(picture: Picture) -> str:
    if isinstance(picture, Path):
        return sha256(picture)
    described = f"{picture.dtype}{picture.shape}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(picture).tobytes()).hexdigest()
