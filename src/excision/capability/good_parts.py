"""The good parts that defects are drawn on: held out of training, each once, not flagged as they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from excision.capability.known_images import KnownImages
from excision.capability.part import Mask, find_part, has_background
from excision.capability.pictures import as_given
from excision.data import Sample
from excision.data.groups import GroupRule, group_samples
from excision.data.images import any_full_image
from excision.data.records import GOOD
from excision.errors import DatasetError, ImageError
from excision.inspection.good_images import GoodImages
from excision.method.calibration import Calibration
from excision.predictions import Prediction
from excision.progress import Progress
from excision.runtime.trained_on import image_key
from excision.tiling.image_format import ImageFormat

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
    known, parts, seen = KnownImages.of(folder), GoodParts(), set[str]()
    parts.trained_on = 0 if known.are_known else None
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


def _group(
    images: GoodImages, rule: GroupRule | None, known: KnownImages, parts: GoodParts
) -> dict[Path, str]:
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
    known: KnownImages,
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
    prediction = model.inspect(as_given(image))
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
