"""Good images for a calibration: found, told from those that were trained on, and scored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from excision.data import Dataset, load_dataset
from excision.data.layouts import LAYOUTS
from excision.data.layouts.folder import lies_beside_good
from excision.errors import DatasetError, ImageError
from excision.inspection.batch import find_images
from excision.progress import Progress
from excision.runtime.inspector import Inspector
from excision.runtime.trained_on import TrainedOn, image_key


@dataclass(frozen=True, slots=True)
class GoodImages:
    """What was found.

    Attributes:
        images: image files, each once.
        notes: how folders were understood, one sentence each.
    """

    images: list[Path]
    notes: list[str]


@dataclass(slots=True)
class GoodScores:
    """What good images score.

    Attributes:
        scores: anomaly score of each image that counts.
        trained_on: number of images left out because the model was trained on them; None if the folder does
            not say which these are.
        repeated: number of images left out because they have the same pixels as another.
        unreadable: why an image could not be read, one message each.
    """

    scores: list[float] = field(default_factory=list)
    trained_on: int | None = None
    repeated: int = 0
    unreadable: list[str] = field(default_factory=list)


def find_good_images(paths: Sequence[Path]) -> GoodImages:
    """Find good images: given files, all images of plain folders, and the good images of labelled data sets.

    Raises:
        DatasetError: there is no image, a folder looks like a labelled data set but is ambiguous, or it seems
            to hold the defective images of one.
    """
    found: dict[Path, None] = {}
    notes: list[str] = []
    for path in paths:
        if path.is_dir() and lies_beside_good(path):
            raise DatasetError(
                f"{path}: lies beside a folder of good images, so its images seem to be defective. Name good "
                "images only; if these are good, name the files or rename the folder to good/"
            )
        dataset = _labelled(path)
        if dataset is None:
            found |= dict.fromkeys(find_images([path]))
            continue
        good = [sample.image for sample in dataset.samples if not sample.defective]
        found |= dict.fromkeys(good)
        if dataset.layout == "folder" and not any(sample.defective for sample in dataset.samples):
            continue
        notes.append(
            f"{path} is a labelled data set (layout {dataset.layout}): its {len(good)} good images are "
            "used, and no defective one."
        )
    return GoodImages(list(found), notes)


def _labelled(path: Path) -> Dataset | None:
    """Read a labelled data set; None for a plain file, and for a folder that no layout recognises."""
    if path.is_file() and path.suffix.lower() != ".csv":
        return None
    if not any(layout.recognise(path) for layout in LAYOUTS.values()):
        return None
    return load_dataset(path)


def score_good_images(inspector: Inspector, images: Iterable[Path], progress: Progress) -> GoodScores:
    """Score good images, each content once, except those that the model was trained on.

    Args:
        inspector: exported model.
        images: image files.
        progress: called with (done, total).

    Raises:
        ModelError: the model cannot compute, or the hashes of its training images are damaged.
    """
    known = TrainedOn.load(inspector.folder)
    good, seen = GoodScores(trained_on=None if known is None else 0), set[str]()
    images = list(images)
    for done, path in enumerate(images, start=1):
        try:
            _score(inspector, path, known, seen, good)
        except ImageError as error:
            good.unreadable.append(str(error))
        except OSError as error:
            good.unreadable.append(f"{path}: {error.strerror}")
        progress(done, len(images))
    return good


def _score(
    inspector: Inspector, path: Path, known: TrainedOn | None, seen: set[str], good: GoodScores
) -> None:
    working = inspector.working(path)
    key = image_key(working)
    if known is not None and (key in known.images or known.has_file(path)):
        good.trained_on = (good.trained_on or 0) + 1
    elif key in seen:
        good.repeated += 1
    else:
        seen.add(key)
        good.scores.append(inspector.inspect_working(working).score)
