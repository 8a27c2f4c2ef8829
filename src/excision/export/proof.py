"""The threshold of an exported model, and the proof that it agrees with torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from excision.detector import Detector
from excision.errors import ModelError
from excision.method.calibration import Calibration, calibrate
from excision.progress import StageProgress
from excision.runtime.golden_file import Golden
from excision.runtime.inspector import Inspector
from excision.runtime.verification import DRIFT_LIMITS, Proof, replay
from excision.system.in_order import in_order
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Calibrating:
    """The images that set the threshold, and how it is set from their scores.

    Attributes:
        images: those that the model was trained on, if any, and then those held out.
        out_of_fold: score of each by a model that has not seen it; None if all of them were held out.
        n_trained_on: number of the first.
        setting: sets the threshold from a score of each, as for the run.
    """

    images: list[Picture]
    out_of_fold: Scores | None
    n_trained_on: int
    setting: Callable[[Scores], Calibration]

    @classmethod
    def of(cls, detector: Detector, data: TrainingSet) -> Calibrating:
        """Collect them.

        Raises:
            ModelError: the threshold was set from images that the data lack, or not from all of theirs.
        """
        images, out_of_fold = list(data.calibrating_images()), _out_of_fold(detector, data)
        return cls(images, out_of_fold, len(data.sources), _setting(detector, data))

    def memory(self, scores: Scores) -> Scores:
        """Return what torch's score of each image lacks because the model has seen the image.

        The model has seen images that calibrated in folds, so that its own scores of them are too low. What
        the backend adds to torch's score of such an image, it is taken to add to its out-of-fold score.

        Args:
            scores: torch's score of each image.
        """
        memory = np.zeros_like(scores) if self.out_of_fold is None else self.out_of_fold - scores
        memory[self.n_trained_on :] = 0.0
        return memory


def _setting(detector: Detector, data: TrainingSet) -> Callable[[Scores], Calibration]:
    """Return the function that sets the threshold from scores of `data.calibrating`, as for the run."""
    chosen, known = detector.settings.calibration, detector.calibration

    def setting(scores: Scores) -> Calibration:
        return calibrate(
            scores.tolist(),
            known.rate,
            confidence=known.confidence or chosen.confidence,
            groups=[data.groups[name] for name in data.calibrating],
            names=data.calibrating,
            odd_image=chosen.odd_image,
            folds=known.folds,
            cross_fitted=known.cross_fitted,
        )

    return setting


def _out_of_fold(detector: Detector, data: TrainingSet) -> Scores | None:
    """Return the out-of-fold score of each of `data.calibrating`; None if all of them were held out.

    Raises:
        ModelError: the images are not those that calibrated in folds.
    """
    known = detector.calibration
    if not known.folds and not known.cross_fitted:
        return None
    scores = dict(zip(known.names, known.scores, strict=True))
    if missing := set(data.calibrating) ^ set(scores):
        raise ModelError(
            f"the threshold of this run was set from all of its images, and {min(missing)} is only in the "
            "run or only in this data: give the images that it was trained on"
        )
    return np.array([scores[name] for name in data.calibrating])


def prove(
    inspector: Inspector,
    golden: Golden,
    calibrating: Calibrating,
    before: Scores,
    allow_drift: float | None,
    tell: StageProgress,
) -> Proof:
    """Set the threshold of an exported model, and prove that it agrees with torch.

    Args:
        inspector: the exported model; its folder receives the threshold.
        golden: images with torch's results.
        calibrating: images that set the threshold.
        before: torch's score of each.
        allow_drift: largest score drift as a share of the threshold; None takes that of the precision.
        tell: called with (stage, done, total).

    Raises:
        ModelError: the exported model drifts too far.
    """
    memory = calibrating.memory(before)
    # The threshold is computed from these same scores: otherwise the verdict of the image that sets it would
    # depend on its last bit, and so on the number of threads that torch had in training.
    torch_threshold = calibrating.setting(before + memory).threshold
    after = np.zeros_like(before)
    scores = in_order(lambda image: inspector.inspect(image).score, calibrating.images, inspector.workers)
    for place, score in enumerate(scores):
        after[place] = score
        tell("proving", place + 1, len(calibrating.images))
    new = calibrating.setting(after + memory)
    inspector.description = replace(inspector.description, calibration=new)
    inspector.description.save(inspector.folder)
    proof = replay(inspector, golden, torch_threshold)
    drift = np.abs(before - after).max() / max(abs(inspector.threshold), 1e-9)
    changed = (before + memory > torch_threshold) != (after + memory > inspector.threshold)
    proof = replace(
        proof,
        images=proof.images + len(calibrating.images),
        score_drift=max(proof.score_drift, float(drift)),
        verdicts_changed=proof.verdicts_changed + int(changed.sum()),
    )
    proof.check(DRIFT_LIMITS[inspector.description.precision] if allow_drift is None else allow_drift)
    return proof
