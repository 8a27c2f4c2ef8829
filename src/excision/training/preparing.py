"""From a data set or images to the data of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from excision.data import Dataset, Sample
from excision.data.groups import Grouping, GroupRule, group_samples
from excision.data.images import ImageCache
from excision.data.sizes import Reduction
from excision.data.splits import choose_groups, hold_out, hold_out_apart
from excision.progress import Progress
from excision.settings import Settings
from excision.tiling.cutting import Tile, choose_tiles
from excision.tiling.image_format import Channels, ImageFormat
from excision.training.given_groups import Groups, by_name
from excision.training.sizing import choose_size, smallest_defect
from excision.training.training_set import TrainingSet
from excision.training.usable import Usable, find_usable, picture_hash
from excision.training.warm_start import WarmStart


def prepare(
    dataset: Dataset | Sequence[NDArray[Any] | str | Path],
    settings: Settings,
    reading: Progress | None = None,
    recorded: Mapping[str, str] | None = None,
    given: Groups | None = None,
    warm: WarmStart | None = None,
) -> TrainingSet:
    """Find the readable normal images, determine size and channels, and hold some out for calibration.

    Args:
        dataset: a data set, or a sequence of normal images as arrays or paths.
        settings: settings of image, calibration and training.
        reading: called with (done, total) while the images are checked.
        recorded: groups of a run that has begun, by the image's name, as its fingerprint records them; an
            image that it does not name has the group that the data set states. None finds the groups.
        given: the group of each image, unless a run has recorded them.
        warm: networks that the training starts from: what they have been trained on is never held out.

    Raises:
        DatasetError: there are no normal images, none can be read, too few to hold some out, or the rule of
            `calibration.groups` or the given groups do not fit them.
        ImageError: an array is not an image.
    """
    basis = "the groups that the run began with"
    if given is not None and recorded is None:
        recorded, basis = by_name(dataset, given), "the groups that were given"
    return _part(find_usable(dataset, settings, reading, recorded is None), settings, recorded, basis, warm)


def _part(
    usable: Usable,
    settings: Settings,
    recorded: Mapping[str, str] | None,
    basis: str,
    warm: WarmStart | None,
) -> TrainingSet:
    """Determine size and channels, and split the images for training and calibration."""
    sizes = list(usable.sizes.values())
    tiling = usable.tiling
    size = choose_size(settings, tiling, sizes)
    derived: Channels = 3 if usable.colour else 1
    channels = settings.image.channels or derived
    samples, grouping = _grouped(usable, settings, recorded, basis)
    hashes = {} if warm is None else {name: picture_hash(each) for name, each in usable.pictures.items()}
    training, calibration = _split(samples, settings, hashes, warm)
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
        smallest_defect=smallest_defect(settings, sizes, size, tiling is not None),
        grouping=grouping,
        _pictures=usable.pictures,
        _cache=ImageCache(size, channels, settings.training.cache_mb * 2**20),
        _origin=usable.origin,
        _tiles=tiles,
        warm=warm,
        _hashes=hashes,
    )


def _split(
    samples: tuple[Sample, ...], settings: Settings, hashes: Mapping[str, str], warm: WarmStart | None
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the samples for training and those that are held out: none if folds of them calibrate."""
    chosen = settings.calibration
    if warm is not None:
        seen = {name for name, digest in hashes.items() if digest in warm.seen}
        held = {name for name, digest in hashes.items() if digest in warm.held_out}
        return hold_out_apart(samples, seen, held, chosen.holdout)
    if not chosen.folds:
        return hold_out(samples, chosen.holdout)
    # One group alone is an error here, too: nothing would be left to train on beside its fold.
    choose_groups((sample.group for sample in samples), chosen.holdout, seed=0)
    return tuple(sorted(samples, key=lambda sample: sample.name)), ()


def _grouped(
    usable: Usable, settings: Settings, recorded: Mapping[str, str] | None, basis: str
) -> tuple[tuple[Sample, ...], Grouping]:
    """Give the samples their groups: those that are known, as `basis` says, or those that are found."""
    if recorded is None:
        return group_samples(
            usable.samples, GroupRule.parse(settings.calibration.groups), usable.looks, usable.columns
        )
    samples = tuple(replace(s, group=recorded.get(s.name, s.group)) for s in usable.samples)
    return samples, Grouping({s.name: s.group for s in samples}, basis, True)
