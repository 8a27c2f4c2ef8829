"""What a detector is once it is fitted: networks and a threshold, in a run folder or in memory."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError, SettingsError
from excision.estimator import Estimator
from excision.features.network import FeatureNetwork
from excision.features.registry import build_network, open_network
from excision.method import run_folder
from excision.method.attention.dino import new_attention
from excision.method.attention.model import Attention
from excision.method.calibration import Calibration, check_thresholds
from excision.method.folder_kinds import folder_kind, wrong_folder
from excision.method.inference import ablated, infer
from excision.method.parameters import ParameterMixin, Parameters
from excision.method.pipeline import Pipeline
from excision.method.run_record import Record, read_record
from excision.method.run_start import check_free
from excision.method.stored_weights import check_weights
from excision.ops.memory_format import channels_last
from excision.predictions import Prediction
from excision.settings import AnomalyMapKind, Settings
from excision.settings.scoring import DistanceKind
from excision.tiling.image_format import ImageFormat
from excision.training.usable import Picture


class FittedDetector(ParameterMixin, Estimator[Prediction]):
    """Inspects with networks and a threshold, however they were obtained.

    Args:
        parameters: of the constructor of a detector.

    Attributes:
        pipeline_: the networks and everything else that was learnt; None before fitting.

    Raises:
        SettingsError: there is no such device, or a parameter is out of range.
    """

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters.in_force(), parameters.device)
        self.parameters = parameters
        self.pipeline_: Pipeline | None = None
        # What a person's threshold was set from: their own threshold again has its own promise again.
        self._set_from: tuple[Calibration, Calibration] | None = None
        self._record: Record = {}
        self._home: Path | None = None  # folder that it was trained in, loaded from, or saved to

    @property
    def pipeline(self) -> Pipeline:
        """The networks and everything else that was learnt.

        Raises:
            ModelError: the detector has not been fitted.
        """
        if self.pipeline_ is None:
            raise ModelError("this detector has no weights yet: fit it, or load a run folder")
        return self.pipeline_

    @property
    def image_format(self) -> ImageFormat:
        """Size, channels and tiling of the images, as fitting determined them.

        Raises:
            ModelError: the detector has not been fitted.
        """
        return self.pipeline.image_format

    @property
    def review_threshold(self) -> None:
        """None: only an exported model has a grey zone."""
        return None

    def with_thresholds(self, threshold: float, review_threshold: float | None = None) -> Self:
        """Return a detector with the same weights and a threshold that a person set; networks are shared.

        Args:
            threshold: decision threshold in the unit of the anomaly score.
            review_threshold: must be None, since only an exported model has a grey zone.

        Raises:
            ModelError: the detector has not been fitted.
            SettingsError: the threshold is not finite or not above 0, or a review threshold is given.
        """
        check_thresholds(threshold, review_threshold)
        if review_threshold is not None:
            raise SettingsError("a run folder has no grey zone: export the model to have one")
        present, own = self.calibration, self.calibration
        if self._set_from is not None and self._set_from[0] is present:
            own = self._set_from[1]
        twin = copy.copy(self)
        twin.calibration_ = own.moved_to(threshold)
        twin._set_from = (twin.calibration_, own)
        return twin

    def with_inference(
        self, *, mask: bool = True, skips: str | None = None, kind: AnomalyMapKind | None = None
    ) -> Self:
        """Return a detector with the same weights and a different inference, for ablation studies.

        The decision threshold is unchanged and promises no false-alarm rate for the new scores, which have
        no p-value either.

        Args:
            mask: False excises nothing and counts every pixel.
            skips: skip connections that are on, as in `RecoverySettings`; None leaves them unchanged.
            kind: kind of comparison, as in `ScoreSettings.map`; None leaves it unchanged.
        """
        settings = ablated(self.pipeline.settings, mask=mask, skips=skips, kind=kind)
        twin = copy.copy(self)
        twin.settings = settings
        twin.parameters = replace(self.parameters, settings=settings)
        twin.pipeline_ = twin._build(settings, self.image_format, features=self.pipeline.scorer.network)
        twin.pipeline_.load_learned(self.pipeline.state_dict())
        twin._is_comparable = self._is_comparable and settings == self.pipeline.settings
        twin._home = None
        return twin

    def with_features(
        self, features: str, distance: DistanceKind = "gaussian", *, attention_features: bool = True
    ) -> Self:
        """Return a detector with the same networks that compares other features, to measure what they add.

        It has no threshold until `recalibrate` has learnt what is normal.

        Args:
            features: as in `ScoreSettings.features`.
            distance: as in `ScoreSettings.distance`.
            attention_features: as in `ScoreSettings.attention_features`.

        Raises:
            ModelError: the detector has not been fitted, or the features cannot be read.
            SettingsError: there are no such features.
        """
        own = self.pipeline
        score = replace(
            own.settings.score,
            features=features,
            distance=distance,
            attention_features=attention_features,
        )
        twin = copy.copy(self)
        twin.settings = replace(own.settings, score=score)
        twin.parameters = replace(self.parameters, settings=twin.settings)
        network = twin._open_features(self.image_format)
        twin.pipeline_ = twin._build(twin.settings, self.image_format, features=network)
        # What the network itself has learnt comes from its package or file.
        fresh, of_network = twin.pipeline_.state_dict(), "scorer.network"
        kept = {name: each for name, each in own.state_dict().items() if not name.startswith(of_network)}
        kept |= {name: each for name, each in fresh.items() if name.startswith(of_network)}
        twin.pipeline_.load_learned(kept)
        twin.calibration_ = twin.fitness_ = None
        twin._home = None
        return twin

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder that `load` and the command line can open.

        With it goes what is known of its training, such as which images it was trained and calibrated on.

        Args:
            folder: folder for the model. It may hold no other one, but that which this detector was trained
                in or loaded from.

        Raises:
            ModelError: the detector has not been fitted.
            SettingsError: the folder holds another model or run.
        """
        target = Path(folder)
        if self._home is None or target.absolute() != self._home:
            check_free(target, resume=False)
        self._write(target)

    def _write(self, folder: Path) -> None:
        """Write model and record; the folder is then that of this detector."""
        pipeline, network = self.pipeline, self.pipeline.scorer.network
        model = run_folder.Model(
            pipeline.state_dict(),
            pipeline.settings,
            pipeline.image_format,
            self.calibration,
            self.fitness_,
            None if network is None else network.record,
        )
        run_folder.save_model(folder, model, self._record)
        self._home = folder.absolute()

    def _inspect_one(self, working: NDArray[np.uint16]) -> Prediction:
        return infer(self.pipeline, working, self._alarm, self.device)

    def _inspect_with(self, pipeline: Pipeline, picture: Picture) -> Prediction:
        twin = copy.copy(self)
        twin.pipeline_ = pipeline
        return twin._predict_one(picture)

    def _load(self, folder: Path) -> Self:
        if folder_kind(folder) == "baseline":
            raise ModelError(wrong_folder(folder, "run folder"))
        model = run_folder.load_model(folder)
        check_weights(model, folder)
        self.settings, self.calibration_ = model.settings, model.calibration
        self.fitness_ = model.fitness
        self._is_comparable = True
        features = None if model.features is None else build_network(model.features)
        self.pipeline_ = self._build(model.settings, model.image_format, features=features)
        self.pipeline_.load_learned(model.tensors)
        self._record, self._home = read_record(folder), folder.absolute()
        return self

    def _open_features(self, image_format: ImageFormat) -> FeatureNetwork | None:
        """Read the feature network of the settings."""
        choice = self.settings.feature_choice(image_format)
        return None if choice is None else open_network(choice)

    def _build(
        self,
        settings: Settings,
        image_format: ImageFormat,
        attention: Attention | None = None,
        features: FeatureNetwork | None = None,
    ) -> Pipeline:
        attention = attention or new_attention(settings.attention.variant, features)
        pipeline = Pipeline(settings, image_format, attention, features)
        return channels_last(pipeline.to(self.device)).eval()
