"""The good parts that defects are drawn on: held out of training, each once, not flagged as they are."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from excision.capability.part import Mask, Part, find_part, has_background
from excision.data import Sample
from excision.data.groups import GroupRule, group_samples
from excision.data.images import any_full_image, resize_mask
from excision.data.records import GOOD
from excision.errors import DatasetError, ImageError
from excision.inspection.good_images import GoodImages
from excision.method.calibration import Calibration
from excision.predictions import Prediction
from excision.progress import Progress
from excision.runtime.trained_on import TrainedOn, image_key
from excision.system.files import sha256
from excision.tiling.image_format import ImageFormat

_FINGERPRINT = "fingerprint.json"
_CACHE = 256 * 2**20
_LOOKED_AT = 20
"""Images in which a background is looked for."""


class Model(Protocol):
    """What inspects: a `Detector` or an `Inspector`."""

    @property
    def threshold(self) -> float:
        """Decision threshold."""

    @property
    def calibration(self) -> Calibration:
        """The decision threshold and its promise."""

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images."""

    def inspect(self, image: NDArray[np.uint16], /) -> Prediction:
        """Inspect one image."""


@dataclass(frozen=True, slots=True)
class GoodPart:
    """A good part.

    Attributes:
        path: image file.
        group: group of the part: images of one group are not independent.
        plain: anomaly score without a defect.
    """

    path: Path
    group: str
    plain: float


@dataclass(slots=True)
class GoodParts:
    """The good parts of a study.

    Attributes:
        quiet: those that the model passes, on which defects are drawn.
        flagged: those that it calls defective as they are: false calls.
        trained_on: number of images that were left out because the model was trained on them; None if the
            folder does not say which these are.
        calibrated: number of images among them that set the threshold, as far as the folder tells.
        unfit: number of images that were left out because the model cannot judge them.
        repeated: number of images that have the same pixels as another.
        unreadable: why an image could not be read, one message each.
        size: height and width of the first image in pixels.
        background: whether the parts stand before an even background.
        basis: what the groups were found from.
    """

    quiet: list[GoodPart] = field(default_factory=list)
    flagged: list[GoodPart] = field(default_factory=list)
    trained_on: int | None = None
    calibrated: int = 0
    unfit: int = 0
    repeated: int = 0
    unreadable: list[str] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    background: bool = False
    basis: str = ""

    @property
    def all(self) -> list[GoodPart]:
        """All parts that were inspected."""
        return [*self.quiet, *self.flagged]


class Pictures:
    """Images at their full size with the part in each, the last few kept in memory.

    Args:
        channels: of the model.
        region: (H, W), where a defect counts, at any size; None for everywhere.
        background: whether the part is to be told from a background.
    """

    def __init__(self, channels: int, region: Mask | None, background: bool) -> None:
        self._channels = channels
        self._region = region
        self._background = background
        self._kept: OrderedDict[Path, tuple[NDArray[np.uint16], Part]] = OrderedDict()
        self._bytes = 0

    def get(self, path: Path) -> tuple[NDArray[np.uint16], Part]:
        """Give an image (H, W, C) uint16 and the part in it.

        Raises:
            ImageError: the file cannot be read any more.
        """
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        image = any_full_image(path, self._channels)
        found = (image, Part.of(self._part(image)))
        self._kept[path] = found
        self._bytes += image.nbytes + found[1].mask.nbytes
        while self._bytes > _CACHE and len(self._kept) > 1:
            _, (old, part) = self._kept.popitem(last=False)
            self._bytes -= old.nbytes + part.mask.nbytes
        return found

    def _part(self, image: NDArray[np.uint16]) -> Mask:
        size = (image.shape[0], image.shape[1])
        found = find_part(image) if self._background else None
        mask = np.ones(size, dtype=np.bool_) if found is None else found
        if self._region is not None:
            inside = mask & resize_mask(self._region, size)
            mask = inside if inside.any() else resize_mask(self._region, size)
        return mask if mask.any() else np.ones(size, dtype=np.bool_)


def choose_parts(
    model: Model,
    folder: Path,
    images: GoodImages,
    rule: GroupRule | None,
    most: int,
    seed: int,
    progress: Progress,
    whole_image: bool = False,
) -> GoodParts:
    """Inspect good images without a defect, and keep those that the model passes.

    Args:
        model: what inspects.
        folder: that it was loaded from, which says what it was trained on.
        images: image files, with the groups that a data set states.
        rule: how a person says that the groups are to be formed; None finds them.
        most: number of images to inspect at most; chosen at random, whole groups in turn.
        seed: of that choice.
        progress: called with (done, total).
        whole_image: draw everywhere, even where a background is found.

    Raises:
        DatasetError: no image is left, or each is called defective.
    """
    known, parts, seen = _Known.of(folder), GoodParts(), set[str]()
    parts.trained_on = 0 if known.known else None
    found: list[Mask | None] = []
    groups = _group(images, rule, known, parts)
    chosen = _chosen(groups, most, seed)
    for done, path in enumerate(chosen, start=1):
        try:
            _add(model, path, groups[path], known, seen, parts, found)
        except ImageError as error:
            parts.unreadable.append(str(error))
        except OSError as error:
            parts.unreadable.append(f"{path}: {error.strerror}")
        progress(done, len(chosen))
    parts.background = not whole_image and has_background(found)
    _check(parts)
    return parts


def _group(images: GoodImages, rule: GroupRule | None, known: _Known, parts: GoodParts) -> dict[Path, str]:
    """Leave out the files that were trained on, and give the rest their groups."""
    samples = []
    for path in images.images:
        if known.has_file(path):
            parts.trained_on = (parts.trained_on or 0) + 1
        else:
            parts.calibrated += known.has_calibrated(path)
            samples.append(Sample(str(path), path, "train", GOOD, None, images.stated.get(path, str(path))))
    if not samples:
        return {}
    grouped, grouping = group_samples(samples, rule, columns=images.columns)
    parts.basis = grouping.basis
    return {sample.image: sample.group for sample in grouped}


def _chosen(groups: dict[Path, str], most: int, seed: int) -> list[Path]:
    """Choose images, one of each group in turn."""
    held: dict[str, list[Path]] = {}
    for path, group in groups.items():
        held.setdefault(group, []).append(path)
    rng = np.random.default_rng((seed, 1))
    names = sorted(held)
    order = [held[names[place]] for place in rng.permutation(len(names))]
    turns = max(map(len, order), default=0)
    in_turn = [members[turn] for turn in range(turns) for members in order if turn < len(members)]
    return in_turn[:most]


def _add(
    model: Model,
    path: Path,
    group: str,
    known: _Known,
    seen: set[str],
    parts: GoodParts,
    found: list[Mask | None],
) -> None:
    image = any_full_image(path, model.image_format.channels)
    key = image_key(image)
    if key in seen:
        parts.repeated += 1
        return
    seen.add(key)
    if known.has_image(model.image_format.read(image)):
        parts.trained_on = (parts.trained_on or 0) + 1
        return
    prediction = model.inspect(image if image.shape[2] > 1 else image[..., 0])
    if prediction.unfit:
        parts.unfit += 1
        return
    part = GoodPart(path, group, float(prediction.score))
    (parts.flagged if prediction.score > model.threshold else parts.quiet).append(part)
    if parts.size == (0, 0):
        parts.size = (image.shape[0], image.shape[1])
    if len(found) < _LOOKED_AT:
        found.append(find_part(image))


def _check(parts: GoodParts) -> None:
    if parts.quiet:
        return
    if parts.flagged:
        raise DatasetError(
            f"the model calls every one of the {len(parts.flagged)} good images defective: calibrate it on "
            "images like these first"
        )
    reasons = [f"{parts.trained_on} were trained on"] if parts.trained_on else []
    reasons += [f"{parts.unfit} are unfit for the model"] if parts.unfit else []
    reasons += [f"{len(parts.unreadable)} cannot be read"] if parts.unreadable else []
    why = f" ({', '.join(reasons)})" if reasons else ""
    raise DatasetError(f"no good image is left to draw defects on{why}: give images that were held out")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a model was trained on, as its folder tells."""

    exported: TrainedOn | None
    files: frozenset[str]
    calibration: frozenset[str]

    @property
    def known(self) -> bool:
        return self.exported is not None or bool(self.files)

    @classmethod
    def of(cls, folder: Path) -> _Known:
        told = _fingerprint(folder / _FINGERPRINT)
        return cls(TrainedOn.load(folder), told["training"], told["calibration"])

    def has_file(self, path: Path) -> bool:
        try:
            if self.exported is not None and self.exported.has_file(path):
                return True
            return bool(self.files) and sha256(path) in self.files
        except OSError:
            return False  # it is reported when it is opened

    def has_calibrated(self, path: Path) -> bool:
        try:
            return bool(self.calibration) and sha256(path) in self.calibration
        except OSError:
            return False

    def has_image(self, working: NDArray[np.uint16]) -> bool:
        return self.exported is not None and image_key(working) in self.exported.images


def _fingerprint(path: Path) -> dict[str, frozenset[str]]:
    """Give the hashes of the training and of the calibration images of a run folder."""
    parts = ("training", "calibration")
    nothing = dict.fromkeys(parts, frozenset[str]())
    try:
        if not path.is_file() or path.stat().st_size > _CACHE:
            return nothing
        content: Any = json.loads(path.read_text("utf-8"))
        return {part: frozenset(map(str, content[part].values())) for part in parts}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return nothing
