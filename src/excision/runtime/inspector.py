"""Inspection with an exported model, without torch.

>>> from excision.runtime.inspector import Inspector
>>> inspector = Inspector("exported/parts")
>>> inspector.inspect("part_017.png").verdict
"""

from __future__ import annotations

import copy
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from excision.data.inputs import ColorOrder, InputImage, OneImage, input_image, input_images
from excision.errors import ImageError, ModelError, SettingsError
from excision.method.calibration import DEFAULT_CONFIDENCE, Calibration, calibrate, check_thresholds
from excision.method.fitness import FITNESS, Fitness, load_fitness
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.runtime.backends import one_line, open_backend
from excision.runtime.calibration_history import Earlier, State, keep, last, remember
from excision.runtime.defect_criteria import REGION, DefectCriteria, read_region
from excision.runtime.graph_checks import check_graph, check_results
from excision.runtime.model_folder import Description
from excision.settings import OddRule
from excision.tiling.assembly import inspect_working


class Inspector:
    """An exported model, loaded once and used any number of times, from any number of threads.

    It can be pickled, for example for the workers of a process pool: each opens the folder again, and uses
    the thresholds and criteria of the pickled inspector.

    Args:
        folder: folder that `excision export` wrote.
        threads: number of threads per inspection; None leaves it to the backend.

    Attributes:
        folder: as given.
        threads: as given.
        image_format: size, channels and tiling of the images.
        criteria: which defects count in an anomaly map.
        fitness: what training images are like, which decides which images are unfit to be inspected; None if
            no image is judged as unfit.

    Raises:
        ModelError: the folder is not an exported folder, a file in it is missing or damaged, or the graph is
            not as described.
    """

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        self.folder = Path(folder)
        self.threads = threads
        self.description = Description.load(self.folder)
        self.description.check_files(self.folder)
        self.image_format = self.description.image_format
        self.criteria = self._load_criteria(self.description)
        self.fitness = self._load_fitness(self.description)
        self._backend = open_backend(
            self.folder, self.description.backend, self.description.precision, threads
        )
        check_graph(self._backend.signature, self.image_format, self.folder)

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score."""
        return self.description.calibration.threshold

    @property
    def review_threshold(self) -> float | None:
        """Lower limit of the grey zone, in the unit of the anomaly score; None if there is no grey zone."""
        review = self.description.review
        return None if review is None else review.threshold

    @property
    def calibration(self) -> Calibration:
        """The decision threshold and the false-alarm rate that it promises."""
        return self.description.calibration

    def __repr__(self) -> str:
        model = self.description
        zone = "" if self.review_threshold is None else f", review_threshold={self.review_threshold:.4g}"
        return (
            f"{type(self).__name__}({str(self.folder)!r}, backend={model.backend!r}, "
            f"precision={model.precision!r}, size={model.size}, threshold={self.threshold:.4g}{zone})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The working folder of a worker may differ from that of the process that pickled the inspector.
        folder, told = self.folder.absolute(), self.description
        return _reopen, (
            type(self),
            folder,
            self.threads,
            told.calibration,
            told.review,
            self.criteria,
            self.fitness,
        )

    def __copy__(self) -> Self:
        # Shares the loaded graph: unlike a pickled inspector, a copy need not load it again.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def with_thresholds(self, threshold: float, review_threshold: float | None = None) -> Self:
        """Return an inspector of the same model with thresholds that a person set; the graph is shared.

        Args:
            threshold: decision threshold in the unit of the anomaly score.
            review_threshold: lower limit of the grey zone; None for no grey zone.

        Raises:
            SettingsError: the thresholds are not finite, not above 0, or in the wrong order.
        """
        check_thresholds(threshold, review_threshold)
        zone = None if review_threshold is None else self.calibration.at(review_threshold)
        twin = copy.copy(self)
        twin.description = replace(self.description, calibration=self.calibration.at(threshold), review=zone)
        return twin

    def inspect(self, image: OneImage, *, color: ColorOrder = "rgb") -> Prediction:
        """Inspect one image and return its verdict with the output of every stage.

        Args:
            image: a path, an array (H, W) or (H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a
                torch tensor (C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
            ModelError: the backend cannot compute it.
        """
        return self._inspect_input(input_image(image, color))

    def predict(
        self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb"
    ) -> Iterator[Prediction]:
        """Inspect images one after another, lazily; the score of an image does not depend on the others.

        Args:
            images: one of these, or an iterable of them: a path, a folder, a glob pattern, an array (H, W),
                (H, W, C) or (N, H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a torch tensor
                (C, H, W) or (N, C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: an image cannot be read or has no defined meaning.
            ModelError: the backend cannot compute it.
        """
        for given in input_images(images, color):
            yield self._inspect_input(given)

    def working(self, image: OneImage, *, color: ColorOrder = "rgb") -> NDArray[np.uint16]:
        """Return the working image (H, W, C) of an image; with a tiling, it has full size.

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
        """
        return self.image_format.read(input_image(image, color).image)

    def _inspect_input(self, given: InputImage) -> Prediction:
        prediction = self.inspect_working(self.image_format.read(given.image))
        return replace(prediction, source=given.source, size=given.size())

    @property
    def region_size(self) -> tuple[int, int] | None:
        """Size (H, W) of a region of interest; None means any size, for models that inspect in tiles."""
        return None if self.image_format.tiling is not None else self.image_format.size

    def inspect_working(
        self, working: NDArray[np.uint16], criteria: DefectCriteria | None = None
    ) -> Prediction:
        """Inspect a working image.

        Args:
            working: (H, W, C); inspected in tiles if the model has a tiling.
            criteria: which defects count; None takes the criteria that the folder is calibrated for, and
                with others the p-value is unknown, and the image is not judged as unfit.

        Raises:
            ImageError: the image is smaller than a tile.
            ModelError: the backend cannot compute it.
        """
        criteria = self.criteria if criteria is None else criteria
        found = inspect_working(working, self.image_format.tiling, self._compute)
        score = found.score
        if not criteria.is_everything:
            score = criteria.apply(found.anomaly_map, found.lowest_threshold)
        if criteria is not self.criteria:
            return replace(found, score=score)
        found = replace(found, score=score, p_value=self.calibration.p_value(score))
        if self.fitness is None:
            return found
        statistics, reasons = self.fitness.judge(working)
        return replace(found, image_statistics=statistics, unfit=reasons)

    def _compute(self, working: NDArray[np.uint16]) -> Prediction:
        """Inspect one working image, without criteria."""
        pixels = to_unit(working)
        start = time.perf_counter()
        try:
            found = self._backend.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
        except Exception as error:
            # Each backend raises its own types of error.
            raise ModelError(f"{self.folder}: the backend failed: {one_line(error)}") from error
        seconds = time.perf_counter() - start
        check_results(found, self.image_format, self.folder)
        score, anomaly_map = float(found["score"][0]), found["anomaly_map"][0, 0]
        return Prediction(
            score=score,
            threshold=self.threshold,
            anomaly_map=anomaly_map,
            attention=found["attention"][0, 0],
            mask=found["mask"][0, 0] > 0,
            image=pixels,
            masked_image=found["masked_image"][0].transpose(1, 2, 0),
            recovery=found["recovery"][0].transpose(1, 2, 0),
            seconds=seconds,
            review_threshold=self.review_threshold,
        )

    def recalibrate(
        self,
        scores: Iterable[float],
        false_alarm_rate: float,
        review_rate: float | None = None,
        *,
        confidence: float | None = None,
        groups: Sequence[Hashable] | None = None,
        names: Sequence[str] | None = None,
        odd_image: OddRule | None = None,
        fitness: Fitness | Literal["keep"] | None = "keep",
    ) -> None:
        """Set the thresholds again from scores of normal images; saves them with the criteria in the folder.

        What was in force before stays in the folder: `undo_calibration` returns to it.

        Args:
            scores: anomaly scores of normal images that were not used in training.
            false_alarm_rate: share of normal images that may be judged defective.
            review_rate: share that may be judged defective or sent to review; None for no grey zone.
            confidence: of both promises, 0.5 to below 1; None leaves it as it is, 0.9 if there is none.
            groups: group of each score, such as its part or strip; None if each is a group of its own.
            names: name of each image, where known.
            odd_image: what to do with an odd image that alone would decide; None leaves it as it is.
            fitness: what images are like from now on; None judges no image as unfit.

        Raises:
            ValueError: there is no score, or a rate is out of range.
        """
        before, scores = self.calibration, list(scores)
        setting = partial(
            calibrate,
            scores,
            confidence=confidence or before.confidence or DEFAULT_CONFIDENCE,
            groups=groups,
            names=names,
            odd_image=odd_image or before.odd_image,
        )
        calibration = setting(false_alarm_rate)
        review = None
        if review_rate is not None:
            if review_rate < false_alarm_rate:
                raise ValueError(
                    f"the review rate is {review_rate}: it must be above the false-alarm rate, "
                    f"{false_alarm_rate}"
                )
            review = setting(review_rate)
        self.set_calibration(calibration, review, fitness=fitness)

    def set_calibration(
        self,
        calibration: Calibration,
        review: Calibration | None = None,
        *,
        fitness: Fitness | Literal["keep"] | None = "keep",
    ) -> None:
        """Set thresholds that were calibrated on scores of this model; saves them as `recalibrate` does.

        Args:
            calibration: decision threshold.
            review: lower limit of the grey zone; None for no grey zone.
            fitness: what images are like from now on; None judges no image as unfit.

        Raises:
            SettingsError: the thresholds are not above 0, or in the wrong order.
        """
        check_thresholds(calibration.threshold, None if review is None else review.threshold)
        on_disk = Description.load(self.folder)
        remember(self.folder, self._state(on_disk))
        new = self.fitness if fitness == "keep" else fitness
        self._install(State(calibration, review, self.criteria, new))

    def undo_calibration(self) -> Earlier:
        """Return to the thresholds, region and minimum area of before the last `recalibrate`, on disk too.

        Returns:
            The state that is in force again, and when it had been replaced.

        Raises:
            SettingsError: there is no earlier calibration.
            ModelError: the history in the folder is damaged.
        """
        on_disk = Description.load(self.folder)
        before = last(self.folder, self._state(on_disk))
        keep(self.folder, before.left + 1)
        self._install(before.state)
        keep(self.folder, before.left)
        return before

    def _install(self, state: State) -> None:
        changed = replace(self.description, calibration=state.calibration, review=state.review)
        self.description, self.criteria, self.fitness = (
            changed.save_with(self.folder, state.criteria, state.fitness),
            state.criteria,
            state.fitness,
        )

    def _state(self, description: Description) -> State:
        return State.of(description, self._load_criteria(description), self._load_fitness(description))

    def _load_fitness(self, description: Description) -> Fitness | None:
        path = description.optional_file(self.folder, FITNESS)
        return None if path is None else load_fitness(path, description.channels)

    def _load_criteria(self, description: Description) -> DefectCriteria:
        path = description.optional_file(self.folder, REGION)
        if path is None:
            return DefectCriteria(None, description.minimum_area)
        try:
            region = read_region(path, None)
        except (ImageError, SettingsError) as error:
            raise ModelError(str(error)) from error
        if self.region_size not in (None, region.shape):
            height, width = region.shape
            raise ModelError(
                f"{path} has {height} x {width} pixels, and the model {self.region_size}: "
                "set the region again (excision calibrate --roi)"
            )
        return DefectCriteria(region, description.minimum_area)


def _reopen(
    kind: type[Inspector],
    folder: Path,
    threads: int | None,
    calibration: Calibration,
    review: Calibration | None,
    criteria: DefectCriteria,
    fitness: Fitness | None,
) -> Inspector:
    inspector = kind(folder, threads)
    inspector.description = replace(inspector.description, calibration=calibration, review=review)
    inspector.criteria, inspector.fitness = criteria, fitness
    return inspector
