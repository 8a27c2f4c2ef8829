"""What every baseline has in common: the interface of the detector around a network that gives maps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from excision.data import Dataset, load_dataset
from excision.data.images import any_full_image, any_working_image
from excision.errors import ModelError
from excision.method import run_folder
from excision.method.calibration import Calibration, calibrate
from excision.method.folder_kinds import BASELINE, OLD_BASELINE
from excision.ops.devices import choose_device
from excision.ops.memory_format import channels_last, image_tensor
from excision.ops.reduction import shrink_image
from excision.predictions import Detection
from excision.progress import StageProgress, TrainingProgress, of_stage
from excision.settings import Settings
from excision.settings.checks import as_fields
from excision.system.files import write_json
from excision.tiling.assembly import shown_reduction, visit_tiles
from excision.tiling.geometry import Tiling
from excision.training.training_set import TrainingSet, prepare

CALIBRATING = "calibrating"
"""Stage that follows the training; all others go before it."""

Image = NDArray[Any] | str | Path


class Found(NamedTuple):
    """What a baseline finds in a batch.

    Attributes:
        maps: (B, 1, H, W) >= 0, larger is more anomalous.
        scores: (B,), read off the maps as the baseline's paper does.
    """

    maps: Tensor
    scores: Tensor


class BaselineNetwork(nn.Module, ABC):
    """A baseline from tensor to tensor; its state dict is all that has to be kept of it.

    Attributes:
        passes: how often an image goes through the largest network.
    """

    passes: int = 1

    @abstractmethod
    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1]; each is judged by itself, and nothing is random."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a baseline learns from.

    Attributes:
        data: good images, without those held out for calibration.
        settings: image size, seed, batch and crop that all methods share; size and channels are settled.
        device: where to learn.
        seconds: time to train in; None trains `settings.training.steps`.
        progress: called as (finished steps, total steps, figures).
    """

    data: TrainingSet
    settings: Settings
    device: torch.device
    seconds: float | None = None
    progress: TrainingProgress = field(default=lambda *_: None)

    def image(self, index: int) -> Tensor:
        """Give a training image (1, C, H, W) in [0, 1] by its place."""
        return image_tensor(self.data.read(index), self.device)


class Baseline(ABC):
    """A method to be compared with, behind the interface of `Detector`.

    Args:
        settings: of image, training and calibration; what only EAR knows is not looked at.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.
        hyperparameters: the baseline's own settings, by name; what is not named takes the paper's value.

    Raises:
        SettingsError: there is no such device.
        TypeError: a hyperparameter is unknown.
    """

    name: ClassVar[str]

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        self.settings = settings or Settings()
        self.device = choose_device(device)
        self.hyperparameters = hyperparameters
        self.calibration: Calibration | None = None
        self._network: BaselineNetwork | None = None

    @abstractmethod
    def build(self) -> BaselineNetwork:
        """Build the untrained network for the settings and hyperparameters; buffers may be empty."""

    @abstractmethod
    def learn(self, network: BaselineNetwork, lesson: Lesson) -> None:
        """Train the network in place, or fill its buffers. `torch.manual_seed` has been called."""

    @property
    def threshold(self) -> float:
        """Decision threshold in the unit of the anomaly score.

        Raises:
            ModelError: the baseline has not been fitted.
        """
        if self.calibration is None:
            raise ModelError(f"this {self.name} has no threshold yet: fit it, or load a run folder")
        return self.calibration.threshold

    @property
    def network(self) -> BaselineNetwork:
        """The network, for timing and counting.

        Raises:
            ModelError: the baseline has not been fitted.
        """
        if self._network is None:
            raise ModelError(f"this {self.name} has no weights yet: fit it, or load a run folder")
        return self._network

    def fit(
        self,
        dataset: Dataset | Sequence[Image] | str | Path,
        seconds: float | None = None,
        progress: TrainingProgress | None = None,
        stage: StageProgress | None = None,
    ) -> Self:
        """Train and calibrate on the normal training images, parted as for `Detector`.

        Args:
            dataset: a data set, the path of one, or images that are all normal.
            seconds: time to train in; None trains `settings.training.steps`.
            progress: called as (finished steps, total steps, figures) in training.
            stage: called as (what, done, all) while reading and calibrating.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out.
            ImageError: an image is smaller than a tile.
        """
        if isinstance(dataset, str | Path):
            dataset = load_dataset(dataset)
        data = prepare(dataset, self.settings, of_stage(stage, "reading"))
        self.settings = replace(self.settings, image=data.image)
        torch.manual_seed(self.settings.training.seed)
        network = channels_last(self.build().to(self.device))
        lesson = Lesson(data, self.settings, self.device, seconds, progress or (lambda *_: None))
        with data.materialised(None, of_stage(stage, "cutting tiles")):
            self.learn(network, lesson)
        self._network = network.eval()
        scores, calibrating = [], of_stage(stage, CALIBRATING)
        for image in data.calibration_images():
            scores.append(self._inspect(image).score)
            calibrating(len(scores), len(data.calibration))
        self.calibration = calibrate(scores, self.settings.calibration.false_alarm_rate)
        return self

    def predict(self, images: Iterable[Image] | Image) -> Iterator[Detection]:
        """Inspect images one after another, lazily, each alone.

        Raises:
            ImageError: an image cannot be read or has no defined meaning.
            ModelError: the baseline has not been fitted.
        """
        threshold = self.threshold
        if isinstance(images, str | Path | np.ndarray):
            images = [images]
        for image in images:
            yield replace(self._inspect(image), threshold=threshold)

    def save(self, folder: str | Path) -> None:
        """Write weights, settings, hyperparameters and calibration."""
        calibration = self._calibrated()
        write_json(Path(folder) / BASELINE, {"method": self.name, "hyperparameters": self.hyperparameters})
        run_folder.save_model(
            Path(folder), self.network.state_dict(), self.settings, float("inf"), calibration
        )

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Self:
        """Read a baseline from a folder.

        Raises:
            ModelError: the folder holds no finished baseline of this kind, or a file in it is damaged.
        """
        tensors, settings, _, calibration = run_folder.load_model(Path(folder))
        made = _identity(Path(folder))
        if made.get("method") != cls.name:
            raise ModelError(f"{folder}: this is a model of {made.get('method')}, not of {cls.name}")
        baseline = cls(settings, device, **as_fields(made["hyperparameters"]))
        network = channels_last(baseline.build().to(baseline.device))
        try:
            _load(network, tensors)
        except RuntimeError as error:
            raise ModelError(f"{folder}: these are no weights of {cls.name}: {error}") from error
        baseline._network, baseline.calibration = network.eval(), calibration
        return baseline

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise ModelError(f"this {self.name} has no threshold yet: fit it, or load a run folder")
        return self.calibration

    def _inspect(self, image: Image) -> Detection:
        size, channels = self.settings.image.size, self.settings.image.channels
        assert size is not None  # fitting and loading settle it
        assert channels is not None  # the same
        tiling = self.settings.tiling
        if tiling is None:
            working, reduction = any_working_image(image, size, channels), 1
        else:
            working = any_full_image(image, channels)
            reduction = shown_reduction(working.shape[:2])
        start = time.perf_counter()
        anomaly_map, score = self._find(working) if tiling is None else self._find_in_tiles(working, tiling)
        seconds = time.perf_counter() - start
        return Detection(
            score=score,
            threshold=float("inf"),
            anomaly_map=anomaly_map,
            image=shrink_image(working, reduction),
            seconds=seconds,
            reduction=reduction,
        )

    @torch.no_grad()
    def _find(self, working: NDArray[np.uint16]) -> tuple[NDArray[np.float32], float]:
        found = self.network(image_tensor(working, self.device))
        anomaly_map: NDArray[np.float32] = found.maps[0, 0].cpu().numpy()
        return anomaly_map, float(found.scores[0])

    def _find_in_tiles(
        self, working: NDArray[np.uint16], tiling: Tiling
    ) -> tuple[NDArray[np.float32], float]:
        """Judge a large image by its worst tile, which is judged as the baseline's paper does."""
        joined, scores = np.zeros(working.shape[:2], dtype=np.float32), []
        for visit in visit_tiles(working, tiling):
            anomaly_map, score = self._find(visit.tile)
            joined[visit.place] += visit.weights * anomaly_map[visit.inside]
            scores.append(score)
        return joined, max(scores)


def _identity(folder: Path) -> dict[str, Any]:
    """Read which baseline a folder holds; those of the first release used other names."""
    if (folder / BASELINE).is_file() or not (folder / OLD_BASELINE).is_file():
        made: dict[str, Any] = run_folder.read_json(folder / BASELINE)
        return made
    old = run_folder.read_json(folder / OLD_BASELINE)
    return {"method": old.get("method"), "hyperparameters": old.get("knobs", {})}


def _load(network: BaselineNetwork, tensors: dict[str, Tensor]) -> None:
    """Load a state dict whose buffers may have grown in learning."""
    for name, buffer in network.named_buffers():
        if name in tensors and tensors[name].shape != buffer.shape:
            owner, _, last = name.rpartition(".")
            network.get_submodule(owner).register_buffer(
                last, torch.empty_like(tensors[name], device=buffer.device)
            )
    network.load_state_dict(tensors)
