"""An exported folder with its thresholds, which can be set again and taken back."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from excision.errors import ImageError, ModelError, SettingsError
from excision.method.calibration import DEFAULT_CONFIDENCE, Calibration, calibrate, check_thresholds
from excision.method.fitness import FITNESS, Fitness, load_fitness
from excision.runtime.defect_criteria import REGION, DefectCriteria, read_region
from excision.runtime.model_folder import Description
from excision.settings.calibration import OddRule

if TYPE_CHECKING:
    # It loads what only a calibration needs.
    from excision.runtime.calibration_history import Earlier, State


class CalibratedFolder:
    """An exported folder without its graph: description, thresholds, criteria and fitness.

    Args:
        folder: folder that `excision export` wrote.

    Attributes:
        folder: as given.
        image_format: size, channels and tiling of the images.
        criteria: which defects count in an anomaly map.
        fitness: what training images are like, which decides which images are unfit to be inspected; None if
            no image is judged as unfit.

    Raises:
        ModelError: the folder is not an exported folder, or a file in it is missing or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.description = Description.load(self.folder)
        self.description.check_files(self.folder)
        # What a person's threshold was set from: the folder's own threshold again has its own promise again.
        self._set_from: tuple[Description, Description] | None = None
        self.image_format = self.description.image_format
        self.criteria = self._load_criteria(self.description)
        self.fitness = self._load_fitness(self.description)

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

    @property
    def region_size(self) -> tuple[int, int] | None:
        """Size (H, W) of a region of interest; None means any size, for models that inspect in tiles."""
        return None if self.image_format.tiling is not None else self.image_format.size

    def with_thresholds(self, threshold: float, review_threshold: float | None = None) -> Self:
        """Return an inspector of the same model with thresholds that a person set; the graph is shared.

        Args:
            threshold: decision threshold in the unit of the anomaly score.
            review_threshold: lower limit of the grey zone; None for no grey zone.

        Raises:
            SettingsError: the thresholds are not finite, not above 0, or in the wrong order.
        """
        check_thresholds(threshold, review_threshold)
        own = self.description
        if self._set_from is not None and self._set_from[0] is own:
            own = self._set_from[1]
        zone = None
        if review_threshold is not None:
            zone = (own.review or own.calibration).moved_to(review_threshold)
        twin = copy.copy(self)
        twin.description = replace(own, calibration=own.calibration.moved_to(threshold), review=zone)
        twin._set_from = (twin.description, own)
        return twin

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
        from excision.runtime.calibration_history import State, remember

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
        from excision.runtime.calibration_history import keep, last

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
        from excision.runtime.calibration_history import State

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
