"""The data of a training: normal images, split for training and calibration."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data import Sample
from excision.data.decode import array_image
from excision.data.groups import Grouping
from excision.data.images import ImageCache, working_image
from excision.data.preparation import Finding
from excision.data.sizes import Reduction
from excision.data.splits import make_folds
from excision.data.working_size import SmallestDefect
from excision.progress import Progress
from excision.tiling.cutting import Tile, cut_tiles
from excision.tiling.image_format import ImageFormat
from excision.training import KNOWN_DEFECTS, WARM_START
from excision.training.given_defects import Defects, read_known_defects
from excision.training.known_defects import KnownDefects
from excision.training.usable import Picture, picture_hash
from excision.training.warm_start import WarmStart


@dataclass(frozen=True)
class TrainingSet:
    """Normal images, split for training and calibration.

    Attributes:
        image_format: size, channels and tiles of the working images.
        training: names of the training images, or of the tiles cut from them.
        calibration: names of the images held out to set the decision threshold.
        skipped: files that could not be read.
        reduction: how far resizing reduces the images; None if they are used in tiles.
        smallest_defect: how small a defect can be seen.
        grouping: which of the images belong together, what that was found from, and how sure it is.
        cross_fits: whether the training images help to set the threshold, too.
        known: images of known defects, which sharpen the attention and nothing else; None if none were given.
        warm: networks that the training starts from, and what they have seen; None starts from nothing.
    """

    image_format: ImageFormat
    training: tuple[str, ...]
    calibration: tuple[str, ...]
    skipped: tuple[Finding, ...]
    reduction: Reduction | None
    smallest_defect: SmallestDefect
    grouping: Grouping
    _pictures: dict[str, Picture]
    _cache: ImageCache
    _origin: dict[str, Any]
    _tiles: tuple[Tile, ...] = ()
    cross_fits: bool = False
    known: KnownDefects | None = None
    warm: WarmStart | None = None
    _hashes: Mapping[str, str] = field(default_factory=dict)

    def read(self, index: int) -> NDArray[np.uint16]:
        """Return the working image (H, W, C), with 65535 for 1, of a training image by its index."""
        picture = self._pictures[self.training[index]]
        if isinstance(picture, Path):
            return self._cache.get(picture)
        pixels = array_image(picture, self._cache.channels)
        return working_image(pixels, self._cache.size)

    def with_known(
        self, defects: Defects, test: Iterable[Sample], reading: Progress | None = None
    ) -> TrainingSet:
        """Return the set with images of known defects, which must be neither good nor test images.

        Args:
            defects: as a caller gives them.
            test: test images of the data set.
            reading: called with (done, total) while they are read.

        Raises:
            DatasetError, ImageError: as `read_known_defects`.
        """
        good = {name: picture_hash(picture) for name, picture in self.good_images()}
        known = read_known_defects(defects, self.image_format, good, test, reading)
        return replace(self, known=known, _hashes=good)

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
        """Names of the images whose scores set the threshold: all, or those that were held out."""
        if self.cross_fits:
            return (*self.sources, *self.calibration)
        return self.calibration or self.sources

    def calibrating_images(self) -> Iterator[Picture]:
        """Iterate over the images whose scores set the threshold."""
        return (self._pictures[name] for name in self.calibrating)

    def good_images(self) -> Iterator[tuple[str, Picture]]:
        """Return names and pictures of all images, for training and calibration, as whole images."""
        return ((name, self._pictures[name]) for name in (*self.sources, *self.calibration))

    def calibration_images(self) -> Iterator[Picture]:
        """Iterate over the held-out images."""
        return (self._pictures[name] for name in self.calibration)

    def fingerprint(self) -> dict[str, Any]:
        """Return the name and SHA-256 of each image, by what it is used for, and the groups."""
        parts = {"training": self.sources, "calibration": self.calibration}
        hashes = {part: {name: self._hash(name) for name in names} for part, names in parts.items()}
        known = {} if self.known is None else self.known.fingerprint()
        warm = {} if self.warm is None else {WARM_START: self.warm.to_json()}
        return {**self._origin, **hashes, "groups": dict(sorted(self.groups.items())), **known, **warm}

    def _hash(self, name: str) -> str:
        return self._hashes.get(name) or picture_hash(self._pictures[name])

    def facts(self) -> dict[str, Any]:
        """Return the counts and the skipped files, for the record of the training."""
        return {
            "n_training": len(self.sources),
            **({"n_tiles": len(self._tiles)} if self._tiles else {}),
            "n_calibration": len(self.calibrating),
            "groups": self._group_facts(),
            **({"reduction": dataclasses.asdict(self.reduction)} if self.reduction else {}),
            "smallest_defect": dataclasses.asdict(self.smallest_defect),
            "skipped": {finding.name: finding.reason for finding in self.skipped},
            **({} if self.known is None else {KNOWN_DEFECTS: self.known.facts()}),
        }

    def _group_facts(self) -> dict[str, Any]:
        counts = {
            part: len({self.groups[name] for name in names})
            for part, names in (("training", self.sources), ("calibration", self.calibrating))
        }
        return {**counts, "basis": self.grouping.basis, "sure": self.grouping.sure}
