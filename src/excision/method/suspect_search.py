"""The search for suspects among the good images of a training: scores all of them out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from excision.method.cross_fitting import CrossFit
from excision.method.suspects import ScoredImage, Suspect, find_suspects
from excision.predictions import Detection
from excision.progress import StageProgress
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

D = TypeVar("D", bound=Detection)


def search_suspects(
    data: TrainingSet,
    fit: CrossFit[D],
    inspect: Callable[[Picture], D],
    stage: StageProgress | None = None,
) -> Iterator[tuple[Suspect, D]]:
    """Find the good images that look defective, strongest first, lazily.

    Args:
        data: images of a training.
        fit: inspects each training image by statistics that its group took no part in.
        inspect: inspects a held-out image.
        stage: called with (stage, done, total).

    Yields:
        Each suspect and the detection for it.

    Raises:
        ImageError: an image can no longer be read.
    """
    scores = fit.scores(data, stage)
    images = [ScoredImage(name, score, "training") for name, score in zip(data.sources, scores, strict=True)]
    for name, picture in zip(data.calibration, data.calibration_images(), strict=True):
        images.append(ScoredImage(name, inspect(picture).score, "calibration"))
    for suspect in find_suspects(images):
        picture = data.picture(suspect.name)
        trained = suspect.part == "training"
        yield suspect, fit.inspect(suspect.name, picture) if trained else inspect(picture)
