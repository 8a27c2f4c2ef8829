"""The figures of a detector on a labelled data set, from one pass over the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from excision.data.decode import probe_image
from excision.data.images import resize_mask
from excision.data.masks import examine_mask
from excision.data.records import Dataset, Sample
from excision.errors import DatasetError, ImageError
from excision.evaluation import metrics
from excision.evaluation.counts import kinds_of
from excision.evaluation.evaluation import Evaluation, Skipped
from excision.evaluation.examples import ScoredImage
from excision.evaluation.pixel import PixelMetrics
from excision.predictions import Detection, Method
from excision.progress import Progress
from excision.system.in_order import in_order

Keep = Callable[[Sample, Detection, "NDArray[np.bool_] | None"], None]
"""Called with each test image, its prediction, and the ground truth, if known."""


def measure(
    method: Method,
    dataset: Dataset,
    progress: Progress | None = None,
    keep: Keep | None = None,
    workers: int = 1,
) -> Evaluation:
    """Inspect the test images of a data set, each alone, and compare the verdicts with the labels.

    Memory stays flat: only the score of each image is kept, and the pixel metrics are updated in place.

    Args:
        method: a detector, or anything that finds anomalies.
        dataset: data set with test images.
        progress: called after each image.
        keep: called with each image that was inspected; from several threads at once with several workers.
        workers: images inspected at once, each in a thread. The figures do not depend on it, but the time of
            an image is that beside others.

    Raises:
        DatasetError: there is no test image, or none that can be read.
    """
    samples = dataset.test
    if not samples:
        raise DatasetError(
            f"{dataset.root}: no test images in this data set (layout {dataset.layout}); put good ones into "
            "test/good and defective ones into test/<kind of defect>, or list them in a CSV with split test"
        )
    tally, look = _Tally(), partial(_look, method, keep)
    # One worker has no images ahead, so that memory is that of one image.
    seen = map(look, samples) if workers == 1 else in_order(look, samples, workers)
    for done, each in enumerate(seen, start=1):
        tally.add(each)
        if progress is not None:
            progress(done, len(samples))
    return _conclude(tally, dataset, method.threshold)


def read_ground_truth(
    sample: Sample, size: tuple[int, int], doubts: list[str] | None = None
) -> NDArray[np.bool_] | None:
    """Read the ground truth of a sample at the size (H, W) of an anomaly map.

    Args:
        sample: of a data set.
        size: (H, W) of the anomaly map.
        doubts: receives a sentence if the mask may have been read in another way than it was meant.

    Returns:
        (H, W) bool, all False for a good sample; None for a defect without a mask.

    Raises:
        ImageError: the mask cannot be read, or its size differs from the image's.
    """
    if not sample.defective:
        return np.zeros(size, dtype=bool)
    if sample.mask is None:
        return None
    mask = examine_mask(sample.mask, probe_image(sample.image).size)
    if doubts is not None and mask.doubts:
        doubts.append(f"{sample.name}: {mask.doubts[0]}")
    return resize_mask(mask.marked, size)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What came of one test image.

    Attributes:
        sample: the image.
        prediction: for it; None if it could not be inspected.
        ground_truth: as `read_ground_truth` gives it; None if it is not known, or cannot be read.
        problem: why the image could not be inspected, or else why its mask cannot be used; "" for neither.
        doubts: whether its mask may have been read in another way than it was meant.
    """

    sample: Sample
    prediction: Detection | None = None
    ground_truth: NDArray[np.bool_] | None = None
    problem: str = ""
    doubts: tuple[str, ...] = ()


def _look(method: Method, keep: Keep | None, sample: Sample) -> _Seen:
    """Inspect one sample, and read its ground truth."""
    try:
        prediction = next(iter(method.predict([sample.image])))
    except ImageError as error:
        return _Seen(sample, problem=str(error))
    if not (math.isfinite(prediction.score) and np.isfinite(prediction.anomaly_map).all()):
        return _Seen(sample, problem="the model gives no finite anomaly score for this image")
    height, width = prediction.anomaly_map.shape
    ground_truth, problem, doubts = None, "", list[str]()
    try:
        ground_truth = read_ground_truth(sample, (height, width), doubts)
    except ImageError as error:
        problem = str(error)
    if keep is not None:
        keep(sample, prediction, ground_truth)
    return _Seen(sample, prediction, ground_truth, problem, tuple(doubts))


@dataclass
class _Tally:
    """The results of the pass over the images so far."""

    images: list[ScoredImage] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    pixels: PixelMetrics = field(default_factory=PixelMetrics)
    without_mask: int = 0
    broken_masks: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, seen: _Seen) -> None:
        """Add one sample, or record that it could not be inspected."""
        sample, prediction = seen.sample, seen.prediction
        if prediction is None:
            self.skipped.append(Skipped(sample.name, seen.problem))
            return
        self.images.append(
            ScoredImage(
                sample.name,
                sample.label,
                prediction.score,
                prediction.verdict,
                prediction.p_value,
                prediction.unfit,
                sample.group,
            )
        )
        self.seconds.append(prediction.seconds)
        self.doubts += seen.doubts
        if seen.problem:
            self.broken_masks.append(seen.problem)
        elif seen.ground_truth is None:
            self.without_mask += 1
        else:
            self.pixels.update(prediction.anomaly_map, seen.ground_truth)


def _conclude(tally: _Tally, dataset: Dataset, threshold: float) -> Evaluation:
    images = tally.images
    if not images:
        first = tally.skipped[0]
        raise DatasetError(
            f"{dataset.root}: none of the {len(tally.skipped)} test images can be inspected; "
            f"the first, {first.name}: {first.reason}"
        )
    defective = np.array([image.defective for image in images])
    scores = np.array([image.score for image in images])
    both = bool(defective.any() and not defective.all())
    alarms = np.array([image.verdict == "defect" for image in images])
    fit = np.array([image.verdict != "unfit" for image in images])
    return Evaluation(
        dataset=dataset.root.resolve().name,
        threshold=threshold,
        image_auroc=metrics.image_auroc(defective, scores) if both else None,
        image_ap=metrics.average_precision(defective, scores) if both else None,
        image_f1_max=metrics.f1_max(defective, scores) if both else None,
        false_alarm_rate=_share(alarms[fit & ~defective]),
        detection_rate=_share(alarms[fit & defective]),
        pixel=tally.pixels.compute(),
        ms_per_image=1000 * median(tally.seconds),
        kinds=kinds_of(images),
        images=tuple(images),
        skipped=tuple(tally.skipped),
        notes=(*dataset.notes, *_notes(tally, defective)),
    )


def _notes(tally: _Tally, defective: NDArray[np.bool_]) -> Iterator[str]:
    for kind, missing in (("good", defective.all()), ("defective", not defective.any())):
        if missing:
            yield f"There are no {kind} test images: AUROC, AP and F1 need both kinds and are left out."
    if tally.without_mask:
        yield (
            f"{tally.without_mask} of {int(defective.sum())} defective images have no mask; "
            "they are left out of the pixel metrics."
        )
    if tally.broken_masks:
        yield (
            f"{len(tally.broken_masks)} of {int(defective.sum())} defective images have a mask that cannot "
            f"be used; they are left out of the pixel metrics; the first: {tally.broken_masks[0]}"
        )
    if tally.doubts:
        yield (
            f"{len(tally.doubts)} of {int(defective.sum())} masks may have been read otherwise than they "
            f"were meant, which would make the pixel metrics wrong; the first: {tally.doubts[0]}; "
            "`excision check` lists all"
        )
    unfit = [image for image in tally.images if image.verdict == "unfit"]
    if unfit:
        good = sum(not image.defective for image in unfit)
        yield (
            f"{len(unfit)} of {len(tally.images)} test images were unfit ({good} good, {len(unfit) - good} "
            "defective): they count neither as false alarms nor as found or missed defects, and their scores "
            f"count in AUROC, AP and F1; the first, {unfit[0].name}: {unfit[0].unfit[0]}"
        )
    if tally.skipped:
        first = tally.skipped[0]
        yield (
            f"{len(tally.skipped)} of {len(tally.skipped) + len(tally.images)} test images could not be "
            f"inspected and are in no figure; the first: {first.reason}"
        )


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if flags.size else None
