"""Cross-calibration by full trainings: each fold of the good images is scored by a model without it.

The scores are those of K-fold cross-validation (Stone, "Cross-validatory choice and assessment of statistical
predictions", Journal of the Royal Statistical Society B 36, 1974). A threshold from them keeps its rate for
the model that was trained on all images if that model scores new images as the models of the folds do; for
stable methods this holds in the limit (Steinberger, Leeb, "Conditional predictive inference for stable
algorithms", Annals of Statistics 51, 2023).

Guaranteed without any such assumption is only about twice the promised rate, on average, and only if each new
image is compared by the models of all folds (CV+; Barber, Candès, Ramdas, Tibshirani, "Predictive inference
with the jackknife+", Annals of Statistics 49, 2021; over the draw of the training images: Bian, Barber,
"Training-conditional coverage for distribution-free predictive inference", Electronic Journal of Statistics
17, 2023). An inspection would then take as many times as long as there are folds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from excision.errors import ModelError
from excision.method.run_folder import FOLDS, read_json
from excision.progress import Progress, StageProgress, of_stage
from excision.system.files import write_json
from excision.training.training_set import TrainingSet

ScoreFold = Callable[[TrainingSet, Path | None, Progress], Sequence[float]]
"""Trains a new model on the training images of a set, with checkpoints in a folder, and returns the scores of
its calibration images; the progress is called with (finished steps, total steps)."""

_SCORES = "scores.json"


def out_of_fold_scores(
    data: TrainingSet, count: int, run: Path | None, score: ScoreFold, stage: StageProgress | None = None
) -> list[float]:
    """Score every training image by a model that was trained without its fold.

    A fold that was finished before an interrupt is not trained again.

    Args:
        data: all images as training images; tiles must be materialised.
        count: number of folds of whole groups; at most one for each group.
        run: run folder, for checkpoints and scores; None keeps everything in memory.
        score: trains and scores one fold.
        stage: called with (stage, done, total).

    Returns:
        The scores in the order of `data.sources`.
    """
    found: dict[str, float] = {}
    folds = data.folds(count)
    for number, names in enumerate(folds, start=1):
        folder = None if run is None else run / FOLDS / str(number)
        tell = of_stage(stage, f"fold {number} of {len(folds)}")
        scores = _finished(folder, names)
        if scores is None:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            scores = list(score(data.without(names), folder, tell))
            if folder is not None:
                write_json(folder / _SCORES, {"names": names, "scores": scores})
        else:
            tell(1, 1)
        found.update(zip(names, scores, strict=True))
    return [found[name] for name in data.sources]


def _finished(folder: Path | None, names: Sequence[str]) -> list[float] | None:
    """Read the scores of a finished fold; None if it is not finished, or the file is not of these images."""
    if folder is None or not (folder / _SCORES).is_file():
        return None
    try:
        content: Any = read_json(folder / _SCORES)
        scores = [float(score) for score in content["scores"]]
        fits = content["names"] == list(names) and len(scores) == len(names)
    except (KeyError, ModelError, TypeError, ValueError):
        return None
    return scores if fits and all(map(math.isfinite, scores)) else None
