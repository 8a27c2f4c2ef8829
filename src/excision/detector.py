"""The method as one object: fit on good images, predict, save, load."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from excision.data import Dataset, load_dataset
from excision.data.images import any_full_image, any_working_image
from excision.data.inputs import ColorOrder, OneImage, input_images
from excision.errors import ModelError, SettingsError
from excision.method import run_folder
from excision.method.attention.model import Attention
from excision.method.calibration import Calibration, calibrate, check_thresholds
from excision.method.fitting import learn_usual, train_pipeline
from excision.method.pipeline import Pipeline
from excision.ops.devices import choose_device
from excision.ops.memory_format import channels_last, image_tensor
from excision.ops.unit_range import to_unit
from excision.predictions import Prediction
from excision.progress import StageProgress, TrainingProgress, of_stage
from excision.settings import Settings
from excision.system.files import write_json
from excision.system.usage import usage
from excision.tiling.assembly import inspect_tiles
from excision.training.training_set import TrainingSet, prepare

Image = NDArray[Any] | str | Path


class Detector:
    """Excision And Recovery: trained on good images, it tells good from defective ones.

    Args:
        settings: everything that can be chosen.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.

    Raises:
        SettingsError: there is no such device.
    """

    def __init__(self, settings: Settings | None = None, device: str = "auto") -> None:
        self.settings = settings or Settings()
        self.device = choose_device(device)
        self.calibration: Calibration | None = None
        self._pipeline: Pipeline | None = None

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score.

        Raises:
            ModelError: the detector has not been fitted.
        """
        return self._calibrated().threshold

    @property
    def review_threshold(self) -> None:
        """None: only an exported model has a grey zone."""
        return None

    def with_thresholds(self, threshold: float, review_threshold: float | None = None) -> Self:
        """Give the same weights with a threshold that a person set; networks are shared, not copied.

        Args:
            threshold: decision threshold in the unit of the anomaly score.
            review_threshold: None, since only an exported model has a grey zone.

        Raises:
            ModelError: the detector has not been fitted.
            SettingsError: the threshold is not finite or not above 0, or a grey zone is asked for.
        """
        check_thresholds(threshold, review_threshold)
        if review_threshold is not None:
            raise SettingsError("a run folder has no grey zone: export the model to have one")
        twin = copy.copy(self)
        twin.calibration = self._calibrated().at(threshold)
        return twin

    @property
    def pipeline(self) -> Pipeline:
        """The networks and what joins them.

        Raises:
            ModelError: the detector has not been fitted.
        """
        if self._pipeline is None:
            raise ModelError("this detector has no weights yet: fit it, or load a run folder")
        return self._pipeline

    def fit(
        self,
        dataset: Dataset | Sequence[Image] | str | Path,
        run: str | Path | None = None,
        resume: bool = False,
        progress: TrainingProgress | None = None,
        stage: StageProgress | None = None,
    ) -> Detector:
        """Train and calibrate on the normal training images.

        Args:
            dataset: a data set, the path of one, or images (arrays or paths) that are all normal.
            run: folder for checkpoints, log and the finished model; None keeps all in memory.
            resume: continue the run in `run` where it stopped.
            progress: called as (finished steps, total steps, figures) in training.
            stage: called as (what, done, all) while reading, looking and calibrating.

        Returns:
            The detector itself.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out.
            ImageError: an array is no image.
            ModelError: the training went astray, or the checkpoint is damaged.
            SettingsError: `run` holds another run, or one begun with other settings or data.
        """
        start = time.perf_counter()
        run = Path(run) if run is not None else None
        if run is not None:
            run_folder.check_free(run, resume=resume)
        if isinstance(dataset, str | Path):
            dataset = load_dataset(dataset)
        data = prepare(dataset, self.settings, of_stage(stage, "reading"))
        self.settings = replace(self.settings, image=data.image)
        if run is not None:
            run_folder.prepare_run(run, self.settings, data.fingerprint(), resume=resume)
            if (run / run_folder.MODEL).is_file():
                # A kill may have come between the model and the end of the tidying up.
                run_folder.remove_checkpoints(run)
                return self._load(run)
        self.calibration = None
        tiles = run / run_folder.TILES if run is not None else None
        with data.materialised(tiles, of_stage(stage, "cutting tiles")):
            self._train(data, run, progress, stage)
            self._calibrate(data, stage)
        if run is not None:
            facts = usage(time.perf_counter() - start)
            write_json(run / run_folder.TRAINING, {**facts, **data.facts(), "resumed": resume})
            self.save(run)
            run_folder.remove_checkpoints(run)
        return self

    def predict(
        self, images: Iterable[OneImage] | OneImage, *, color: ColorOrder = "rgb"
    ) -> Iterator[Prediction]:
        """Inspect images one after another, lazily.

        Each image goes through the networks alone, so that its score is the same bit for bit whatever
        stands beside it.

        Args:
            images: one of these, or an iterable of them: a path, a folder, a glob pattern, an array (H, W),
                (H, W, C) or (N, H, W, C) of uint8, uint16 or float in [0, 1], a PIL image, or a torch tensor
                (C, H, W) or (N, C, H, W); C is 1, 3 or 4.
            color: order of the channels of arrays and tensors; OpenCV gives "bgr".

        Raises:
            ImageError: an image cannot be read or has no defined meaning.
            ModelError: the detector has not been fitted.
        """
        self._calibrated()
        for given in input_images(images, color):
            yield replace(self._predict_one(given.image), source=given.source, size=given.size())

    def recalibrate(self, dataset: Dataset | str | Path, stage: StageProgress | None = None) -> Detector:
        """Learn usual level and threshold anew, without training; for another inference, or new light.

        Args:
            dataset: its normal training images are parted as in `fit`.
            stage: called as (what, done, all).

        Returns:
            The detector itself.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out.
            ModelError: the detector has not been fitted.
        """
        if isinstance(dataset, str | Path):
            dataset = load_dataset(dataset)
        data = prepare(dataset, self.pipeline.settings, of_stage(stage, "reading"))
        with data.materialised(None, of_stage(stage, "cutting tiles")):
            self._calibrate(data, stage)
        return self

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder that `load` and the command line understand.

        Raises:
            ModelError: the detector has not been fitted.
        """
        pipeline = self.pipeline
        run_folder.save_model(
            Path(folder), pipeline.state_dict(), self.settings, pipeline.mask_threshold, self._calibrated()
        )

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Detector:
        """Read a detector from a run folder.

        Raises:
            ModelError: the folder holds no finished run, or a file in it is damaged.
        """
        return cls(device=device)._load(Path(folder))

    def with_inference(self, *, mask: bool = True, skips: str | None = None) -> Detector:
        """Give the same weights with another inference, for ablation.

        The decision threshold stays what it was; it promises no false-alarm rate for the new scores.

        Args:
            mask: False leaves the image whole and counts every pixel.
            skips: skip connections that are on, as in `RecoverySettings`; None leaves them as they are.
        """
        settings = self.settings
        if not mask:
            settings = replace(settings, mask=replace(settings.mask, enabled=False))
        if skips is not None:
            settings = replace(settings, recovery=replace(settings.recovery, inference_skips=skips))
        twin = Detector(settings, device=str(self.device))
        twin._pipeline = self._build(settings)
        twin._pipeline.load_learned(self.pipeline.state_dict())
        twin._pipeline.mask_threshold = self.pipeline.mask_threshold
        twin.calibration = self.calibration
        return twin

    def _load(self, folder: Path) -> Detector:
        tensors, settings, mask_threshold, calibration = run_folder.load_model(folder)
        self.settings, self.calibration = settings, calibration
        self._pipeline = self._build(settings)
        self._pipeline.mask_threshold = mask_threshold
        try:
            self._pipeline.load_learned(tensors)
        except RuntimeError as error:
            raise ModelError(f"{folder}: weights and settings do not belong together: {error}") from error
        return self

    def _build(self, settings: Settings) -> Pipeline:
        pipeline = Pipeline(settings, Attention(settings.attention.variant))
        return channels_last(pipeline.to(self.device)).eval()

    def _train(
        self,
        data: TrainingSet,
        run: Path | None,
        progress: TrainingProgress | None,
        stage: StageProgress | None,
    ) -> None:
        torch.manual_seed(self.settings.training.seed)
        chosen = self.settings.attention
        attention = Attention.pretrained(chosen.variant) if chosen.pretrained else Attention(chosen.variant)
        pipeline = Pipeline(self.settings, attention)
        self._pipeline = channels_last(pipeline.to(self.device)).eval()
        train_pipeline(self._pipeline, data, self.device, run, progress, stage)

    def _calibrate(self, data: TrainingSet, stage: StageProgress | None) -> None:
        """Learn what is usual from what was trained on, and the threshold from what was held out."""
        learn_usual(self.pipeline, data, self.device, stage)
        scores, calibrating = [], of_stage(stage, "calibrating")
        for image in data.calibration_images():
            scores.append(self._predict_one(image).score)
            calibrating(len(scores), len(data.calibration))
        self.calibration = calibrate(scores, self.settings.calibration.false_alarm_rate)

    def _predict_one(self, image: Image) -> Prediction:
        working = self._working(image)
        tiling = self.settings.tiling
        if tiling is None or working.shape[:2] == tiling.size:
            return self._inspect(working)
        start = time.perf_counter()
        whole = inspect_tiles(working, tiling, self._inspect)
        return whole.prediction(self._threshold(), time.perf_counter() - start)

    def _inspect(self, working: NDArray[np.uint16]) -> Prediction:
        """Inspect one working image (H, W, C)."""
        start = time.perf_counter()
        stages = self.pipeline(image_tensor(working, self.device))
        score = float(stages.score[0])
        seconds = time.perf_counter() - start
        if not math.isfinite(score):
            raise ModelError("the anomaly score is no finite number: the weights are damaged or went astray")
        planes = {
            name: getattr(stages, name)[0].permute(1, 2, 0).cpu().numpy()
            for name in ("masked_image", "recovery", "attention", "mask", "anomaly_map")
        }
        return Prediction(
            score=score,
            threshold=self._threshold(),
            anomaly_map=planes["anomaly_map"][..., 0],
            attention=planes["attention"][..., 0],
            mask=planes["mask"][..., 0],
            image=to_unit(working),
            masked_image=planes["masked_image"],
            recovery=planes["recovery"],
            seconds=seconds,
        )

    def _threshold(self) -> float:
        return self.calibration.threshold if self.calibration else float("inf")

    def _working(self, image: Image) -> NDArray[np.uint16]:
        size, channels = self.pipeline.settings.image.size, self.pipeline.settings.image.channels
        if size is None or channels is None:
            raise ModelError("this model's settings lack image.size or image.channels")
        if self.pipeline.settings.image.tile is not None:
            return any_full_image(image, channels)
        return any_working_image(image, size, channels)

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise ModelError("this detector has no threshold yet: fit it, or load a run folder")
        return self.calibration
