"""Base classes of the baselines: the interface of `Detector` around a network that computes anomaly maps."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from excision.errors import ModelError
from excision.estimator import Estimator, Trainable
from excision.method import run_folder
from excision.method.folder_kinds import BASELINE, OLD_BASELINE
from excision.ops.memory_format import channels_last, image_tensor
from excision.ops.unit_range import to_unit
from excision.predictions import Detection
from excision.progress import StageProgress, TrainingProgress, of_stage
from excision.settings import Settings
from excision.settings.checks import as_fields
from excision.system.files import write_json
from excision.tiling.assembly import Judge, worst_tile
from excision.tiling.image_format import ImageFormat
from excision.training.training_set import TrainingSet


class Found(NamedTuple):
    """The result of a baseline for a batch.

    Attributes:
        maps: (B, 1, H, W) >= 0, larger is more anomalous.
        scores: (B,), computed from the maps as in the baseline's paper.
    """

    maps: Tensor
    scores: Tensor


class BaselineNetwork(nn.Module, ABC):
    """A baseline on tensors; its state dict is its entire state.

    Attributes:
        passes: number of passes of an image through the largest network.
    """

    passes: int = 1

    @abstractmethod
    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1], each independently and deterministically."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Data, settings and time limit for training a baseline.

    Attributes:
        data: normal images, without those held out for calibration.
        settings: settings that all methods share: image, seed, batch and crop.
        device: device to train on.
        seconds: training time; None trains for `settings.training.steps`.
        progress: called with (finished steps, total steps, figures).
    """

    data: TrainingSet
    settings: Settings
    device: torch.device
    seconds: float | None = None
    progress: TrainingProgress = field(default=lambda *_: None)

    def image(self, index: int) -> Tensor:
        """Return a training image (1, C, H, W) in [0, 1] by its index."""
        return image_tensor(self.data.read(index), self.device)


class Baseline(Estimator[Detection]):
    """A method to compare with, with the interface of `Detector`.

    Args:
        settings: settings of image, training and calibration; those that only EAR has are ignored.
        device: "cpu", "cuda", or "auto" for a GPU if there is one.
        hyperparameters: settings of this baseline, by name; the default is the paper's value.

    Raises:
        SettingsError: there is no such device.
        TypeError: a hyperparameter is unknown.
    """

    name: ClassVar[str]

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device)
        self.hyperparameters = hyperparameters
        self.network_: BaselineNetwork | None = None
        self.image_format_: ImageFormat | None = None

    @abstractmethod
    def build(self, image_format: ImageFormat) -> BaselineNetwork:
        """Build the untrained network for images of this format; buffers may be empty."""

    @abstractmethod
    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Train the network in place, or fill its buffers. `torch.manual_seed` has been called before."""

    @property
    def network(self) -> BaselineNetwork:
        """The fitted network, for measuring speed and size.

        Raises:
            ModelError: the baseline has not been fitted.
        """
        if self.network_ is None:
            raise ModelError(f"this {self.name} has no weights yet: fit it, or load a run folder")
        return self.network_

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images, as fitting determined them.

        Raises:
            ModelError: the baseline has not been fitted.
        """
        if self.image_format_ is None:
            raise ModelError(f"this {self.name} has no weights yet: fit it, or load a run folder")
        return self.image_format_

    @property
    def _judge(self) -> Judge:
        """The score of a large image is that of its worst tile, scored as in the baseline's paper."""
        return worst_tile

    def fit(
        self,
        dataset: Trainable,
        seconds: float | None = None,
        progress: TrainingProgress | None = None,
        stage: StageProgress | None = None,
    ) -> Self:
        """Train and calibrate on the normal training images, divided as for `Detector`.

        Args:
            dataset: a data set, its path, or images that are all normal.
            seconds: training time; None trains for `settings.training.steps`.
            progress: called with (finished steps, total steps, figures) in training.
            stage: called with (stage, done, total) in all other stages.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out.
            ImageError: an image is smaller than a tile.
        """
        # Folds would multiply the training time; the images held out are the same for all baselines.
        data = self._prepare(dataset, self.settings.without_folds(), stage)
        self.calibration_ = None
        torch.manual_seed(self.settings.training.seed)
        network = channels_last(self.build(data.image_format).to(self.device))
        job = TrainingJob(data, self.settings, self.device, seconds, progress or (lambda *_: None))
        with data.materialised(None, of_stage(stage, "cutting tiles")):
            self.learn(network, job)
        self.network_, self.image_format_ = network.eval(), data.image_format
        self._calibrate(data, self.settings, stage)
        return self

    def save(self, folder: str | Path) -> None:
        """Write weights, settings, hyperparameters and calibration."""
        model = run_folder.Model(
            self.network.state_dict(), self.settings, self.image_format, self.calibration
        )
        write_json(Path(folder) / BASELINE, {"method": self.name, "hyperparameters": self.hyperparameters})
        run_folder.save_model(Path(folder), model)

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Self:
        """Read a baseline from a folder.

        Raises:
            ModelError: the folder does not hold a finished baseline of this kind, or a file in it is damaged.
        """
        model = run_folder.load_model(Path(folder))
        made = _identity(Path(folder))
        if made.get("method") != cls.name:
            raise ModelError(f"{folder}: this is a model of {made.get('method')}, not of {cls.name}")
        baseline = cls(model.settings, device, **as_fields(made["hyperparameters"]))
        network = channels_last(baseline.build(model.image_format).to(baseline.device))
        try:
            _load(network, model.tensors)
        except RuntimeError as error:
            raise ModelError(f"{folder}: these are no weights of {cls.name}: {error}") from error
        baseline.network_, baseline.image_format_ = network.eval(), model.image_format
        baseline.calibration_ = model.calibration
        return baseline

    @torch.no_grad()
    def _inspect_one(self, working: NDArray[np.uint16]) -> Detection:
        start = time.perf_counter()
        found = self.network(image_tensor(working, self.device))
        return Detection(
            score=float(found.scores[0]),
            threshold=self._alarm,
            anomaly_map=found.maps[0, 0].cpu().numpy(),
            image=to_unit(working),
            seconds=time.perf_counter() - start,
        )


def _identity(folder: Path) -> dict[str, Any]:
    """Read which baseline a folder holds; those of the first release used other names."""
    if (folder / BASELINE).is_file() or not (folder / OLD_BASELINE).is_file():
        made: dict[str, Any] = run_folder.read_json(folder / BASELINE)
        return made
    old = run_folder.read_json(folder / OLD_BASELINE)
    return {"method": old.get("method"), "hyperparameters": old.get("knobs", {})}


def _load(network: BaselineNetwork, tensors: dict[str, Tensor]) -> None:
    """Load a state dict whose buffers may have grown in learning."""
    device = next(iter(network.state_dict().values())).device
    modules = dict(network.named_modules())
    for name, tensor in tensors.items():
        owner, _, last = name.rpartition(".")
        # Some are None until they are learnt, and so not among the named buffers.
        buffers = modules[owner]._buffers if owner in modules else {}
        if last in buffers and ((own := buffers[last]) is None or own.shape != tensor.shape):
            modules[owner].register_buffer(last, torch.empty_like(tensor, device=device))
    network.load_state_dict(tensors)
