"""The figures of a detector on a labelled data set, from one pass over the images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data.decode import probe_image
from excision.data.images import resize_mask
from excision.data.masks import examine_mask
from excision.data.records import Dataset, Sample
from excision.errors import DatasetError, ImageError
from excision.evaluation import metrics
from excision.evaluation.counts import KindDetection, kinds_of, normal_groups
from excision.evaluation.examples import ScoredImage
from excision.evaluation.pixel import PixelFigures, PixelMetrics
from excision.predictions import Detection, Method
from excision.progress import Progress
from excision.version import __version__

Keep = Callable[[Sample, Detection, "NDArray[np.bool_] | None"], None]
"""Called with each test image, its prediction, and the ground truth, if known."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A test image that could not be inspected, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures of a detector on a data set; `docs/evaluation.md` defines each.

    A figure is None if the data do not determine it, and a note says why.

    Attributes:
        dataset: name of the data set.
        threshold: decision threshold.
        image_auroc: area under the ROC curve of the anomaly scores.
        image_ap: average precision of the anomaly scores.
        image_f1_max: largest F1 over all thresholds.
        false_alarm_rate: share of the good images that were fit with a score above the threshold.
        detection_rate: share of the defective images that were fit with a score above the threshold.
        pixel: figures that compare anomaly maps with masks.
        ms_per_image: median time from decoded image to verdict, in milliseconds.
        kinds: detection by kind of defect, in the order of their names.
        images: every scored image.
        skipped: images that could not be inspected.
        notes: limitations that a reader should know.
    """

    dataset: str
    threshold: float
    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None
    false_alarm_rate: float | None
    detection_rate: float | None
    pixel: PixelFigures
    ms_per_image: float
    kinds: tuple[KindDetection, ...]
    images: tuple[ScoredImage, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def n_normal(self) -> int:
        """Number of good images that were scored."""
        return sum(not image.defective for image in self.images)

    @property
    def n_defect(self) -> int:
        """Number of defective images that were scored."""
        return sum(image.defective for image in self.images)

    @property
    def n_unfit_normal(self) -> int:
        """Number of good images with the verdict "unfit", which are no false alarms."""
        return sum(image.outcome == "unfit good" for image in self.images)

    @property
    def n_unfit_defect(self) -> int:
        """Number of defective images with the verdict "unfit", which count neither as found nor as missed."""
        return sum(image.outcome == "unfit defect" for image in self.images)

    def to_json(self) -> dict[str, Any]:
        """Give the figures for a JSON file; the scores of the images are in the CSV file beside it."""
        return {
            "dataset": self.dataset,
            "excision": __version__,
            "image_auroc": self.image_auroc,
            "image_ap": self.image_ap,
            "image_f1_max": self.image_f1_max,
            "pixel_auroc": self.pixel.pixel_auroc,
            "pixel_ap": self.pixel.pixel_ap,
            "aupro": self.pixel.aupro,
            "bounds": {
                "pixel_auroc": self.pixel.pixel_auroc_bound,
                "pixel_ap": self.pixel.pixel_ap_bound,
                "aupro": self.pixel.aupro_bound,
            },
            "n_regions": self.pixel.n_regions,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
            "false_alarm_rate": self.false_alarm_rate,
            "detection_rate": self.detection_rate,
            "n_normal": self.n_normal,
            "n_defect": self.n_defect,
            "n_unfit_normal": self.n_unfit_normal,
            "n_unfit_defect": self.n_unfit_defect,
            "normal_groups": asdict(normal_groups(self.images)),
            "ms_per_image": self.ms_per_image,
            "kinds": {
                k.kind: {
                    "images": k.images,
                    "detected": k.detected,
                    "detection_rate": k.rate,
                    "unfit": k.unfit,
                }
                for k in self.kinds
            },
            "skipped": [{"image": s.name, "reason": s.reason} for s in self.skipped],
            "notes": list(self.notes),
        }


def measure(
    method: Method, dataset: Dataset, progress: Progress | None = None, keep: Keep | None = None
) -> Evaluation:
    """Inspect the test images of a data set one by one and compare the verdicts with the labels.

    Memory stays flat: only the score of each image is kept, and the pixel metrics are updated in place.

    Args:
        method: a detector, or anything that finds anomalies.
        dataset: data set with test images.
        progress: called after each image.
        keep: called with each image that was inspected, before the next is opened.

    Raises:
        DatasetError: there is no test image, or none that can be read.
    """
    samples = dataset.test
    if not samples:
        raise DatasetError(
            f"{dataset.root}: no test images in this data set (layout {dataset.layout}); put good ones into "
            "test/good and defective ones into test/<kind of defect>, or list them in a CSV with split test"
        )
    tally = _Tally(keep)
    for done, sample in enumerate(samples, start=1):
        tally.add(sample, method)
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


@dataclass
class _Tally:
    """The results of the pass over the images so far."""

    keep: Keep | None = None
    images: list[ScoredImage] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    pixels: PixelMetrics = field(default_factory=PixelMetrics)
    without_mask: int = 0
    broken_masks: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, sample: Sample, method: Method) -> None:
        """Inspect one sample, or record that it cannot be read."""
        try:
            prediction = next(iter(method.predict([sample.image])))
        except ImageError as error:
            self.skipped.append(Skipped(sample.name, str(error)))
            return
        if not (math.isfinite(prediction.score) and np.isfinite(prediction.anomaly_map).all()):
            self.skipped.append(
                Skipped(sample.name, "the model gives no finite anomaly score for this image")
            )
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
        ground_truth = self._add_pixels(sample, prediction)
        if self.keep is not None:
            self.keep(sample, prediction, ground_truth)

    def _add_pixels(self, sample: Sample, prediction: Detection) -> NDArray[np.bool_] | None:
        height, width = prediction.anomaly_map.shape
        try:
            ground_truth = read_ground_truth(sample, (height, width), self.doubts)
        except ImageError as error:
            self.broken_masks.append(str(error))
            return None
        if ground_truth is None:
            self.without_mask += 1
        else:
            self.pixels.update(prediction.anomaly_map, ground_truth)
        return ground_truth


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
