"""How a detector is fitted, calibrated again, and asked for suspects."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch

from excision.data import Dataset
from excision.detector.fitted import FittedDetector
from excision.estimator import Trainable
from excision.method import run_folder, run_start
from excision.method.attention.model import Attention
from excision.method.calibration_scores import fold_scores, held_out_scores
from excision.method.cross_calibration import cross_calibration_scores, with_cross_calibration
from excision.method.cross_fitting import CrossFit, cross_fit
from excision.method.few_images import warn_if_few
from excision.method.fitness.learning import learn_fitness
from excision.method.fitting import train_pipeline
from excision.method.fold_training import out_of_fold_scores
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal, with_own_statistics
from excision.method.parameters import Parameters
from excision.method.run_record import of_recalibrated
from excision.method.suspect_search import KeptFit, search_suspects
from excision.method.suspects import Suspect
from excision.method.unused_features import warn_if_unused
from excision.method.warm_start import check_same_networks, read_warm_start, start_from
from excision.predictions import Prediction
from excision.progress import Progress, StageProgress, TrainingProgress, of_stage
from excision.settings import Settings
from excision.system.allocator import share_memory_of_threads
from excision.system.usage import usage
from excision.training.given_defects import Defects
from excision.training.given_groups import Groups
from excision.training.side_by_side import at_once
from excision.training.training_set import TrainingSet


class Detector(FittedDetector):
    """Excision And Recovery: trained on normal images, it distinguishes normal from defective images.

    It follows scikit-learn's contract: `fit` changes no parameter and discards any earlier fit, learnt
    attributes have a trailing underscore, and `clone` returns an unfitted copy. `predict` yields a
    `Prediction` for each image instead of a label; `score_samples` and `decision_function` are as in
    scikit-learn's outlier detectors.

    Args:
        settings: all settings; None takes the defaults. The arguments below take precedence.
        device: "cpu", "cuda", or "auto" for a GPU where there is one.
        size: (H, W) of the working image in pixels (`image.size`).
        tile: (H, W) of the tiles in which large images are inspected at full resolution (`image.tile`).
        steps: number of training steps (`training.steps`).
        seed: seed of everything random in training (`training.seed`).
        false_alarm_rate: false-alarm rate to promise, between 0 and 1 (`calibration.false_alarm_rate`).

    Attributes:
        settings: all settings, with the arguments above applied; used by the next fit.
        calibration_: the decision threshold and the false-alarm rate that it promises; None before fitting.
        fitness_: what training images are like, which decides which images are unfit to be inspected; None
            before fitting, and if no image is judged as unfit.
        pipeline_: the networks and everything else that was learnt; None before fitting.

    Raises:
        SettingsError: there is no such device, or a parameter is out of range.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        device: str = "auto",
        *,
        size: tuple[int, int] | None = None,
        tile: tuple[int, int] | None = None,
        steps: int | None = None,
        seed: int | None = None,
        false_alarm_rate: float | None = None,
    ) -> None:
        super().__init__(Parameters(settings, device, size, tile, steps, seed, false_alarm_rate))
        self._kept_fit: KeptFit[Prediction] | None = None

    def __repr__(self) -> str:
        """Return the given parameters and a summary of the fit."""
        if self.pipeline_ is None or self.calibration_ is None:
            return f"Detector({self.parameters})"
        (height, width), kind = self.image_format.size, "grey" if self.image_format.channels == 1 else "RGB"
        fitted = f"fitted to {height} x {width} {kind} images, threshold {self.threshold:.4g}"
        return f"<Detector({self.parameters}) {fitted}>"

    def __getstate__(self) -> dict[str, Any]:
        """Give what a copy needs: it neither holds nor pickles the images that were kept for `suspects`."""
        return {**vars(self), "_kept_fit": None}

    def fit(
        self,
        dataset: Trainable,
        run: str | Path | None = None,
        resume: bool = False,
        progress: TrainingProgress | None = None,
        stage: StageProgress | None = None,
        *,
        groups: Groups | None = None,
        defects: Defects | None = None,
        warm_start: str | Path | None = None,
        for_suspects: bool = False,
    ) -> Self:
        """Train and calibrate on the normal training images.

        Any earlier fit is discarded: fitting on X1 and then on X2 is the same as fitting on X2 only. Before
        the training a `FewImagesWarning` says if the held-out images are so few that they can promise neither
        the wanted false-alarm rate nor one of 5 %. With glibc, threads of this process that begin later share
        one arena of memory, unless the environment has MALLOC_ARENA_MAX.

        Args:
            dataset: a data set, its path, or images that are all normal, in any form that `predict` takes.
            run: folder for checkpoints, log and the finished model; None keeps everything in memory.
            resume: continue the run in `run` where it stopped.
            progress: called with (finished steps, total steps, figures) in training.
            stage: called with (stage, done, total) in all other stages.
            groups: group of each normal training image, in their order or by name: the part, strip or moment
                that it shows. None finds the groups, or takes those that the data set states.
            defects: images of known defects, which sharpen the tuning of the attention and nothing else: a
                folder or a labelled data set, of which the defective images are taken, or a list of images,
                each a path, an array, or a pair of one and its mask (H, W). Without a mask, only the image is
                known to be defective.
            warm_start: finished run folder whose attention and recovery networks the training starts from;
                all statistics and the threshold are learnt anew. No image that they have been trained on is
                held out to set the threshold. None starts from nothing.
            for_suspects: keep in memory what `suspects` needs. If that is called next, with the same data
                set, it learns no statistics again. A copy of the detector does not keep it.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out; `groups` does not fit; or
                no image of `defects` can be used, or one is a good image.
            ImageError: an array is not an image.
            ModelError: the loss is not finite, or the checkpoint is damaged.
            SettingsError: `run` holds another run, or a run begun with other settings or data; or there are
                `defects` and the attention is not tuned; or the networks of `warm_start` do not fit.
        """
        start = time.perf_counter()
        self._kept_fit = None
        share_memory_of_threads()
        run = Path(run) if run is not None else None
        if run is not None:
            run_start.check_free(run, resume=resume)
        recorded = run_start.recorded_groups(run) if run is not None and resume else None
        warm = None if warm_start is None else read_warm_start(Path(warm_start))
        data = self._prepare(dataset, self.settings, stage, recorded, groups, defects, warm)
        if warm_start is not None:
            check_same_networks(Path(warm_start), self.settings, data.image_format)
        data = with_cross_calibration(data, self.settings)
        if run is None or not run_start.is_begun(run):
            warn_if_few(data, self.settings)
            warn_if_unused(self.settings, data.image_format)
        # Before the training: an image that is gone afterwards must not cost its result.
        fingerprint = data.fingerprint()
        if run is not None and not self._begin_run(run, data, fingerprint, resume):
            return self._load(run)
        self.calibration_, self._record, self._home = None, {}, None
        tiles = run / run_folder.TILES if run is not None else None
        folds = self.settings.calibration.folds
        with data.materialised(tiles, of_stage(stage, "cutting tiles")):
            scores = out_of_fold_scores(data, folds, run, self._score_fold, stage) if folds else None
            self._train(data, run, progress, stage, warm_start)
            cross = self._learn_normal(data, stage, scores)
        if for_suspects:
            self._kept_fit = KeptFit(dataset, self.pipeline, data, cross)
        facts = usage(time.perf_counter() - start)
        facts |= {**replace(data, cross_fits=self.calibration.cross_fitted > 0).facts(), "resumed": resume}
        self._record = {run_folder.FINGERPRINT: fingerprint, run_folder.TRAINING: facts}
        if run is not None:
            self._write(run)
            run_folder.remove_checkpoints(run)
        return self

    def recalibrate(
        self,
        dataset: Dataset | str | Path,
        stage: StageProgress | None = None,
        *,
        groups: Groups | None = None,
    ) -> Self:
        """Learn the normal statistics and the threshold again without training, e.g. for new lighting.

        Args:
            dataset: data set whose normal training images are divided as in `fit`, but always held out, never
                in folds. After a fit with folds, give images that it was not trained on.
            stage: called with (stage, done, total).
            groups: as in `fit`.

        Raises:
            DatasetError: there are no normal images, or too few to hold some out; or `groups` does not fit.
            ModelError: the detector has not been fitted.
        """
        self._kept_fit = None
        settings = self.pipeline.settings.settled(self.image_format).without_folds()
        data = self._prepare(dataset, settings, stage, groups=groups)
        if not self.settings.calibration.folds:
            data = with_cross_calibration(data, settings)
        # A detector with other thresholds or another inference may share what is learnt here.
        self.pipeline_ = with_own_statistics(self.pipeline)
        record = of_recalibrated(self._record, data.fingerprint)
        with data.materialised(None, of_stage(stage, "cutting tiles")):
            self._learn_normal(data, stage)
        self._record = record
        return self

    def suspects(
        self,
        dataset: Trainable,
        stage: StageProgress | None = None,
        run: str | Path | None = None,
        *,
        groups: Groups | None = None,
    ) -> Iterator[tuple[Suspect, Prediction]]:
        """Find the good images of the training data that look defective, strongest first, lazily.

        Each image is scored by statistics that its group took no part in. The networks have seen the training
        images, but none that was held out.

        Args:
            dataset: images that this detector was fitted to.
            stage: called with (stage, done, total).
            run: run folder of the fit, whose groups are used; None finds the groups again.
            groups: those that were given to the fit.

        Yields:
            Each suspect and the prediction for it.

        Raises:
            DatasetError: there are no normal images.
            ImageError: an image can no longer be read.
            ModelError: the detector has not been fitted.
        """
        tell = None if stage is None else partial(_of_suspects, stage)
        kept, self._kept_fit = self._kept_fit, None
        search = partial(search_suspects, inspect=self._predict_one, stage=tell, count=self._at_once)
        if kept is not None and kept.is_of(dataset, self.pipeline):
            yield from search(kept.data, self.calibration, lambda: kept.cross_fit)
            return
        settings = self.pipeline.settings.settled(self.image_format)
        recorded = None if run is None else run_start.recorded_groups(Path(run))
        warm = None if run is None else run_start.recorded_warm_start(Path(run))
        data = self._prepare(dataset, settings, tell, recorded, groups, warm=warm)
        with data.materialised(None, of_stage(tell, "cutting tiles")):

            def fit() -> CrossFit[Prediction]:
                # The model keeps its own statistics; where all scores are known, none are learnt.
                twin = with_own_statistics(self.pipeline)
                return cross_fit(twin, data, self.device, self._inspect_with, tell)

            yield from search(data, self.calibration, fit)

    @classmethod
    def load(cls, folder: str | Path, device: str = "auto") -> Self:
        """Read a detector from a run folder.

        Raises:
            ModelError: the folder does not hold a finished run, or a file in it is damaged.
        """
        detector = cls(device=device)._load(Path(folder))
        detector.parameters = replace(detector.parameters, settings=detector.settings)
        return detector

    def _begin_run(self, run: Path, data: TrainingSet, fingerprint: dict[str, Any], resume: bool) -> bool:
        """Begin or resume a run in its folder; False where it has a finished model already."""
        features = self._open_features(data.image_format)
        record = None if features is None else features.record
        run_start.prepare_run(run, self.settings, data.image_format, fingerprint, record, resume=resume)
        if not (run / run_folder.MODEL).is_file():
            return True
        # The run may have been killed after the model was written but before the clean-up.
        run_folder.remove_checkpoints(run)
        return False

    def _train(
        self,
        data: TrainingSet,
        run: Path | None,
        progress: TrainingProgress | None,
        stage: StageProgress | None,
        warm_start: str | Path | None = None,
    ) -> None:
        features = self._open_features(data.image_format)
        torch.manual_seed(self.settings.training.seed)
        chosen = self.settings.attention
        attention = None
        if chosen.pretrained and chosen.variant != "dino":
            attention = Attention.pretrained(chosen.variant)
        self.pipeline_ = self._build(self.settings, data.image_format, attention, features)
        if warm_start is not None:
            start_from(self.pipeline_, type(self).load(warm_start, str(self.device)).pipeline)
        train_pipeline(self.pipeline_, data, self.device, run, progress, stage)

    def _learn_normal(
        self, data: TrainingSet, stage: StageProgress | None, out_of_fold: Sequence[float] | None = None
    ) -> CrossFit[Prediction]:
        """Learn normal statistics from the training images, and the threshold from held-out ones or folds."""
        settings, self.calibration_ = self.pipeline.settings, None
        fit, count = cross_fit(self.pipeline, data, self.device, self._inspect_with, stage), self._at_once
        if out_of_fold is not None:
            scores = fold_scores(out_of_fold, data, settings.calibration.folds)
        elif data.cross_fits and fit.is_out_of_fold:
            scores = cross_calibration_scores(data, fit, self._score_one, stage, count)
        else:
            scores = held_out_scores(data, self._score_one, stage, count)
        self._set_threshold(scores, settings)
        self.fitness_ = learn_fitness(data, settings.calibration, stage)
        return fit

    @property
    def _at_once(self) -> int:
        """Number of images that are inspected at once; large ones are too large to be in memory together."""
        return at_once(self.device) if self.image_format.tiling is None else 1

    def _score_fold(self, data: TrainingSet, folder: Path | None, progress: Progress) -> Sequence[float]:
        """Train a model with the same settings on other images, and score those that it does not see."""
        other = type(self)(self.settings, device=str(self.device))
        other._train(data, folder, lambda done, total, _: progress(done, total), None)
        learn_normal(other.pipeline, NormalImages.of(data, self.device))
        return held_out_scores(data, other._score_one, None).scores


def _of_suspects(stage: StageProgress, name: str, done: int, total: int) -> None:
    """Tell a stage of the search for suspects apart from that of the training."""
    stage(f"suspects: {name}", done, total)
