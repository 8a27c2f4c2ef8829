"""The base class of all methods: learns from normal images and gives each image a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, load_dataset
from excision.data.inputs import ColorOrder, InputImage, OneImage, input_image, input_images
from excision.errors import ModelError
from excision.method.calibration import Calibration
from excision.method.calibration_scores import CalibrationScores, held_out_scores
from excision.method.fitness import Fitness
from excision.ops.devices import choose_device
from excision.predictions import Detection
from excision.progress import StageProgress, of_stage
from excision.settings import Settings
from excision.tiling.assembly import Judge, inspect_working, largest_value
from excision.tiling.image_format import ImageFormat
from excision.tiling.tile_threads import TileThreads
from excision.training.given_defects import Defects, check_tuned
from excision.training.given_groups import Groups
from excision.training.preparing import prepare
from excision.training.training_set import TrainingSet
from excision.training.warm_start import WarmStart

Image = NDArray[Any] | str | Path
Trainable = Dataset | Iterable[OneImage] | str | Path
"""Input of `fit`: a data set, its path, or images that are all normal."""

Scores = NDArray[np.float64]
D = TypeVar("D", bound=Detection)


class Estimator(ABC, Generic[D]):
    """Prediction and calibration; subclasses implement the training and the inspection of a working image.

    Args:
        settings: all settings. Fitting does not change them.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.

    Attributes:
        settings: as given; used by the next fit.
        device: device to compute on.
        calibration_: the decision threshold and the false-alarm rate that it promises; None before fitting.
        fitness_: what training images are like; None if no image is judged as unfit.

    Raises:
        SettingsError: there is no such device.
    """

    def __init__(self, settings: Settings | None = None, device: str = "auto") -> None:
        self.settings = settings or Settings()
        self.device = choose_device(device)
        self.calibration_: Calibration | None = None
        self.fitness_: Fitness | None = None
        self.tile_threads = TileThreads()
        # False where the scores are computed otherwise than those that calibrate.
        self._is_comparable = True

    @property
    @abstractmethod
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images, as fitting determined them.

        Raises:
            ModelError: it has not been fitted.
        """

    @abstractmethod
    def _inspect_one(self, working: NDArray[np.uint16]) -> D:
        """Inspect one working image (H, W, C) of the size of the model."""

    @property
    def _judge(self) -> Judge:
        """Function that computes the anomaly score of a large image from those of its tiles."""
        return largest_value

    @property
    def calibration(self) -> Calibration:
        """The decision threshold and the false-alarm rate that it promises.

        Raises:
            ModelError: it has not been fitted.
        """
        if self.calibration_ is None:
            raise ModelError(f"this {type(self).__name__} has no threshold yet: fit it, or load a run folder")
        return self.calibration_

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score.

        Raises:
            ModelError: it has not been fitted.
        """
        return self.calibration.threshold

    def predict(self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb") -> Iterator[D]:
        """Inspect images one after another, lazily.

        Each image passes through the networks separately, so that its score is bit-identical whatever other
        images are inspected with it.

        Args:
            images: one of these, or an iterable of them: a path, a folder, a glob pattern, an array (H, W),
                (H, W, C) or (N, H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a torch tensor
                (C, H, W) or (N, C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: an image cannot be read or has no defined meaning.
            ModelError: it has not been fitted.
        """
        _ = self.calibration  # raises ModelError before a fit
        return (self._inspect_input(given) for given in input_images(images, color))

    def inspect(self, image: OneImage, *, color: ColorOrder = "rgb") -> D:
        """Inspect one image.

        Args:
            image: a path, an array (H, W) or (H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a
                torch tensor (C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: the image cannot be read or has no defined meaning.
            ModelError: it has not been fitted.
        """
        _ = self.calibration  # raises ModelError before a fit
        return self._inspect_input(input_image(image, color))

    def score_samples(self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb") -> Scores:
        """Return the negative anomaly score of each image: as in scikit-learn, larger is more normal.

        Args:
            images: as `predict` takes them.
            color: as in `predict`.

        Returns:
            (N,) float64.
        """
        return np.array([-found.score for found in self.predict(images, color=color)], dtype=np.float64)

    def decision_function(
        self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb"
    ) -> Scores:
        """Return how far below the threshold the anomaly score of each image is: negative for a defect.

        Returns:
            (N,) float64; `score_samples(images) - offset_`.
        """
        return self.score_samples(images, color=color) - self.offset_

    @property
    def offset_(self) -> float:
        """The negative decision threshold, as scikit-learn's outlier detectors define it."""
        return -self.threshold

    def _inspect_input(self, given: InputImage) -> D:
        return replace(self._predict_one(given.image), source=given.source, size=given.size())

    def _predict_one(self, image: Image) -> D:
        image_format = self.image_format
        working = image_format.read(image)
        found = inspect_working(
            working, image_format.tiling, self._inspect_one, self._judge, self.tile_threads
        )
        if self.calibration_ is None:
            return found
        if self.fitness_ is not None:
            statistics, reasons = self.fitness_.judge(working)
            found = replace(found, image_statistics=statistics, unfit=reasons)
        if not self._is_comparable:
            return found
        return replace(found, p_value=self.calibration_.p_value(found.score))

    def _prepare(
        self,
        dataset: Trainable,
        settings: Settings,
        stage: StageProgress | None,
        recorded: Mapping[str, str] | None = None,
        groups: Groups | None = None,
        defects: Defects | None = None,
        warm: WarmStart | None = None,
    ) -> TrainingSet:
        if isinstance(dataset, str | Path):
            dataset = load_dataset(dataset)
        images = dataset if isinstance(dataset, Dataset) else list(_normal_images(dataset))
        data = prepare(images, settings, of_stage(stage, "reading"), recorded, groups, warm)
        if defects is None:
            return data
        check_tuned(settings)
        test = images.test if isinstance(images, Dataset) else ()
        return data.with_known(defects, test, of_stage(stage, "reading known defects"))

    def _calibrate(self, data: TrainingSet, settings: Settings, stage: StageProgress | None) -> None:
        """Set the decision threshold on the images that were held out."""
        self.calibration_ = None
        self._set_threshold(held_out_scores(data, self._score_one, stage), settings)

    def _score_one(self, image: Image) -> float:
        return self._predict_one(image).score

    def _set_threshold(self, scores: CalibrationScores, settings: Settings) -> None:
        self._is_comparable = True
        self.calibration_ = scores.calibrate(settings.calibration)

    @property
    def _alarm(self) -> float:
        """Threshold of the detections: infinity during calibration, before the threshold is known."""
        return float("inf") if self.calibration_ is None else self.calibration_.threshold


def _normal_images(images: Iterable[OneImage]) -> Iterator[Path | NDArray[Any]]:
    """Convert the given training images to paths and arrays (H, W) or (H, W, C)."""
    for image in images:
        # `prepare` checks the content of arrays, and names a bad one by its position.
        if isinstance(image, np.ndarray) and image.ndim < 4:
            yield image
        else:
            yield from (given.image for given in input_images(image))
